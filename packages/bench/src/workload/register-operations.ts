/**
 * The operations of a run: reads, writes and compare-and-sets of registers, drawn from a seed.
 *
 * Every value is written once only, so a read that returns it names the write that it saw; that is what
 * makes a history cheap to judge.
 */
import { invariant, type Random } from '@quorate/core';

/** As in a history file: `f`, `key`, `value`. */
export type RegisterOperation =
  | { readonly f: 'read'; readonly key: string }
  | { readonly f: 'write'; readonly key: string; readonly value: string }
  | { readonly f: 'cas'; readonly key: string; readonly value: readonly [from: string | null, to: string] };

/** Fewer characters could not tell all the values of a long run apart. */
export const payloadBytesMin = 8;

/** Strings of exactly `payloadBytes` ASCII characters, no two alike. */
export function uniqueValues(payloadBytes: number): () => string {
  invariant(payloadBytes >= payloadBytesMin, `a unique value has at least ${payloadBytesMin} bytes`);
  let written = 0;
  return () => (written++).toString(36).padStart(payloadBytes, '0');
}

export interface RegisterOperations {
  next(): RegisterOperation;
  /** What the register was last seen to hold, so that a compare-and-set has a fair chance. */
  observe(key: string, value: string | null): void;
}

/**
 * @param options.keys registers, named k0, k1 and so on
 * @param options.reads share of operations that read, 0 to 1
 * @param options.compareAndSets share of the others that compare and set, 0 to 1
 */
export function registerOperations(options: {
  readonly keys: number;
  readonly reads: number;
  readonly compareAndSets: number;
  readonly payloadBytes: number;
  readonly random: Random;
}): RegisterOperations {
  const { reads, compareAndSets, random } = options;
  const keys = Array.from({ length: options.keys }, (_, key) => `k${key}`);
  const nextValue = uniqueValues(options.payloadBytes);
  const lastSeen = new Map<string, string | null>();
  return {
    next() {
      const key = keys[random.below(keys.length)];
      invariant(key !== undefined, 'there is at least one key');
      if (random.chance(reads)) return { f: 'read', key };
      const to = nextValue();
      if (!random.chance(compareAndSets)) return { f: 'write', key, value: to };
      return { f: 'cas', key, value: [lastSeen.get(key) ?? null, to] };
    },
    observe(key, value) {
      lastSeen.set(key, value);
    },
  };
}
