/**
 * Values and keys of a history as integers: the columns of a history hold ids, a table says what they mean.
 */
import { invariant } from '@quorate/core';

/** What a register or key can hold, as it stands in a history file. */
export type HistoryValue = null | boolean | number | string;

/** The id of `null`, in every table. */
export const NULL_VALUE = -1;
/** Stands where an operation has no such value at all. */
export const NO_VALUE = -2;

/** Equal values have equal ids. Ids are whole numbers from 0 on; `null` is {@link NULL_VALUE}. */
export interface ValueTable {
  idOf(value: HistoryValue): number;
  valueOf(id: number): HistoryValue;
}

/** The name of a key; undefined for the one key of a history without keys. */
export interface KeyTable {
  nameOf(id: number): string | undefined;
}

/** Any value, numbered as it is first met. */
export class InternedValues implements ValueTable {
  readonly #ids = new Map<HistoryValue, number>();
  readonly #values: HistoryValue[] = [];

  idOf(value: HistoryValue): number {
    if (value === null) return NULL_VALUE;
    const known = this.#ids.get(value);
    if (known !== undefined) return known;
    const id = this.#values.push(value) - 1;
    this.#ids.set(value, id);
    return id;
  }

  valueOf(id: number): HistoryValue {
    if (id === NULL_VALUE) return null;
    const value = this.#values[id];
    invariant(value !== undefined, 'a value id comes from its own table');
    return value;
  }
}

/** Whole numbers from 0 on that stand for themselves: no table to keep, for millions of operations. */
export const integerValues: ValueTable = {
  idOf(value) {
    if (value === null) return NULL_VALUE;
    invariant(typeof value === 'number' && Number.isInteger(value) && value >= 0, 'a value is its own id');
    return value;
  },
  valueOf: (id) => (id === NULL_VALUE ? null : id),
};

/** Names of keys, numbered as they are first met. */
export class InternedKeys implements KeyTable {
  readonly #ids = new Map<string | undefined, number>();
  readonly #names: (string | undefined)[] = [];

  idOf(name: string | undefined): number {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const id = this.#names.push(name) - 1;
    this.#ids.set(name, id);
    return id;
  }

  nameOf(id: number): string | undefined {
    invariant(id >= 0 && id < this.#names.length, 'a key id comes from its own table');
    return this.#names[id];
  }
}

/** Keys that are numbered already: `k0`, `k1`, … */
export const numberedKeys: KeyTable = { nameOf: (id) => `k${id}` };

/** A value for people, in at most eighty characters: of a longer one the end, where appended texts differ. */
export function shownValue(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 80 ? text : `...${text.slice(-77)}`;
}
