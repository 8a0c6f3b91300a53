/** Schemas turn unknown values into typed ones, or name the field that is wrong. */
import { expect, test } from 'vitest';
import {
  anything,
  bytes,
  finite,
  flag,
  integer,
  list,
  optional,
  type Schema,
  text,
  tuple,
} from '../../src/index.ts';

test.each<[string, Schema<unknown>, unknown]>([
  ['a whole number', integer(), 0],
  ['the largest safe number', integer(), Number.MAX_SAFE_INTEGER],
  ['a number at the edge of its range', integer(-3, 3), -3],
  ['a fraction', finite, 0.5],
  ['a boolean', flag, false],
  ['text of the greatest length', text(3), 'abc'],
  ['bytes of the greatest length', bytes(2), new Uint8Array(2)],
  ['an empty list', list(integer(), 0), []],
  ['a list of lists', list(list(flag, 1), 2), [[true], []]],
  ['a tuple', tuple(integer(), text(9)), [1, 'x']],
  ['anything', anything, { any: 'thing' }],
])('%s passes', (_, schema, value) => {
  expect(schema(value, 'it')).toEqual(value);
});

test.each<[string, Schema<unknown>, unknown, string]>([
  [
    'a fraction for a whole number',
    integer(),
    1.5,
    'it: expected a whole number in 0..9007199254740991, got number',
  ],
  ['a number below its range', integer(1, 5), 0, 'it: expected a whole number in 1..5, got number'],
  ['a number above its range', integer(1, 5), 6, 'it: expected a whole number in 1..5, got number'],
  ['an unsafe number', integer(), 2 ** 53, 'it: expected a whole number'],
  ['text for a number', integer(), '1', 'got string'],
  ['no number at all', finite, Number.NaN, 'it: expected a finite number, got number'],
  ['endless', finite, Infinity, 'it: expected a finite number'],
  ['0 for false', flag, 0, 'it: expected true or false, got number'],
  ['text too long', text(2), 'abc', 'it: expected a string of at most 2 characters, got string'],
  ['bytes too long', bytes(1), new Uint8Array(2), 'it: expected at most 1 bytes, got object'],
  ['a list for bytes', bytes(9), [1], 'it: expected at most 9 bytes, got array of 1'],
  ['a list too long', list(flag, 1), [true, true], 'it: expected an array of at most 1, got array of 2'],
  ['an object for a list', list(flag, 1), {}, 'got object'],
  ['a wrong item', list(flag, 9), [true, 'x'], 'it[1]: expected true or false, got string'],
  ['a tuple too short', tuple(flag, flag), [true], 'it: expected an array of 2 fields, got array of 1'],
  [
    'a wrong field deep inside',
    tuple(list(tuple(flag), 9)),
    [[[true], [null]]],
    'it[0][1][0]: expected true or false, got null',
  ],
])('%s is refused, by its path', (_, schema, value, message) => {
  expect(() => schema(value, 'it')).toThrowError(expect.objectContaining({ code: 'ERR_FRAME_INVALID' }));
  expect(() => schema(value, 'it')).toThrowError(message);
});

test('an optional field may be absent, as null or undefined, or must fit', () => {
  const schema = optional(integer());
  expect(schema(null, 'it')).toBeUndefined();
  expect(schema(undefined, 'it')).toBeUndefined();
  expect(schema(5, 'it')).toBe(5);
  expect(() => schema('x', 'it')).toThrowError('it: expected a whole number');
});
