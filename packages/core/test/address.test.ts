/** Addresses are two plain names, and nothing else passes for one. */
import { expect, test } from 'vitest';
import { addressOf, isName, type NodeId, parseAddress } from '../src/index.ts';

test.each(['a', 'node-1', 'shard:7', 'v1.2_x@host~+', 'x'.repeat(128)])('%s is a name', (name) => {
  expect(isName(name)).toBe(true);
  expect(parseAddress(addressOf(name as NodeId, name))).toEqual({ node: name, name });
});

test.each([
  '',
  '-',
  '.',
  '..',
  '.hidden',
  'a b',
  'a/b',
  'a\\b',
  'ä',
  'a\n',
  '\u0000',
  'x'.repeat(129),
  5,
  null,
])('%j is no name', (name) => {
  expect(isName(name)).toBe(false);
});

test.each(['', 'a', '/a', 'a/', 'a/b/c', 'a//b', '../b', 'a b/c', 5 as unknown as string])(
  '%j is no address',
  (address) => {
    expect(() => parseAddress(address)).toThrowError(expect.objectContaining({ code: 'ERR_OPTION_INVALID' }));
  },
);
