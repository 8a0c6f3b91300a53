/** Randomness can be drawn again: from the same seed, on any machine, in any version. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InvariantError, type Random, seededRandom } from '../src/index.ts';

const draw = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.next());

test('a seed printed today gives the same stream tomorrow', () => {
  const random = seededRandom(42);
  const words = Array.from({ length: 4 }, () => random.next() * 2 ** 32);
  expect(words).toEqual([1959603763, 2423114712, 2466933512, 4144396390]);
});

test('the same seed gives the same stream, another seed another', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (one, other) => {
      expect(draw(seededRandom(one), 5)).toEqual(draw(seededRandom(one), 5));
      if (one !== other) expect(draw(seededRandom(one), 5)).not.toEqual(draw(seededRandom(other), 5));
    }),
  );
});

test('floats lie in [0, 1), evenly', () => {
  const floats = draw(seededRandom(1), 20_000);
  const tenths = new Array(10).fill(0);
  for (const float of floats) tenths[Math.floor(float * 10)]++;
  expect(Math.min(...floats)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...floats)).toBeLessThan(1);
  expect(Math.min(...tenths)).toBeGreaterThan(1_800);
  expect(Math.max(...tenths)).toBeLessThan(2_200);
});

test('below() draws every number below its bound, and no other', () => {
  const random = seededRandom(2);
  const drawn = new Set(Array.from({ length: 500 }, () => random.below(7)));
  expect([...drawn].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(random.below(1)).toBe(0);
});

test.each([0, -1, 1.5, Number.NaN, Infinity])('below(%s) is a mistake of ours', (below) => {
  expect(() => seededRandom(1).below(below)).toThrowError(InvariantError);
});

test('chance 0 never comes, chance 1 always', () => {
  const random = seededRandom(3);
  const drawn = Array.from({ length: 1_000 }, () => [
    random.chance(0),
    random.chance(1),
    random.chance(0.25),
  ]);
  expect(drawn.some(([never]) => never)).toBe(false);
  expect(drawn.every(([, always]) => always)).toBe(true);
  const quarter = drawn.filter(([, , sometimes]) => sometimes).length;
  expect(quarter).toBeGreaterThan(200);
  expect(quarter).toBeLessThan(300);
});

test('a fork depends on seed and label, not on what was drawn before', () => {
  const fresh = seededRandom(9);
  const used = seededRandom(9);
  draw(used, 100);
  expect(draw(used.fork('link'), 5)).toEqual(draw(fresh.fork('link'), 5));
  expect(draw(fresh.fork('link'), 5)).not.toEqual(draw(fresh.fork('lint'), 5));
  expect(draw(fresh.fork('link'), 5)).not.toEqual(draw(seededRandom(10).fork('link'), 5));
});
