/**
 * What can be encoded: a check before the encoder, so that nothing changes its nature on the way.
 *
 * An encoder left alone turns a function into nothing, a class instance into a bag of fields, and a big
 * integer into a message that the other side refuses together with its neighbours. Better to stop the
 * one value here, while the stack still says who sent it.
 */
import { CodedError } from '../coded-error.ts';
import { depthMax } from './scan.ts';

/** Values in one encoded value at most, map keys included. */
export const elementsMax = 2 ** 24;

/** The decoder takes a byte order mark off the front of strings with more bytes than this. */
const markKeptBytes = 64;

/** Values that the check under way may still meet. It never awaits or re-enters. */
let budget = 0;

/**
 * Lets through null, undefined, booleans, numbers, well-formed strings, `Uint8Array`s, and arrays and
 * plain objects of these. (-0 arrives as 0, a `Buffer` as a `Uint8Array`.)
 * @param limit values at most, map keys included
 * @throws CodedError `ERR_VALUE_INVALID`, naming the place and what stands there
 */
export function checkEncodable(value: unknown, limit = elementsMax): void {
  budget = limit;
  const offence = offenceIn(value, 0);
  if (offence !== undefined) {
    const { what, path } = offence;
    throw new CodedError('ERR_VALUE_INVALID', `value${path}: ${what} cannot be encoded`, { what, path });
  }
}

/**
 * A text of unknown origin as one that can be encoded: cut to `lengthMax` UTF-16 units, without a mark of byte order in
 * front, and with U+FFFD for every half of a surrogate pair, the one that the cut may leave included.
 */
export function encodableText(text: string, lengthMax = Number.POSITIVE_INFINITY): string {
  const cut = text.length > lengthMax ? text.slice(0, lengthMax) : text;
  const wellFormed = (cut as string & { toWellFormed(): string }).toWellFormed();
  return offenceInText(wellFormed) === undefined ? wellFormed : wellFormed.replace(/^\uFEFF+/, '');
}

interface Offence {
  readonly what: string;
  readonly path: string;
}

function offenceIn(value: unknown, depth: number): Offence | undefined {
  if (--budget < 0) return { what: 'more values than are allowed (or a cycle)', path: '' };
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return undefined;
    case 'string':
      return offenceInText(value);
    case 'object':
      return value === null ? undefined : offenceInObject(value, depth);
    default:
      return { what: `a ${typeof value}`, path: '' };
  }
}

function offenceInObject(value: object, depth: number): Offence | undefined {
  if (value instanceof Uint8Array) return undefined;
  if (depth >= depthMax - 4) return { what: `nesting deeper than ${depthMax - 4} (or a cycle)`, path: '' };
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const offence = offenceIn(value[at], depth + 1);
      if (offence !== undefined) return { what: offence.what, path: `[${at}]${offence.path}` };
    }
    return undefined;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    return { what: `an instance of ${prototype.constructor?.name ?? 'a class'}`, path: '' };
  }
  const keys = Object.keys(value);
  budget -= keys.length;
  for (const key of keys) {
    if (key === '__proto__') return { what: 'a field named __proto__', path: '' };
    const field = (value as Record<string, unknown>)[key];
    const offence = offenceInText(key) ?? offenceIn(field, depth + 1);
    if (offence !== undefined) return { what: offence.what, path: `.${key}${offence.path}` };
  }
  return undefined;
}

function offenceInText(value: string): Offence | undefined {
  if (!(value as string & { isWellFormed(): boolean }).isWellFormed()) {
    return { what: 'a string with half a surrogate pair', path: '' };
  }
  if (value.length * 3 > markKeptBytes && value.charCodeAt(0) === 0xfeff) {
    return { what: 'a long string that starts with a byte order mark', path: '' };
  }
  return undefined;
}
