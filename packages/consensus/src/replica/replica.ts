/**
 * The replica: the only place where protocol, log, links and state machine meet.
 *
 * Whatever happens becomes an input of the protocol, one at a time; whatever the protocol answers is an
 * effect, and each kind of effect is carried out by one function below. The order of effects is kept:
 * that is what makes a reply wait for its write.
 */
import {
  type ActorRef,
  assertNever,
  type Clock,
  CodedError,
  decodeValue,
  type ErrorCode,
  errorToData,
  invariant,
  messageOf,
  type NodeId,
  type Random,
} from '@quorate/core';
import type { LogRecord, SnapshotStore, WriteAheadLog } from '@quorate/storage';
import type {
  Effect,
  Input,
  LogIndex,
  Outgoing,
  Protocol,
  ProtocolStatus,
  RefusalReason,
} from '../protocol.ts';
import { ApplyQueue } from './apply-queue.ts';
import { HandledRequests } from './handled-requests.ts';
import type { ReplicaMessage, ReplicaStatus, SnapshotOffer } from './message.ts';
import { decodeReplicaMessage, encodeClientMessage, encodeReplicaMessage } from './message.ts';
import { payloadBytesMax, payloadIdentity } from './payload.ts';
import { PendingReads } from './pending-reads.ts';
import type { ReplicatedState } from './replicated-state.ts';
import { restoreSnapshot } from './restore-snapshot.ts';
import { SnapshotKeeper } from './snapshot-keeper.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import {
  type Asker,
  answer,
  batchKey,
  openKey,
  refuse,
  reject,
  toClient,
  WaitingClients,
} from './waiting-clients.ts';

type ProtocolInput = Input<unknown>;
type ProtocolEffect = Effect<unknown>;

export interface ReplicaParts {
  readonly node: NodeId;
  readonly group: number;
  readonly epoch: number;
  readonly clock: Clock;
  /** Another one in each life of the node. */
  readonly random: Random;
  readonly protocol: Protocol<unknown, unknown>;
  readonly protocolState: unknown;
  readonly log: WriteAheadLog;
  readonly snapshots: SnapshotStore;
  readonly state: ReplicatedState;
  /** Index and reign of the snapshot that the log counts from. */
  readonly snapshotIndex: LogIndex;
  /** Payload bytes applied between two snapshots. */
  readonly snapshotEveryBytes: number;
  /** Bytes of a snapshot that travel in one message. */
  readonly snapshotChunkBytes: number;
  readonly heartbeatMs: number;
  readonly mailboxDepth: () => number;
  readonly isMember: (node: NodeId) => boolean;
  /** The replica of another member. */
  readonly peer: (node: NodeId) => ActorRef;
  /** Something to tell an operator that is not fatal. */
  readonly warn: (message: string, error?: unknown) => void;
  /** Called once when the replica stops for good; nothing is acknowledged after it. */
  readonly failed: (error: unknown) => void;
}

export class Replica {
  readonly #parts: ReplicaParts;
  readonly #inputs: ProtocolInput[] = [];
  #isStepping = false;
  #leads = false;
  readonly #handled = new HandledRequests();
  readonly #waiting = new WaitingClients();
  readonly #reads = new PendingReads();
  /** One for each `propose` input that has no `accepted` or `refused` yet. */
  readonly #proposing: { readonly key: string; readonly asker: Asker }[] = [];
  readonly #applyQueue: ApplyQueue;
  readonly #keeper: SnapshotKeeper;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  readonly #watchers = new Map<string, ActorRef>();
  #lastPublished = '';
  #failure: { readonly code: ErrorCode; readonly message: string } | undefined;
  #isStopped = false;

