/**
 * What people type after an option, read strictly: a duration, a size, a number, a choice, a list, a range.
 *
 * Every reader throws `ERR_OPTION_INVALID`, which names the option, the value and what is allowed. None
 * guesses: `10` is not a duration, because nobody can say of what.
 */
import { optionInvalid } from '@quorate/core';

interface Bounds {
  readonly min: number;
  readonly max: number;
}

const millisecondsPer: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const bytesPer: Readonly<Record<string, number>> = { '': 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** `500ms`, `10s`, `1.5s`, `2m`, `1h`; in whole milliseconds. Bounds are in milliseconds and inclusive. */
export function durationMs(option: string, text: string, { min, max }: Bounds): number {
  const allowed = `a duration such as 500ms, 10s or 2m, from ${showDuration(min)} to ${showDuration(max)}`;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) throw optionInvalid(option, text, allowed);
  const milliseconds = Math.round(Number(amount) * (millisecondsPer[unit] ?? Number.NaN));
  if (!(milliseconds >= min && milliseconds <= max)) throw optionInvalid(option, text, allowed);
  return milliseconds;
}

/** `150-300`: two whole numbers of milliseconds, the first one smaller. Bounds are inclusive. */
export function rangeMs(
  option: string,
  text: string,
  { min, max }: Bounds,
): readonly [min: number, max: number] {
  const allowed = `two whole numbers of milliseconds such as 150-300, within ${min}-${max}`;
  const [, from, to] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  const range = [Number(from), Number(to)] as const;
  const isRange = range[0] >= min && range[1] > range[0] && range[1] <= max;
  if (!isRange) throw optionInvalid(option, text, allowed);
  return range;
}

/** `16`, `16B`, `4KiB`, `1MiB`; in bytes. Bounds are in bytes and inclusive. */
export function sizeBytes(option: string, text: string, { min, max }: Bounds): number {
  const allowed = `a size in bytes such as 16, 4KiB or 1MiB, from ${min} to ${max}`;
  const [, amount, unit] = /^(\d+)(|B|KiB|MiB|GiB)$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) throw optionInvalid(option, text, allowed);
  const bytes = Number(amount) * (bytesPer[unit] ?? Number.NaN);
  if (!(bytes >= min && bytes <= max)) throw optionInvalid(option, text, allowed);
  return bytes;
}

export function wholeNumber(option: string, text: string, { min, max }: Bounds): number {
  const allowed = `a whole number from ${min} to ${max}`;
  const value = Number(text);
  const isWhole = /^-?\d+$/.test(text) && Number.isSafeInteger(value);
  if (!isWhole || value < min || value > max) throw optionInvalid(option, text, allowed);
  return value;
}

/** A share of a whole: `0`, `0.5`, `1`. */
export function share(option: string, text: string): number {
  const value = Number(text);
  const isShare = /^\d*\.?\d+$/.test(text) && value >= 0 && value <= 1;
  if (!isShare) throw optionInvalid(option, text, 'a number from 0 to 1');
  return value;
}

export function choice<const T extends string>(option: string, text: string, choices: readonly T[]): T {
  const chosen = choices.find((one) => one === text);
  if (chosen === undefined) throw optionInvalid(option, text, choices.join(', '));
  return chosen;
}

/** `1,64,1024`: at least one, none twice, each as `item` reads it. */
export function listOf<T>(option: string, text: string, item: (option: string, text: string) => T): T[] {
  const items = text.split(',').map((part) => item(option, part.trim()));
  if (new Set(items).size !== items.length)
    throw optionInvalid(option, text, 'a comma-separated list, nothing twice');
  return items;
}

/** `7` or `1..500`, both ends included. */
export function rangeOf(
  option: string,
  text: string,
  { min, max }: Bounds,
): { readonly first: number; readonly last: number } {
  const [from, to = from, ...rest] = text.split('..');
  const allowed = `a whole number or a range such as 1..500, within ${min}..${max}`;
  if (from === undefined || to === undefined || rest.length > 0) throw optionInvalid(option, text, allowed);
  const first = wholeNumber(option, from, { min, max });
  const last = wholeNumber(option, to, { min, max });
  if (last < first) throw optionInvalid(option, text, allowed);
  return { first, last };
}

function showDuration(milliseconds: number): string {
  if (milliseconds >= 3_600_000 && milliseconds % 3_600_000 === 0) return `${milliseconds / 3_600_000}h`;
  return milliseconds % 1_000 === 0 ? `${milliseconds / 1_000}s` : `${milliseconds}ms`;
}
