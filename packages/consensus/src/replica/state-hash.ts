/**
 * The state hash: one short number for everything that a replica has computed so far.
 *
 * It is a chain: each applied entry is mixed into what came before, so two replicas that once answered
 * differently stay different for ever, and one comparison now and then covers all entries since the last.
 * It guards against accidents of a state machine, not against an enemy: whoever can choose results can
 * make two chains meet.
 *
 * Two lanes of 32 bits walk over the same words, each multiplying by a factor of its own: what cancels out
 * in one by chance does not in the other. CRCs would not do: a CRC is linear, so what one seed misses every
 * seed misses. A cryptographic hash costs microseconds a call, as much as applying a whole small entry, and
 * even the call of a native function costs more than the walk over the few bytes that most results are.
 */
import { assertNever, integer, text, tuple } from '@quorate/core';
import type { Applied } from './replicated-state.ts';

/** The two lanes as they stand in a snapshot. */
export type SavedStateHash = readonly [one: number, other: number];

/** A chain's value, as 16 hexadecimal digits. */
export type HashValue = string;

const lane = integer(0, 2 ** 32 - 1);
export const savedStateHashSchema = tuple(lane, lane);
export const hashValueSchema = text<HashValue>(16);

export class StateHash {
  #one = 0;
  #other = 0;

  /** Mixes in what applying one entry came to. A no-op came to nothing, on every replica alike. */
  applied(applied: Applied): void {
    switch (applied.type) {
      case 'nothing':
        return;
      case 'opened':
        this.#number(marks.opened);
        return this.#number(applied.session);
      case 'open-refused':
        return this.#number(marks.openRefused);
      case 'closed':
        this.#number(marks.closed);
        return this.#number(applied.session);
      case 'batch': {
        const { header, results } = applied;
        this.#number(marks.batch);
        // A batch is immutable, so its name stands for its commands.
        this.#number(header.session);
        this.#number(header.batch);
        if (results === undefined) return this.#number(marks.dropped);
        return this.#bytes(results);
      }
      case 'sealed':
        this.#number(marks.sealed);
        return this.#number(applied.next.base);
      case 'batch-refused':
        this.#number(marks[applied.reason]);
        this.#number(applied.header.session);
        return this.#number(applied.header.batch);
      default:
        return assertNever(applied, 'applied');
    }
  }

  /** The value of this chain with `last` at its end; the chain itself stays where it is. */
  valueWith(last: Uint8Array): HashValue {
    const longer = new StateHash();
    longer.restore(this.save());
    longer.#bytes(last);
    return digitsOf(longer.#one) + digitsOf(longer.#other);
  }

  save(): SavedStateHash {
    return [this.#one >>> 0, this.#other >>> 0];
  }

  restore([one, other]: SavedStateHash): void {
    this.#one = one | 0;
    this.#other = other | 0;
  }

  /** The bytes word by word, whatever the machine's byte order, and last their number. */
  #bytes(bytes: Uint8Array): void {
    const { byteLength } = bytes;
    let one = this.#one;
    let other = this.#other;
    const words = byteLength - (byteLength % 4);
    for (let at = 0; at < words; at += 4) {
      const word = wordAt(bytes, at);
      one = mixed(one, word, factors.one);
      other = mixed(other, word, factors.other);
    }
    for (let at = words; at < byteLength; at++) {
      const byte = bytes[at] as number;
      one = mixed(one, byte, factors.one);
      other = mixed(other, byte, factors.other);
    }
    this.#one = mixed(one, byteLength, factors.one);
    this.#other = mixed(other, byteLength, factors.other);
  }

  #number(value: number): void {
    const high = Math.floor(value / 2 ** 32);
    this.#one = mixed(mixed(this.#one, value, factors.one), high, factors.one);
    this.#other = mixed(mixed(this.#other, value, factors.other), high, factors.other);
  }
}

/** Odd, so that multiplying by them loses nothing. */
const factors = { one: 0x9e3779b1, other: 0x85ebca6b };

/** Told apart from each other, and from most ids and lengths. */
const marks = {
  opened: 0x6f70656e,
  closed: 0x636c6f73,
  sealed: 0x7365616c,
  batch: 0x62617463,
  dropped: 0x64726f70,
  expired: 0x65787069,
  'beyond-window': 0x62657964,
  openRefused: 0x72656675,
} as const;

/** Four bytes from `at` on. */
function wordAt(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  return low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
}

/** One step of a lane. One to one in the lane and in the word, so no single difference is ever lost. */
function mixed(lane: number, word: number, factor: number): number {
  const product = Math.imul(lane ^ word, factor);
  return (product << 13) | (product >>> 19);
}

/** Eight digits, in all of which is what the last steps put in. */
function digitsOf(lane: number): string {
  let spread = lane ^ (lane >>> 16);
  spread = Math.imul(spread, 0x85ebca6b);
  spread ^= spread >>> 13;
  spread = Math.imul(spread, 0xc2b2ae35);
  const value = (spread ^ (spread >>> 16)) >>> 0;
  return value.toString(16).padStart(8, '0');
}
