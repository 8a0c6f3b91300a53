/** Ranges of indexes behave as a plain set of numbers. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IndexRanges } from '../src/index-ranges.ts';

test('whatever is added and removed, it holds what a plain set holds', () => {
  const step = fc.record({ add: fc.boolean(), first: fc.integer({ min: 1, max: 40 }), length: fc.nat(12) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const ranges = new IndexRanges();
      const twin = new Set<number>();
      for (const { add, first, length } of steps) {
        if (add) ranges.add(first, first + length);
        else ranges.remove(first, first + length);
        for (let index = first; index <= first + length; index++) {
          if (add) twin.add(index);
          else twin.delete(index);
        }
        expect(ranges.count).toBe(twin.size);
        expect(ranges.highest).toBe(Math.max(0, ...twin));
        expect([...ranges.values()]).toEqual([...twin].sort((a, b) => a - b));
        for (let index = 0; index <= 60; index++) expect(ranges.has(index)).toBe(twin.has(index));
      }
    }),
    { numRuns: 400 },
  );
});

test('a set without end can be cut', () => {
  const ranges = new IndexRanges();
  ranges.add(1, 10);
  ranges.remove(8, Number.MAX_SAFE_INTEGER);
  ranges.remove(0, 3);
  expect([ranges.count, ranges.highest]).toEqual([4, 7]);
  ranges.remove(5, 4);
  expect(ranges.count).toBe(4);
});
