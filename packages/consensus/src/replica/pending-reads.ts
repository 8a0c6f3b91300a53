/**
 * Reads on their way: first the protocol says from which index on one may be served, then the state has
 * to get there.
 *
 * A read that a protocol confirmed stays good whatever happens to the leader afterwards: it was asked
 * before the confirmation, and a state at or past the index holds everything acknowledged before that.
 * [RaftThesis §6.4]
 */
import type { LogIndex } from '../protocol.ts';
import type { Asker } from './waiting-clients.ts';

export interface PendingRead {
  readonly asker: Asker;
  readonly queries: readonly unknown[];
}

export class PendingReads {
  /** Asked of the protocol, by read number. */
  readonly #unconfirmed = new Map<number, PendingRead>();
  #confirmed: { readonly read: PendingRead; readonly index: LogIndex }[] = [];
  #lastNumber = 0;

  /** @returns the number under which the protocol will speak of this read */
  ask(read: PendingRead): number {
    this.#lastNumber += 1;
    this.#unconfirmed.set(this.#lastNumber, read);
    return this.#lastNumber;
  }

  confirm(number: number, index: LogIndex): void {
    const read = this.#unconfirmed.get(number);
    if (read === undefined) return;
    this.#unconfirmed.delete(number);
    this.serveFrom(read, index);
  }

  /** The read may be served from a state that has applied `index`. */
  serveFrom(read: PendingRead, index: LogIndex): void {
    this.#confirmed.push({ read, index });
  }

  refuse(number: number): PendingRead | undefined {
    const read = this.#unconfirmed.get(number);
    this.#unconfirmed.delete(number);
    return read;
  }

  /** Takes out all reads that are still unconfirmed, as when leadership is lost. */
  refuseAll(): readonly PendingRead[] {
    const reads = [...this.#unconfirmed.values()];
    this.#unconfirmed.clear();
    return reads;
  }

  /** Takes out the reads that a state at `appliedIndex` may answer, in the order they came. */
  due(appliedIndex: LogIndex): readonly PendingRead[] {
    if (this.#confirmed.length === 0) return [];
    const due = this.#confirmed.filter(({ index }) => index <= appliedIndex);
    if (due.length > 0) this.#confirmed = this.#confirmed.filter(({ index }) => index > appliedIndex);
    return due.map(({ read }) => read);
  }
}
