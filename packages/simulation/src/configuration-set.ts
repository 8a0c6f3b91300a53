/**
 * The configurations that a search has been in: rows of 32-bit words, each held once.
 *
 * Rows are compared in full, never by hash alone: a collision would cut off a branch that might hold
 * the linearization, and turn a good history into a bad verdict.
 */
import { invariant } from '@quorate/core';

const EMPTY = -1;

export class ConfigurationSet {
  readonly #rowWords: number;
  #rows: Int32Array;
  #count = 0;
  /** Open addressing, linear probing, at most half full; holds row numbers. */
  #slots: Int32Array;

  /** @param rowWords the length of every row */
  constructor(rowWords: number) {
    this.#rowWords = rowWords;
    this.#rows = new Int32Array(64 * rowWords);
    this.#slots = new Int32Array(128).fill(EMPTY);
  }

  get bytes(): number {
    return this.#rows.byteLength + this.#slots.byteLength;
  }

  /** @returns the number under which {@link copyRow} finds it; undefined if it was there already */
  add(row: Int32Array): number | undefined {
    invariant(row.length === this.#rowWords, 'all rows of a set have one length');
    const mask = this.#slots.length - 1;
    let at = hashRow(row, 0, this.#rowWords) & mask;
    for (let held = this.#slots[at] as number; held !== EMPTY; held = this.#slots[at] as number) {
      if (this.#equals(held, row)) return undefined;
      at = (at + 1) & mask;
    }
    this.#slots[at] = this.#count;
    if (this.#rows.length < (this.#count + 1) * this.#rowWords) this.#growRows();
    this.#rows.set(row, this.#count * this.#rowWords);
    this.#count += 1;
    if (2 * this.#count > this.#slots.length) this.#growSlots();
    return this.#count - 1;
  }

  copyRow(row: number, into: Int32Array): void {
    invariant(row < this.#count, 'only what was added can be copied');
    for (let word = 0; word < this.#rowWords; word++) {
      into[word] = this.#rows[row * this.#rowWords + word] as number;
    }
  }

  #equals(held: number, row: Int32Array): boolean {
    const start = held * this.#rowWords;
    for (let word = 0; word < this.#rowWords; word++) {
      if (this.#rows[start + word] !== row[word]) return false;
    }
    return true;
  }

  #growRows(): void {
    const wider = new Int32Array(2 * this.#rows.length);
    wider.set(this.#rows);
    this.#rows = wider;
  }

  #growSlots(): void {
    const slots = new Int32Array(2 * this.#slots.length).fill(EMPTY);
    const mask = slots.length - 1;
    for (let row = 0; row < this.#count; row++) {
      let at = hashRow(this.#rows, row * this.#rowWords, this.#rowWords) & mask;
      while (slots[at] !== EMPTY) at = (at + 1) & mask;
      slots[at] = row;
    }
    this.#slots = slots;
  }
}

/** Multiply and rotate per word, then the finisher of MurmurHash3 (Austin Appleby, public domain). */
function hashRow(words: Int32Array, start: number, length: number): number {
  let hash = length;
  for (let at = start; at < start + length; at++) {
    hash = Math.imul(hash ^ (words[at] as number), 0x9e3779b1);
    hash = (hash << 13) | (hash >>> 19);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
