/**
 * The slot log: the value that this acceptor accepted last in each slot, above what a snapshot holds.
 *
 * Slots are accepted in any order, so there are gaps, and a follower that missed a lot may be handed
 * slots far above its last. Pages of slots keep both cheap: a plain array would turn into a hash table
 * at the first wide gap, and a map of single slots costs more for the dense case that is the rule.
 */
import { invariant } from '@quorate/core';
import type { Entry } from '../protocol.ts';
import { laterSlot, nextSlot, noSlot, type Slot } from './ballot.ts';

const slotsPerPage = 256;

type Page = (Entry | undefined)[];

export class SlotLog {
  readonly #pages = new Map<number, Page>();
  #forgottenUpTo: Slot = noSlot;
  #last: Slot = noSlot;

  /** Every slot up to here is forgotten: a snapshot holds what was chosen in it. */
  get forgottenUpTo(): Slot {
    return this.#forgottenUpTo;
  }

  /** The highest slot that holds a value, or `forgottenUpTo`. */
  get last(): Slot {
    return laterSlot(this.#last, this.#forgottenUpTo);
  }

  get(slot: Slot): Entry | undefined {
    return this.#pages.get(Math.floor(slot / slotsPerPage))?.[slot % slotsPerPage];
  }

  /** Replaces what the slot held. Invariant: `entry.index` lies above `forgottenUpTo`. */
  put(entry: Entry): void {
    invariant(entry.index > this.#forgottenUpTo, `slot ${entry.index} is forgotten, it cannot be written`);
    const pageNumber = Math.floor(entry.index / slotsPerPage);
    let page = this.#pages.get(pageNumber);
    if (page === undefined) {
      page = new Array<Entry | undefined>(slotsPerPage).fill(undefined);
      this.#pages.set(pageNumber, page);
    }
    page[entry.index % slotsPerPage] = entry;
    if (entry.index > this.#last) this.#last = entry.index;
  }

  /** The values held from `first` to `last`, ascending; gaps are left out. */
  range(first: Slot, last: Slot): Entry[] {
    const found: Entry[] = [];
    const end = last < this.#last ? last : this.#last;
    let slot = laterSlot(first, nextSlot(this.#forgottenUpTo));
    while (slot <= end) {
      const page = this.#pages.get(Math.floor(slot / slotsPerPage));
      const pageEnd = slot - (slot % slotsPerPage) + slotsPerPage - 1;
      if (page !== undefined) {
        for (let at = slot as number; at <= pageEnd && at <= end; at++) {
          const entry = page[at % slotsPerPage];
          if (entry !== undefined) found.push(entry);
        }
      }
      slot = (pageEnd + 1) as Slot;
    }
    return found;
  }

  /** Forgets everything up to and including `slot`. */
  forget(slot: Slot): void {
    if (slot <= this.#forgottenUpTo) return;
    const boundaryPage = Math.floor(slot / slotsPerPage);
    for (const pageNumber of this.#pages.keys()) {
      if (pageNumber < boundaryPage) this.#pages.delete(pageNumber);
    }
    this.#pages.get(boundaryPage)?.fill(undefined, 0, (slot % slotsPerPage) + 1);
    this.#forgottenUpTo = slot;
  }
}
