/**
 * The appends under way to one follower: how many, and how many bytes. A ring, so that nothing is moved and
 * nothing allocated per append.
 */
import { invariant } from '@quorate/core';
import type { LogIndex } from '../protocol.ts';

export class InFlight {
  readonly #capacity: number;
  /** The last index of each append, and its payload bytes; slots from `#first` on, `#count` of them. */
  readonly #lastIndexes: LogIndex[] = [];
  readonly #sizes: number[] = [];
  #first = 0;
  #count = 0;
  #bytes = 0;

  /** @param capacity appends, at least 1 */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @param lastIndex not below that of the append before */
  add(lastIndex: LogIndex, bytes: number): void {
    invariant(this.#count < this.#capacity, 'no more is under way than the window allows');
    const slot = (this.#first + this.#count) % this.#capacity;
    this.#lastIndexes[slot] = lastIndex;
    this.#sizes[slot] = bytes;
    this.#count += 1;
    this.#bytes += bytes;
  }

  /** The follower holds everything up to `index`: what reaches no further is not under way any more. */
  forgetUpTo(index: LogIndex): void {
    while (this.#count > 0 && (this.#lastIndexes[this.#first] ?? 0) <= index) {
      this.#bytes -= this.#sizes[this.#first] ?? 0;
      this.#first = (this.#first + 1) % this.#capacity;
      this.#count -= 1;
    }
  }

  clear(): void {
    this.#first = 0;
    this.#count = 0;
    this.#bytes = 0;
  }
}
