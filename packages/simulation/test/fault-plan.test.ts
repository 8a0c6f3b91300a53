/** Plans: drawn from a seed alone, of every mood, and overlapping. */
import { clockRateRatioMax } from '@quorate/consensus';
import { seededRandom } from '@quorate/core';
import { expect, test } from 'vitest';
import { drawCircumstances } from '../src/circumstances.ts';
import { drawFaultPlan, drawWeighted, strikeKinds } from '../src/fault-plan.ts';
import { Layers } from '../src/layers.ts';

const plans = Array.from({ length: 1_000 }, (_, seed) => drawFaultPlan(seededRandom(seed)));

test('a plan is a function of its seed', () => {
  expect(drawFaultPlan(seededRandom(5))).toEqual(plans[5]);
});

test('there are seeds of one node and of seven, without a strike and with thirty', () => {
  expect(new Set(plans.map(({ nodes }) => nodes))).toEqual(new Set([1, 2, 3, 4, 5, 6, 7]));
  const counts = plans.map(({ strikes }) => strikes.length);
  expect(Math.min(...counts)).toBe(0);
  expect(Math.max(...counts)).toBeGreaterThan(25);
});

test('each kind strikes in many seeds and is left out of many; strikes come by time and overlap', () => {
  for (const kind of strikeKinds) {
    const having = plans.filter(({ strikes }) => strikes.some((strike) => strike.kind === kind)).length;
    expect(having).toBeGreaterThan(150);
    expect(having).toBeLessThan(600);
  }
  let overlapping = 0;
  for (const { strikes } of plans) {
    for (const [at, strike] of strikes.entries()) {
      const before = strikes[at - 1];
      if (before === undefined) continue;
      expect(strike.atMs).toBeGreaterThanOrEqual(before.atMs);
      if (before.atMs + before.forMs > strike.atMs) overlapping += 1;
    }
  }
  expect(overlapping).toBeGreaterThan(1_000);
});

test('two clocks never differ by more than leases count on, and in some seeds by almost as much', () => {
  let ratioMax = 1;
  for (let seed = 0; seed < 500; seed++) {
    const { clockRates } = drawCircumstances(seededRandom(seed));
    const ratio = Math.max(...clockRates) / Math.min(...clockRates);
    expect(ratio).toBeLessThanOrEqual(clockRateRatioMax * (1 + 1e-12));
    ratioMax = Math.max(ratioMax, ratio);
  }
  expect(ratioMax).toBeCloseTo(clockRateRatioMax, 6);
});

test('calming one circumstance leaves the others as they were', () => {
  const seed = 11;
  const wild = drawCircumstances(seededRandom(seed));
  const calm = drawCircumstances(seededRandom(seed), ['clocks']);
  expect(calm).toEqual({ ...wild, clockRates: [1] });
});

test('weights decide: what weighs nothing is never drawn', () => {
  const random = seededRandom(1);
  const drawn = Array.from({ length: 300 }, () =>
    drawWeighted(random, [
      ['never', 0],
      ['often', 3],
      ['rarely', 1],
    ]),
  );
  expect(drawn).not.toContain('never');
  expect(drawn.filter((one) => one === 'often').length).toBeGreaterThan(180);
  expect(drawWeighted(random, [['only', 0]])).toBe('only');
});

test('of several layers on one thing each can go first, and taking one away twice takes no other', () => {
  const seen: string[] = [];
  const layers = new Layers<string, number>((key, values) => seen.push(`${key} ${values.join('+')}`));
  const first = layers.add('link', 1);
  const second = layers.add('link', 2);
  first();
  first();
  expect(layers.isOn('link')).toBe(true);
  second();
  expect(layers.isOn('link')).toBe(false);
  expect(seen).toEqual(['link 1', 'link 1+2', 'link 2', 'link ']);
});
