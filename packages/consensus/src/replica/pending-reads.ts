/**
 * Reads on their way: first the protocol says from which index on one may be served, then the state has
 * to get there.
 *
 * A read that a protocol confirmed stays good whatever happens to the leader afterwards: it was asked
 * before the confirmation, and a state at or past the index holds everything acknowledged before that.
 * [RaftThesis §6.4] Only the end of its epoch may void it: see `mayServeRead`.
 */
import type { NodeId } from '@quorate/core';
import type { LogIndex } from '../protocol.ts';
import { type Epoch, mayServeRead } from './epoch.ts';
import type { Asker } from './waiting-clients.ts';

/** A client's queries, to be answered here. */
export interface ClientRead {
  readonly type: 'client';
  readonly asker: Asker;
  readonly queries: readonly unknown[];
  readonly mayUseLease: boolean;
}

/** A follower's question from which index on it may answer its own client. `read`: its number there. */
export interface PeerRead {
  readonly type: 'peer';
  readonly peer: NodeId;
  readonly epoch: number;
  readonly read: number;
  readonly mayUseLease: false;
}

export type PendingRead = ClientRead | PeerRead;

interface Unconfirmed {
  readonly read: PendingRead;
  readonly askedAtMs: number;
}

interface Confirmed {
  readonly read: ClientRead;
  readonly index: LogIndex;
  /** Confirmed by a leader; otherwise it never asked for more than this replica's own state. */
  readonly isLinearizable: boolean;
  readonly askedAtMs: number;
}

export class PendingReads {
  /** Asked of the protocol, or of the leader, by read number. */
  readonly #unconfirmed = new Map<number, Unconfirmed>();
  #confirmed: Confirmed[] = [];
  #lastNumber: number;

  /**
   * @param firstNumber drawn anew in each life: the leader's answer to a question of a former one may still be under
   * way, and must not be taken for the answer to a question that was asked later
   */
  constructor(firstNumber: number) {
    this.#lastNumber = firstNumber - 1;
  }

  /** @returns the number under which the protocol will speak of this read */
  ask(read: PendingRead, nowMs: number): number {
    this.#lastNumber += 1;
    this.#unconfirmed.set(this.#lastNumber, { read, askedAtMs: nowMs });
    return this.#lastNumber;
  }

  /** @returns the peer's read that has its answer by this; a client's waits for the state */
  confirm(number: number, index: LogIndex): PeerRead | undefined {
    const found = this.#unconfirmed.get(number);
    if (found === undefined) return undefined;
    this.#unconfirmed.delete(number);
    const { read, askedAtMs } = found;
    if (read.type === 'peer') return read;
    this.#confirmed.push({ read, index, isLinearizable: true, askedAtMs });
    return undefined;
  }

  /** The read asks for no more than a state that has applied `index`. */
  serveFrom(read: ClientRead, index: LogIndex, nowMs: number): void {
    this.#confirmed.push({ read, index, isLinearizable: false, askedAtMs: nowMs });
  }

  refuse(number: number): PendingRead | undefined {
    const found = this.#unconfirmed.get(number);
    this.#unconfirmed.delete(number);
    return found?.read;
  }

  /** Takes out all reads that are still unconfirmed, as when leadership is lost. */
  refuseAll(): readonly PendingRead[] {
    const reads = [...this.#unconfirmed.values()].map(({ read }) => read);
    this.#unconfirmed.clear();
    return reads;
  }

  /**
   * Takes out what was asked before `beforeMs` and has no confirmation, for the answer of a leader may be lost; and
   * what was asked before `hopelessBeforeMs` of a state that does not get there. Whoever still waits asks again.
   */
  refuseOlder(beforeMs: number, hopelessBeforeMs: number): readonly PendingRead[] {
    const old: PendingRead[] = [];
    const hopeless = this.#confirmed.filter(({ askedAtMs }) => askedAtMs < hopelessBeforeMs);
    if (hopeless.length > 0) {
      this.#confirmed = this.#confirmed.filter(({ askedAtMs }) => askedAtMs >= hopelessBeforeMs);
      for (const { read } of hopeless) old.push(read);
    }
    for (const [number, { read, askedAtMs }] of this.#unconfirmed) {
      // In the order of asking: what follows is younger.
      if (askedAtMs >= beforeMs) break;
      this.#unconfirmed.delete(number);
      old.push(read);
    }
    return old;
  }

  /** The epoch has ended where `next` begins: what was confirmed beyond that has to be asked anew. */
  seal(next: Epoch): void {
    const voided = this.#confirmed.filter((read) => read.isLinearizable && !mayServeRead(read, next));
    this.#confirmed = this.#confirmed.filter((read) => !voided.includes(read));
    for (const { read, askedAtMs } of voided) this.ask(read, askedAtMs);
  }

  /**
   * Epochs were skipped: where the one ended in which a read was confirmed, nobody here knows. All are asked anew.
   */
  skipped(): void {
    const voided = this.#confirmed.filter((read) => read.isLinearizable);
    this.#confirmed = this.#confirmed.filter((read) => !read.isLinearizable);
    for (const { read, askedAtMs } of voided) this.ask(read, askedAtMs);
  }

  /** Every unconfirmed read, to be asked of another protocol. */
  unconfirmed(): readonly { readonly number: number; readonly read: PendingRead }[] {
    return [...this.#unconfirmed].map(([number, { read }]) => ({ number, read }));
  }

  /** Takes out the reads that a state at `appliedIndex` may answer, in the order they came. */
  due(appliedIndex: LogIndex): readonly ClientRead[] {
    if (this.#confirmed.length === 0) return [];
    const due = this.#confirmed.filter(({ index }) => index <= appliedIndex);
    if (due.length > 0) this.#confirmed = this.#confirmed.filter(({ index }) => index > appliedIndex);
    return due.map(({ read }) => read);
  }
}
