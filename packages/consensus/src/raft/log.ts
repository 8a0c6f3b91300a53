/**
 * The log in memory: the entries above the snapshot, with terms that never decrease. [Raft §5.3, §7]
 *
 * An array with an offset. Forgetting a prefix moves the offset; the array itself is cut only when the
 * forgotten part is the larger one, so that each entry is moved at most once on average.
 */
import { invariant } from '@quorate/core';
import type { Entry, LogIndex, Reign } from '../protocol.ts';

/** Raft's word for the reign: the logical clock that each election advances. [Raft §5.1] */
export type Term = Reign;

export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

export const beforeFirst: LogPosition = { index: 0 as LogIndex, term: 0 as Term };

/** Below this many forgotten slots, cutting the array is not worth its copy. */
const forgottenSlotsMin = 1_024;

export class RaftLog {
  #snapshot: LogPosition;
  /** The entry at `index` stands at `#slots[index - #snapshot.index - 1 + #forgotten]`. */
  #slots: Entry[];
  /** Slots at the front that the snapshot covers. */
  #forgotten = 0;

  constructor(snapshot: LogPosition, entries: readonly Entry[]) {
    this.#snapshot = snapshot;
    this.#slots = [];
    this.append(entries);
  }

  /** Everything up to here is forgotten and held by a snapshot. */
  get snapshot(): LogPosition {
    return this.#snapshot;
  }

  get lastIndex(): LogIndex {
    return (this.#snapshot.index + this.#slots.length - this.#forgotten) as LogIndex;
  }

  get last(): LogPosition {
    const entry = this.#slots.length > this.#forgotten ? this.#slots.at(-1) : undefined;
    return entry === undefined ? this.#snapshot : { index: entry.index, term: entry.reign };
  }

  /** The term at `index`; undefined where the log knows none: below the snapshot, or above the last entry. */
  termAt(index: LogIndex): Term | undefined {
    if (index === this.#snapshot.index) return this.#snapshot.term;
    return index < this.#snapshot.index ? undefined : this.#slots[this.#slotOf(index)]?.reign;
  }

  /** Whether the log holds an entry of this term at this index. [Raft §5.3] */
  matches({ index, term }: LogPosition): boolean {
    return this.termAt(index) === term;
  }

  append(entries: readonly Entry[]): void {
    let { index, term } = this.last;
    for (const entry of entries) {
      invariant(entry.index === index + 1, 'a log has no gap');
      invariant(entry.reign >= term, 'terms never decrease along a log');
      this.#slots.push(entry);
      ({ index, reign: term } = entry);
    }
  }

  truncateAfter(index: LogIndex): void {
    invariant(index >= this.#snapshot.index, 'what a snapshot covers is never truncated');
    this.#slots.length = Math.min(this.#slots.length, this.#slotOf((index + 1) as LogIndex));
  }

  /** The entries of `from` to `to`, both included; all of them are in the log. */
  between(range: { readonly from: LogIndex; readonly to: LogIndex }): Entry[] {
    invariant(
      range.from > this.#snapshot.index && range.to <= this.lastIndex,
      'the log holds the whole range',
    );
    return this.#slots.slice(this.#slotOf(range.from), this.#slotOf(range.to) + 1);
  }

  /** As many entries from `from` on as fit the limits; one at least, if the log has one. */
  batch(from: LogIndex, limits: { readonly bytesMax: number; readonly entriesMax: number }): Entry[] {
    invariant(from > this.#snapshot.index, 'the log holds the first entry of the batch');
    const start = this.#slotOf(from);
    const slotsMax = Math.min(this.#slots.length, start + limits.entriesMax);
    let end = start;
    let bytes = 0;
    while (end < slotsMax) {
      bytes += this.#slots[end]?.payload.byteLength ?? 0;
      if (bytes > limits.bytesMax && end > start) break;
      end += 1;
    }
    return this.#slots.slice(start, end);
  }

  /** Forgets everything up to `index`, which is in the log. */
  compactTo(index: LogIndex): void {
    const term = this.termAt(index);
    invariant(term !== undefined, 'only what the log holds is compacted');
    this.#forgotten += index - this.#snapshot.index;
    this.#snapshot = { index, term };
    if (this.#forgotten < forgottenSlotsMin || this.#forgotten * 2 < this.#slots.length) return;
    this.#slots = this.#slots.slice(this.#forgotten);
    this.#forgotten = 0;
  }

  /** Puts a snapshot in place of the whole log. */
  resetTo(snapshot: LogPosition): void {
    this.#snapshot = snapshot;
    this.#slots = [];
    this.#forgotten = 0;
  }

  /** Payload bytes of the entries above `index`. */
  bytesAfter(index: LogIndex): number {
    let bytes = 0;
    for (let slot = this.#slotOf((index + 1) as LogIndex); slot < this.#slots.length; slot++) {
      bytes += this.#slots[slot]?.payload.byteLength ?? 0;
    }
    return bytes;
  }

  /**
   * The highest position at or below `bound.index` whose term is at most `bound.term`. Terms never
   * decrease along the log, so this halves its way; it stops at the snapshot, whatever its term.
   */
  lastAtOrBelow(bound: LogPosition): LogPosition {
    let low = this.#snapshot.index as number;
    let high = Math.min(bound.index, this.lastIndex);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2) as LogIndex;
      const term = this.termAt(middle);
      if (term !== undefined && term <= bound.term) low = middle;
      else high = middle - 1;
    }
    const index = low as LogIndex;
    return { index, term: this.termAt(index) ?? this.#snapshot.term };
  }

  #slotOf(index: LogIndex): number {
    return index - this.#snapshot.index - 1 + this.#forgotten;
  }
}
