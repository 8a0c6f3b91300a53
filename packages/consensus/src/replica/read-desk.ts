/**
 * The read desk: from a query to its answer, out of this replica's state.
 *
 * A weak read is served from the state as it is or will soon be. For a linearizable one the protocol says from
 * which index on it may be served; a follower asks its leader for that, and answers out of its own state.
 * [RaftThesis §6.4]
 */
import { assertNever, type Clock, decodeValue, type NodeId } from '@quorate/core';
import type { LogIndex } from '../protocol.ts';
import type { Epoch } from './epoch.ts';
import type { Epochs } from './epochs.ts';
import type { ReplicaMessage } from './message.ts';
import { type PendingRead, PendingReads } from './pending-reads.ts';
import type { ReplicatedState } from './replicated-state.ts';
import { type Asker, answer, refuse, reject } from './waiting-clients.ts';

export interface ReadDeskParts {
  readonly node: NodeId;
  readonly group: number;
  readonly clock: Clock;
  readonly state: ReplicatedState;
  readonly epochs: () => Epochs;
  /** False while the state is being replaced. */
  readonly isReadable: () => boolean;
  readonly leaderHint: () => NodeId | undefined;
  readonly send: (to: NodeId, message: ReplicaMessage) => void;
  /** A read that has no confirmation by then is refused: what would have confirmed it may be lost. */
  readonly patienceMs: number;
  /** Number of the first read that a leader is asked about, drawn anew in each life. */
  readonly firstRead: number;
}

/**
 * After so many times that patience a read is let go whose index the state has not reached: a replica that is cut off
 * would gather the askings of clients that went elsewhere long ago.
 */
const hopelessAfter = 4;

type Read = ReplicaMessage & { readonly type: 'read' };

export class ReadDesk {
  readonly #parts: ReadDeskParts;
  readonly #reads: PendingReads;

  constructor(parts: ReadDeskParts) {
    this.#parts = parts;
    this.#reads = new PendingReads(parts.firstRead);
  }

  /** A client's queries. */
  read(asker: Asker, message: Read): void {
    const queries = decodeQueries(message.queries);
    if (queries === undefined) return reject(asker, 'ERR_FRAME_INVALID', 'queries are an array of values');
    const { consistency } = message;
    const nowMs = this.#parts.clock.nowMs();
    const read = { type: 'client', asker, queries, mayUseLease: consistency === 'lease' } as const;
    switch (consistency) {
      case 'eventual':
        this.#reads.serveFrom(read, 0 as LogIndex, nowMs);
        break;
      case 'session':
        this.#reads.serveFrom(read, message.atLeast, nowMs);
        break;
      case 'lease':
      case 'linearizable':
        this.#askForIndex(this.#reads.ask(read, nowMs), message);
        break;
      default:
        assertNever(consistency, 'consistency');
    }
    this.serve();
  }

  /** A follower asks on behalf of its own client. */
  readForPeer(peer: NodeId, { epoch, read }: ReplicaMessage & { type: 'read-index' }): void {
    const { run, isMoving } = this.#parts.epochs();
    const asked: PendingRead = { type: 'peer', peer, epoch, read, mayUseLease: false };
    const number = this.#reads.ask(asked, this.#parts.clock.nowMs());
    if (isMoving || epoch !== run.epoch.number) this.#refuse(this.#reads.refuse(number));
    else run.input({ type: 'read', read: number });
  }

  /** The leader has answered that. */
  peerHasRead({ epoch, read, index }: ReplicaMessage & { type: 'read-index-reply' }): void {
    const { run, isMoving } = this.#parts.epochs();
    const isPresent = epoch === run.epoch.number && !isMoving;
    if (index === undefined || !isPresent) return this.refused(read);
    this.#reads.confirm(read, index);
    this.serve();
  }

  /** The protocol lets a read be served from `index` on. */
  ready(read: number, index: LogIndex): void {
    if (this.#parts.epochs().isMoving) return;
    const peer = this.#reads.confirm(read, index);
    if (peer === undefined) return this.serve();
    const { group, send } = this.#parts;
    send(peer.peer, { type: 'read-index-reply', group, epoch: peer.epoch, read: peer.read, index });
  }

  /** What a sealed protocol refuses, the next one is asked for. */
  refused(read: number): void {
    if (!this.#parts.epochs().isMoving) this.#refuse(this.#reads.refuse(read));
  }

  refuseAll(): void {
    for (const read of this.#reads.refuseAll()) this.#refuse(read);
  }

  tick(): void {
    const { clock, epochs, patienceMs } = this.#parts;
    if (epochs().isMoving) return;
    const nowMs = clock.nowMs();
    for (const read of this.#reads.refuseOlder(nowMs - patienceMs, nowMs - hopelessAfter * patienceMs))
      this.#refuse(read);
  }

  /** The present epoch has ended: what it confirmed beyond its end does not hold. */
  seal(next: Epoch): void {
    this.#reads.seal(next);
  }

  /** The replica leaves its epoch for a later one, perhaps over others. */
  skipped(): void {
    this.#reads.skipped();
  }

  /** The replica speaks in another epoch: what waits is asked there. */
  entered(): void {
    const { run } = this.#parts.epochs();
    for (const { number, read } of this.#reads.unconfirmed()) {
      if (read.type === 'client') run.input({ type: 'read', read: number, mayUseLease: read.mayUseLease });
      else this.#refuse(this.#reads.refuse(number));
    }
  }

  /** Answers what the state may answer by now. */
  serve(): void {
    const { state, isReadable } = this.#parts;
    if (!isReadable()) return;
    const { appliedIndex: index } = state;
    for (const { asker, queries } of this.#reads.due(index)) {
      const answers = state.query(queries);
      if (answers === undefined) reject(asker, 'ERR_OVERLOADED', 'the answers are too large together');
      else answer(asker, { type: 'answers', request: asker.request, index, answers });
    }
  }

  #askForIndex(read: number, { isLocal, consistency }: Read): void {
    const { run, isMoving } = this.#parts.epochs();
    // Asked of the next epoch, as soon as there is one.
    if (isMoving) return;
    const { role, leader } = run.status();
    if (role === 'leader' || !isLocal || leader === undefined) {
      return run.input({ type: 'read', read, mayUseLease: consistency === 'lease' });
    }
    const { group, send } = this.#parts;
    send(leader, { type: 'read-index', group, epoch: run.epoch.number, read });
  }

  #refuse(read: PendingRead | undefined): void {
    if (read === undefined) return;
    const { node, group, leaderHint, send } = this.#parts;
    if (read.type === 'client')
      return refuse(read.asker, 'ERR_NOT_LEADER', `${node} does not lead`, leaderHint());
    const { peer, epoch, read: number } = read;
    send(peer, { type: 'read-index-reply', group, epoch, read: number, index: undefined });
  }
}

function decodeQueries(encoded: Uint8Array): readonly unknown[] | undefined {
  try {
    const queries = decodeValue(encoded);
    return Array.isArray(queries) ? queries : undefined;
  } catch {
    return undefined;
  }
}
