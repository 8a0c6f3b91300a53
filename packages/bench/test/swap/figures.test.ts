/** Swaps in figures: the table, and what does not hold. */
import { expect, test } from 'vitest';
import type { Swap, SwapSeries } from '../../src/swap/result.ts';
import { swapTable } from '../../src/swap/table.ts';
import { whatDoesNotHold } from '../../src/swap/what-does-not-hold.ts';

const swap: Swap = {
  from: 'raft',
  to: 'multi-paxos',
  epoch: 2,
  calmGapMs: 3,
  stallMs: 21,
  ledAfterMs: 12,
  wholeAfterMs: 90,
};
const summary = { median: 21, p99: 34, max: 34, mean: 27.5 };
const good: SwapSeries = {
  swapsWanted: 2,
  swaps: [swap, { ...swap, from: 'multi-paxos', to: 'raft', epoch: 3, stallMs: 34 }],
  stallMs: summary,
  calmGapMs: { median: 3, p99: 3, max: 3, mean: 3 },
  stallMsTo: { raft: { ...summary, median: 34 }, 'multi-paxos': summary },
  operations: { ok: 1_000, failed: 0, unknown: 2 },
  audit: { acknowledged: 1_000, lost: 0, doubled: 0, contradicted: 0 },
  recorded: true,
  verified: true,
  errors: {},
  warnings: ['node a: slow disk'],
};

test('the table has a row for each direction, one for all, and one for the calm between', () => {
  const text = swapTable(good);
  expect(text).toMatch(/│ to raft +│ +1 │ +34\.0 │/);
  expect(text).toMatch(/│ to multi-paxos +│ +1 │ +21\.0 │/);
  expect(text).toMatch(/│ all +│ +2 │ +21\.0 │ +34\.0 │ +34\.0 │ +27\.5 │/);
  expect(text).toMatch(/│ the calm before each +│ +2 │ +3\.00 │/);
  expect(text).toContain(
    '1,000 writes acknowledged: 0 lost, 0 doubled; 0 failed, 2 unknown; linearizable: yes',
  );
  expect(text).toContain('30 to 40 ms │');
  expect(text).toContain('node a: slow disk');
});

test.each([
  ['every swap was carried out and nothing is at fault', {}, undefined],
  ['nothing was to be checked', { audit: null, recorded: false, verified: null }, undefined],
  [
    'a write is doubled',
    { audit: { acknowledged: 10, lost: 0, doubled: 1, contradicted: 0 } },
    /1 carried out TWICE/,
  ],
  ['the history is not linearizable', { verified: false }, /NOT linearizable/],
  ['the check gave up', { verified: null }, /no verdict/],
  ['a swap is missing', { swaps: [swap], failure: 'swap 2: no' }, /1 of 2 swaps carried out: swap 2: no/],
])('%s', (_, change, expected) => {
  const failure = whatDoesNotHold({ ...good, ...change });
  if (expected === undefined) expect(failure).toBeUndefined();
  else expect(failure).toMatch(expected);
});
