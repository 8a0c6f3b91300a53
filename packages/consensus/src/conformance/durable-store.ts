/**
 * The disk of one simulated node: what is durable, and what was written but not synced yet.
 *
 * It replays effects as the log's recovery would: hard state, truncation, entries, snapshot, in order.
 */
import { invariant } from '@quorate/core';
import type { Effect, Entry, LogIndex, RecoveredState, Reign } from '../protocol.ts';

type Position = { readonly index: LogIndex; readonly reign: Reign };

/** Compaction is a record of the same log, so whatever was written before it is durable before it. */
export type Write =
  | (Effect<unknown> & { readonly type: 'persist' | 'install' })
  | { readonly type: 'compaction'; readonly snapshot: Position };

/** What a node's disk holds of one protocol, and what is on its way there; a crash loses the latter. */
export class DurableStore {
  hardState: Uint8Array | undefined;
  snapshot: Position = { index: 0 as LogIndex, reign: 0 as Reign };
  /** By index, above the snapshot. */
  readonly entries = new Map<number, Entry>();
  #lastIndex = 0;
  #unsynced: Write[] = [];

  get unsyncedCount(): number {
    return this.#unsynced.length;
  }

  write(write: Write): void {
    this.#unsynced.push(write);
  }

  /** Makes the oldest write durable. */
  syncNext(): Write {
    const write = this.#unsynced.shift();
    invariant(write !== undefined, 'something is unsynced');
    if (write.type === 'install') {
      if (write.discardsLog) this.#truncateAfter(write.snapshot.index);
      this.#compact(write.snapshot);
      return write;
    }
    if (write.type === 'compaction') {
      this.#compact(write.snapshot);
      return write;
    }
    if (write.hardState !== undefined) this.hardState = write.hardState;
    if (write.truncateAfter !== undefined) this.#truncateAfter(write.truncateAfter);
    for (const entry of write.entries) {
      if (entry.index <= this.snapshot.index) continue;
      this.entries.set(entry.index, entry);
      this.#lastIndex = Math.max(this.#lastIndex, entry.index);
    }
    return write;
  }

  loseUnsynced(): void {
    this.#unsynced = [];
  }

  /** Whether this disk durably holds `entry`, itself or inside its snapshot. */
  holds(entry: Entry): boolean {
    if (entry.index <= this.snapshot.index) return true;
    const held = this.entries.get(entry.index);
    return held !== undefined && samePayload(held, entry);
  }

  recover(): RecoveredState {
    const entries = [...this.entries.values()].sort((a, b) => a.index - b.index);
    return { hardState: this.hardState, snapshot: this.snapshot, entries };
  }

  #compact(snapshot: Position): void {
    if (snapshot.index <= this.snapshot.index) return;
    for (let index = this.snapshot.index + 1; index <= snapshot.index; index++) this.entries.delete(index);
    this.snapshot = snapshot;
    this.#lastIndex = Math.max(this.#lastIndex, snapshot.index);
  }

  #truncateAfter(after: number): void {
    for (let index = after + 1; index <= this.#lastIndex; index++) this.entries.delete(index);
    this.#lastIndex = Math.min(this.#lastIndex, after);
  }
}

/** Whether two entries say the same, whatever their reigns. */
export function samePayload(one: Entry, other: Entry): boolean {
  return one.timeMs === other.timeMs && Buffer.compare(one.payload, other.payload) === 0;
}