  constructor(parts: ReplicaParts) {
    this.#parts = parts;
    this.#applyQueue = new ApplyQueue({
      clock: parts.clock,
      state: parts.state,
      restore: (snapshot) => {
        const { group, epoch, snapshots, state } = parts;
        return restoreSnapshot(snapshots, { group, epoch, ...snapshot }, state);
      },
      applied: (outcome, entry) => {
        this.#keeper.applied(entry, entry.payload.byteLength);
        this.#waiting.applied(outcome, entry.index);
      },
      readable: () => {
        this.#serveReads();
        this.#keeper.takeIfDue();
      },
      failed: (error) => this.fail(error),
    });
    this.#keeper = new SnapshotKeeper({
      group: parts.group,
      epoch: parts.epoch,
      state: parts.state,
      snapshots: parts.snapshots,
      log: parts.log,
      countsFrom: parts.snapshotIndex,
      everyBytes: parts.snapshotEveryBytes,
      compacted: (index) => this.#input({ type: 'compacted', index }),
      warn: parts.warn,
    });
    this.#sender = new SnapshotSender({
      group: parts.group,
      epoch: parts.epoch,
      clock: parts.clock,
      snapshots: parts.snapshots,
      firstTransfer: parts.random.below(2 ** 32) * 2 ** 20,
      chunkBytes: parts.snapshotChunkBytes,
      retryAfterMs: 4 * parts.heartbeatMs,
      send: (to, message) => this.#sendToPeer(to, message),
      done: (to, delivered) => this.#input({ type: 'snapshot-sent', to, delivered }),
    });
    this.#receiver = new SnapshotReceiver({
      snapshots: parts.snapshots,
      send: (to, message) => this.#sendToPeer(to, message),
      received: (from, offer) => this.#snapshotReceived(from, offer),
      failed: (error) => parts.warn('a snapshot could not be received', error),
    });
  }

  /** Handles a message from a peer's replica or from a client. Bytes that are no message of ours are reported. */
  receive(wire: unknown, from: ActorRef, fromNode: NodeId): void {
    let message: ReplicaMessage;
    try {
      message = decodeReplicaMessage(wire);
      if (!this.#mayCome(message, fromNode)) {
        throw new CodedError('ERR_FRAME_INVALID', `${message.type} comes from members only`, {});
      }
      if (message.type === 'protocol') return this.#protocolMessage(message, fromNode);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      return this.#parts.warn(`a message from ${from.address} was refused`, error);
    }
    switch (message.type) {
      case 'snapshot-offer':
        return this.#snapshotOffered(fromNode, message);
      case 'snapshot-chunk':
        return this.#receiver.chunk(fromNode, message.transfer, message.offset, message.chunk);
      case 'snapshot-progress':
        return this.#sender.progress(fromNode, message.transfer, message.nextOffset);
      case 'propose':
        return this.#propose({ client: from, request: message.request }, message.payload);
      case 'read':
        return this.#read({ client: from, request: message.request }, message);
      case 'watch-status':
        this.#watchers.set(from.address, from);
        return from.tell(encodeClientMessage({ type: 'status', status: this.status() }));
      default:
        return assertNever(message, 'replica message');
    }
  }

  /** Time has passed. */
  tick(): void {
    this.#input({ type: 'tick' });
    this.#sender.tick(this.#parts.clock.nowMs());
  }

  /** The thread of `peer` has ended. */
  peerDown(peer: NodeId): void {
    this.#input({ type: 'peer-down', peer });
  }

  status(): ReplicaStatus {
    const { node, epoch, state } = this.#parts;
    const { role, leader, reign, commitIndex } = this.#protocolStatus();
    return {
      node,
      role: this.#failure === undefined ? role : 'failed',
      leader: this.#failure === undefined ? leader : undefined,
      epoch,
      reign,
      commitIndex,
      appliedIndex: state.appliedIndex,
      position: state.position,
      mailboxDepth: this.#parts.mailboxDepth(),
      failure: this.#failure,
    };
  }

  /** Tells the watchers where this replica stands, if that has changed since they were told. */
  publish(): void {
    const message = encodeClientMessage({ type: 'status', status: this.status() });
    const fingerprint = JSON.stringify(message);
    if (fingerprint === this.#lastPublished) return;
    this.#lastPublished = fingerprint;
    for (const watcher of this.#watchers.values()) watcher.tell(message);
  }

  /** Stops for good: nothing is stepped, applied or answered any more. */
  fail(error: unknown): void {
    if (this.#isStopped) return;
    const { code, message } = errorToData(error);
    this.#failure = { code: code as ErrorCode, message: message.slice(0, 2_000) };
    this.#halt();
    this.#waiting.release(undefined);
    this.#refuseReads(this.#reads.refuseAll());
    this.publish();
    this.#parts.failed(error);
  }

  /** Ends the replica; what is durable stays. */
  async stop(): Promise<void> {
    this.#halt();
    await this.#receiver.stop();
    await this.#parts.log.close();
  }

  #halt(): void {
    this.#isStopped = true;
    this.#inputs.length = 0;
    this.#sender.stop();
    this.#keeper.stop();
    this.#applyQueue.stop();
  }

  // --- inputs -----------------------------------------------------------------------------------

  #input(input: ProtocolInput): void {
    if (this.#isStopped) return;
    this.#inputs.push(input);
    // An effect may bring the next input about while this one is still being carried out.
    if (this.#isStepping) return;
    this.#isStepping = true;
    const { protocol, protocolState, clock } = this.#parts;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        const effects: ProtocolEffect[] = [];
        protocol.step(protocolState, next, clock.nowMs(), effects);
        for (const effect of effects) this.#run(effect);
      }
    } catch (error) {
      // Only a bug gets here. A replica whose protocol broke an invariant can promise nothing more.
      this.fail(error);
    } finally {
      this.#isStepping = false;
    }
  }

  #mayCome(message: ReplicaMessage, from: NodeId): boolean {
    const isFromClient =
      message.type === 'propose' || message.type === 'read' || message.type === 'watch-status';
    return isFromClient || this.#parts.isMember(from);
  }

  #protocolMessage(message: ReplicaMessage & { type: 'protocol' }, from: NodeId): void {
    const { group, epoch, protocol } = this.#parts;
    if (message.group !== group || message.epoch !== epoch) return;
    this.#input({ type: 'receive', from, message: protocol.decodeMessage(message.wire) });
  }

  #propose(asker: Asker, payload: Uint8Array): void {
    if (!this.#handled.isFirst(asker.client.address, asker.request)) return;
    const { role, leader } = this.#protocolStatus();
    if (this.#isStopped || role !== 'leader') {
      return refuse(asker, 'ERR_NOT_LEADER', `${this.#parts.node} does not lead`, leader);
    }
    if (payload.byteLength > payloadBytesMax) {
      return reject(asker, 'ERR_OPTION_INVALID', `a payload has at most ${payloadBytesMax} bytes`);
    }
    const key = this.#keyOf(asker, payload);
    if (key === undefined) return;
    if (!this.#waiting.expect(key, asker)) return;
    this.#proposing.push({ key, asker });
    this.#input({ type: 'propose', proposals: [{ timeMs: this.#parts.clock.wallMs(), payload }] });
  }

  /** Under which key the client will wait; undefined when it has its answer already. */
  #keyOf(asker: Asker, payload: Uint8Array): string | undefined {
    try {
      const header = payloadIdentity(payload);
      if ('nonce' in header) return openKey(header.nonce);
      const verdict = this.#parts.state.sessions.judge(header);
      if (verdict.type !== 'duplicate') return batchKey(header);
      const applied = { type: 'batch', header, results: verdict.results } as const;
      answer(asker, toClient(applied, asker.request, this.#parts.state.appliedIndex));
    } catch (error) {
      reject(asker, 'ERR_FRAME_INVALID', messageOf(error));
    }
    return undefined;
  }

  #read(asker: Asker, message: ReplicaMessage & { type: 'read' }): void {
    const queries = decodeQueries(message.queries);
    if (queries === undefined) return reject(asker, 'ERR_FRAME_INVALID', 'queries are an array of values');
    if (this.#isStopped) return refuse(asker, 'ERR_NOT_LEADER', 'the replica has stopped', undefined);
    const read = { asker, queries };
    switch (message.consistency) {
      case 'eventual':
        this.#reads.serveFrom(read, 0 as LogIndex);
        break;
      case 'session':
        this.#reads.serveFrom(read, message.atLeast);
        break;
      case 'lease':
      case 'linearizable':
        this.#input({
          type: 'read',
          read: this.#reads.ask(read),
          mayUseLease: message.consistency === 'lease',
        });
        break;
      default:
        assertNever(message.consistency, 'consistency');
    }
    this.#serveReads();
  }

  // --- effects ----------------------------------------------------------------------------------

  #run(effect: ProtocolEffect): void {
    switch (effect.type) {
      case 'persist':
        return this.#persist(effect);
      case 'send':
        return this.#sendProtocol(effect);
      case 'committed':
        return this.#applyQueue.entries(effect.entries);
      case 'accepted':
        this.#proposing.shift();
        return;
      case 'refused':
        return this.#proposalRefused(effect.reason);
      case 'read-ready':
        this.#reads.confirm(effect.read, effect.index);
        return this.#serveReads();
      case 'read-refused': {
        const read = this.#reads.refuse(effect.read);
        return this.#refuseReads(read === undefined ? [] : [read]);
      }
      case 'role':
        return this.#roleChanged(effect.role, effect.leader);
      case 'transfer-failed':
        return this.#parts.warn(`the lead could not be handed over to ${effect.to}`);
      case 'send-snapshot':
        return this.#sender.start(effect.to, this.#protocolStatus().reign);
      case 'install':
        return this.#install(effect);
      default:
        return assertNever(effect, 'effect');
    }
  }

  #persist(effect: ProtocolEffect & { type: 'persist' }): void {
    const { group, epoch, log } = this.#parts;
    const records: LogRecord[] = [];
    if (effect.hardState !== undefined)
      records.push({ type: 'hard-state', group, epoch, state: effect.hardState });
    if (effect.truncateAfter !== undefined)
      records.push({ type: 'truncate', group, epoch, after: effect.truncateAfter });
    if (effect.entries.length > 0) records.push({ type: 'entries', group, epoch, entries: effect.entries });
    log.append(records, () => this.#durable(effect));
  }

  /** The only place where what waits for the disk is let go. */
  #durable(effect: ProtocolEffect & { type: 'persist' | 'install' }): void {
    if (this.#isStopped) return;
    try {
      for (const outgoing of effect.thenSend) this.#sendProtocol(outgoing);
    } catch (error) {
      return this.fail(error);
    }
    this.#input({ type: 'persisted', mark: effect.mark });
  }

  #sendProtocol({ to, message }: Outgoing<unknown>): void {
    const { group, epoch, protocol } = this.#parts;
    this.#sendToPeer(to, { type: 'protocol', group, epoch, wire: protocol.encodeMessage(message) });
  }

  #sendToPeer(to: NodeId, message: ReplicaMessage): void {
    this.#parts.peer(to).tell(encodeReplicaMessage(message));
  }

  #proposalRefused(reason: RefusalReason): void {
    const proposal = this.#proposing.shift();
    invariant(proposal !== undefined, 'a protocol answers each propose input once');
    this.#waiting.forget(proposal.key);
    const { leader } = this.#protocolStatus();
    if (reason === 'overloaded')
      refuse(proposal.asker, 'ERR_OVERLOADED', 'too many bytes are uncommitted', leader);
    else if (reason === 'handing-over')
      refuse(proposal.asker, 'ERR_OVERLOADED', 'the lead is being handed over', leader);
    else refuse(proposal.asker, 'ERR_NOT_LEADER', `${this.#parts.node} does not lead`, leader);
  }

  #roleChanged(role: string, leader: NodeId | undefined): void {
    if (role !== 'leader') {
      this.#waiting.release(leader);
      this.#refuseReads(this.#reads.refuseAll());
      // What a leader began ends with its rule. An acceptor that hands its snapshot to a candidate goes on.
      if (this.#leads) this.#sender.stop();
    }
    this.#leads = role === 'leader';
    this.publish();
  }

  // --- applying ---------------------------------------------------------------------------------

  #serveReads(): void {
    if (!this.#applyQueue.isReadable) return;
    const { state } = this.#parts;
    const { appliedIndex: index } = state;
    for (const { asker, queries } of this.#reads.due(index)) {
      const answers = state.query(queries);
      if (answers === undefined) reject(asker, 'ERR_OVERLOADED', 'the answers are too large together');
      else answer(asker, { type: 'answers', request: asker.request, index, answers });
    }
  }

  #refuseReads(reads: readonly { readonly asker: Asker }[]): void {
    const { leader } = this.#protocolStatus();
    for (const { asker } of reads)
      refuse(asker, 'ERR_NOT_LEADER', `${this.#parts.node} does not lead`, leader);
  }

  // --- snapshots --------------------------------------------------------------------------------

  #snapshotOffered(from: NodeId, offer: SnapshotOffer): void {
    const { group, epoch } = this.#parts;
    if (offer.group !== group || offer.epoch !== epoch || this.#isStopped) return;
    if (offer.last.index > this.#protocolStatus().commitIndex) return this.#receiver.offered(from, offer);
    // Everything in it is here already: the protocol can say so without seeing a byte of it.
    this.#snapshotReceived(from, offer);
    this.#sendToPeer(from, {
      type: 'snapshot-progress',
      transfer: offer.transfer,
      nextOffset: offer.sizeBytes,
    });
  }

  #snapshotReceived(from: NodeId, { reign, last }: SnapshotOffer): void {
    this.#input({ type: 'snapshot-received', from, reign, last });
  }

  #install(effect: ProtocolEffect & { type: 'install' }): void {
    const { group, epoch, log } = this.#parts;
    const { index, reign } = effect.snapshot;
    this.#keeper.countsFrom(effect.snapshot);
    const record = { type: 'snapshot', group, epoch, index, reign, discardsLog: effect.discardsLog } as const;
    log.append([record], () => {
      this.#durable(effect);
      this.#keeper.prune(index);
    });
    this.#applyQueue.install(effect.snapshot);
  }

  #protocolStatus(): ProtocolStatus {
    return this.#parts.protocol.status(this.#parts.protocolState);
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
