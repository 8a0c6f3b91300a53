import { hasCode } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { choice, durationMs, listOf, rangeOf, share, sizeBytes, wholeNumber } from '../src/options.ts';

const anyDuration = { min: 0, max: 3_600_000 };
const anySize = { min: 1, max: 2 ** 30 };
const anyNumber = { min: 0, max: 1_000 };

function rejection(read: () => unknown): { message: string } {
  try {
    read();
  } catch (error) {
    expect(hasCode(error, 'ERR_OPTION_INVALID')).toBe(true);
    return error as Error;
  }
  throw new Error('was accepted');
}

describe('durations', () => {
  test.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5s', 1_500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['0s', 0],
  ])('%s is %i ms', (text, expected) => {
    expect(durationMs('--duration', text, anyDuration)).toBe(expected);
  });

  test.each(['10', 's', '-1s', '1e3s', '1 s', '10S', '', 'Infinitys', '61m'])('%j is refused', (text) => {
    rejection(() => durationMs('--duration', text, anyDuration));
  });
});

describe('sizes', () => {
  test.each([
    ['16', 16],
    ['16B', 16],
    ['4KiB', 4_096],
    ['1MiB', 2 ** 20],
    ['1GiB', 2 ** 30],
  ])('%s is %i bytes', (text, expected) => {
    expect(sizeBytes('--payload', text, anySize)).toBe(expected);
  });

  test.each(['0', '1.5KiB', '1KB', '-1', 'KiB', '2GiB', ''])('%j is refused', (text) => {
    rejection(() => sizeBytes('--payload', text, anySize));
  });
});

describe('numbers', () => {
  test.each(['0', '7', '1000'])('%s is a whole number within its bounds', (text) => {
    expect(wholeNumber('--keys', text, anyNumber)).toBe(Number(text));
  });

  test.each(['', ' ', '1.5', '1e2', '0x10', '-1', '1001', 'many'])('%j is not', (text) => {
    rejection(() => wholeNumber('--keys', text, anyNumber));
  });

  test.each(['0', '0.5', '.5', '1', '1.0'])('%s is a share', (text) => {
    expect(share('--reads', text)).toBe(Number(text));
  });

  test.each(['', '1.01', '-0.5', 'half', '5e-1', 'NaN'])('%j is not a share', (text) => {
    rejection(() => share('--reads', text));
  });
});

describe('lists and ranges', () => {
  const numbers = (text: string): number[] =>
    listOf('--clients', text, (option, item) => wholeNumber(option, item, anyNumber));

  test('a list is read item by item, blanks around them allowed', () => {
    expect(numbers('1, 64,1000')).toEqual([1, 64, 1_000]);
  });

  test.each(['', '1,', ',1', '1,1', '1;2'])('the list %j is refused', (text) => {
    rejection(() => numbers(text));
  });

  test.each([
    ['7', { first: 7, last: 7 }],
    ['1..500', { first: 1, last: 500 }],
    ['5..5', { first: 5, last: 5 }],
  ])('the range %s has both its ends', (text, expected) => {
    expect(rangeOf('--seeds', text, anyNumber)).toEqual(expected);
  });

  test.each(['5..1', '1..', '..5', '1..2..3', '1-5', '0..1001'])('the range %j is refused', (text) => {
    rejection(() => rangeOf('--seeds', text, anyNumber));
  });
});

test('a refusal names the option, the value and what is allowed', () => {
  const { message } = rejection(() => choice('--storage', 'tape', ['disk', 'memory']));
  expect(message).toContain('--storage');
  expect(message).toContain('"tape"');
  expect(message).toContain('disk, memory');
});

test('a choice is taken as it stands', () => {
  expect(choice('--storage', 'memory', ['disk', 'memory'])).toBe('memory');
});
