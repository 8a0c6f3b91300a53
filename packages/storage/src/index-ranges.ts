/**
 * Index ranges: a set of log indexes, kept as the ranges that it consists of. Logs are contiguous or
 * nearly so: a set of a million indexes is mostly one range.
 */
import { invariant } from '@quorate/core';

export class IndexRanges {
  /** First and last index of each range, flat, ascending; ranges neither overlap nor touch. */
  #bounds: number[] = [];
  #count = 0;

  /** How many indexes are in the set. */
  get count(): number {
    return this.#count;
  }

  /** The highest index of the set; 0 when it is empty. */
  get highest(): number {
    return this.#bounds.at(-1) ?? 0;
  }

  has(index: number): boolean {
    const at = this.#firstEndingAt(index);
    return (this.#bounds[at] ?? Number.POSITIVE_INFINITY) <= index;
  }

  /** Ascending. */
  *values(): Generator<number> {
    for (let at = 0; at < this.#bounds.length; at += 2) {
      for (let index = this.#bounds[at] ?? 0; index <= (this.#bounds[at + 1] ?? 0); index++) yield index;
    }
  }

  /** Adds every index from `first` to `last`. */
  add(first: number, last: number): void {
    invariant(first <= last, 'a range ends where it begins or later');
    const { highest } = this;
    if (this.#count > 0 && first === highest + 1) {
      this.#bounds[this.#bounds.length - 1] = last;
      this.#count += last - first + 1;
      return;
    }
    this.remove(first, last);
    let [from, to] = [first, last];
    const at = this.#firstEndingAt(first - 1);
    let end = at;
    if (this.#bounds[end + 1] === first - 1) {
      from = this.#bounds[end] ?? from;
      end += 2;
    }
    if (this.#bounds[end] === last + 1) {
      to = this.#bounds[end + 1] ?? to;
      end += 2;
    }
    this.#bounds.splice(at, end - at, from, to);
    this.#count += last - first + 1;
  }

  /** Takes out every index from `first` to `last` that is in the set. */
  remove(first: number, last: number): void {
    if (last < first || first > this.highest) return;
    const at = this.#firstEndingAt(first);
    const kept: number[] = [];
    let end = at;
    for (; end < this.#bounds.length; end += 2) {
      const from = this.#bounds[end] ?? 0;
      const to = this.#bounds[end + 1] ?? 0;
      if (from > last) break;
      if (from < first) kept.push(from, first - 1);
      if (to > last) kept.push(last + 1, to);
      this.#count -= Math.min(to, last) - Math.max(from, first) + 1;
    }
    this.#bounds.splice(at, end - at, ...kept);
  }

  /** Where in `#bounds` the first range stands that ends at `index` or later. */
  #firstEndingAt(index: number): number {
    let low = 0;
    let high = this.#bounds.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#bounds[middle * 2 + 1] ?? 0) < index) low = middle + 1;
      else high = middle;
    }
    return low * 2;
  }
}
