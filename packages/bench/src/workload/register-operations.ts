/**
 * The operations of a run: reads, writes and compare-and-sets of registers, drawn from a seed.
 *
 * Keys and values are numbers here and in the recorded history, texts on the wire. Every value is written
 * once only, so a read that returns it names the write that it saw; that is what makes a history cheap to
 * judge.
 */
import { invariant, type Random } from '@quorate/core';
import { NULL_VALUE, type ValueTable } from '@quorate/simulation';

export type RegisterOperation =
  | { readonly f: 'read'; readonly key: number }
  | { readonly f: 'write'; readonly key: number; readonly value: number }
  | { readonly f: 'cas'; readonly key: number; readonly from: number; readonly to: number };

/** Fewer characters could not tell all the values of a long run apart. */
export const payloadBytesMin = 8;

export interface PaddedValues extends ValueTable {
  valueOf(id: number): string | null;
  /** @param id of a value, not of null */
  textOf(id: number): string;
}

/** Value 46 of 16 bytes is `000000000000001a`: exactly `payloadBytes` ASCII characters, no two alike. */
export function paddedValues(payloadBytes: number): PaddedValues {
  invariant(payloadBytes >= payloadBytesMin, `a unique value has at least ${payloadBytesMin} bytes`);
  const textOf = (id: number): string => id.toString(36).padStart(payloadBytes, '0');
  return {
    textOf,
    valueOf: (id) => (id === NULL_VALUE ? null : textOf(id)),
    idOf(value) {
      if (value === null) return NULL_VALUE;
      return numberOf(String(value));
    },
  };
}

/** The number of a value, whatever its padding. */
export function numberOf(text: string): number {
  const id = Number.parseInt(text, 36);
  invariant(Number.isSafeInteger(id), 'a register holds only what the bench wrote');
  return id;
}

export interface RegisterOperations {
  next(): RegisterOperation;
  /** What the register was last seen to hold, so that a compare-and-set has a fair chance. */
  observe(key: number, value: number): void;
}

/**
 * @param options.keys how many registers
 * @param options.reads share of operations that read, 0 to 1
 * @param options.compareAndSets share of the others that compare and set, 0 to 1
 */
export function registerOperations(options: {
  readonly keys: number;
  readonly reads: number;
  readonly compareAndSets: number;
  readonly random: Random;
}): RegisterOperations {
  const { keys, reads, compareAndSets, random } = options;
  const lastSeen = new Int32Array(keys).fill(NULL_VALUE);
  let written = 0;
  return {
    next() {
      const key = random.below(keys);
      if (random.chance(reads)) return { f: 'read', key };
      const to = written++;
      if (!random.chance(compareAndSets)) return { f: 'write', key, value: to };
      return { f: 'cas', key, from: lastSeen[key] ?? NULL_VALUE, to };
    },
    observe(key, value) {
      lastSeen[key] = value;
    },
  };
}
