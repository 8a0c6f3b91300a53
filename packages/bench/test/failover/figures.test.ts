/** The trials in figures: distribution, table, and what does not hold. */
import { expect, test } from 'vitest';
import type { FailoverSeries, FailoverTrial } from '../../src/failover/result.ts';
import { failoverTable } from '../../src/failover/table.ts';
import { whatDoesNotHold } from '../../src/failover/what-does-not-hold.ts';
import { distributionLines } from '../../src/outage/distribution.ts';

const trial: FailoverTrial = {
  target: 'a',
  nodeDownAfterMs: 3,
  leadersAfterMs: [20],
  firstAckAfterMs: 25,
  longestGapMs: 26,
  calmGapMs: 2,
  termsPassed: 1,
  wholeAfterMs: 400,
};
const good: FailoverSeries = {
  algorithm: 'raft',
  kind: 'crash',
  measure: 'first-ack',
  trialsWanted: 2,
  trials: [trial, { ...trial, firstAckAfterMs: 310 }],
  outageMs: { median: 25, p99: 310, max: 310, mean: 167.5 },
  operations: { ok: 10, failed: 0, unknown: 1 },
  audit: { acknowledged: 10, lost: 0, doubled: 0, contradicted: 0 },
  recorded: true,
  verified: true,
  errors: { ERR_OUTCOME_UNKNOWN: 1 },
  warnings: [],
};

test('a bar for each range between the shortest and the longest outage, empty ones too', () => {
  expect(distributionLines([25, 21, 22, 23, 45])).toEqual([
    `     20 to 30 ms │${'█'.repeat(40)} 4`,
    '     30 to 40 ms │ 0',
    `     40 to 50 ms │${'█'.repeat(10)} 1`,
  ]);
});

test('an outage on an edge belongs to the range above it, and none is beyond all ranges', () => {
  expect(distributionLines([50])).toEqual([`     50 to 75 ms │${'█'.repeat(40)} 1`]);
  expect(distributionLines([60_000])).toEqual([
    `       from 5000 ms │${'█'.repeat(40)} 1`.replace(/^ {3}/, ''),
  ]);
  expect(distributionLines([])).toEqual([]);
});

test('the table has a row a series, its distribution and its notes', () => {
  const text = failoverTable([good]);
  expect(text).toMatch(/│ raft +│ crash +│ +2 │ to first ack │ +25\.0 │ +310 │ +310 │ +168 │ yes +│ 0, 0 +│/);
  expect(text).toContain('300 to 400 ms │');
  expect(text).toContain('1 × ERR_OUTCOME_UNKNOWN');
});

test.each([
  ['every trial was carried out and nothing is at fault', {}, undefined],
  ['nothing was to be checked', { audit: null, recorded: false, verified: null }, undefined],
  [
    'a write is lost',
    { audit: { acknowledged: 10, lost: 1, doubled: 0, contradicted: 0 } },
    /1 acknowledged and LOST/,
  ],
  ['the history is not linearizable', { verified: false }, /NOT linearizable/],
  ['the check gave up', { verified: null }, /no verdict/],
  [
    'a trial is missing',
    { trials: [trial], failure: 'trial 2: no' },
    /1 of 2 trials carried out: trial 2: no/,
  ],
])('%s', (_, change, expected) => {
  const failure = whatDoesNotHold({ ...good, ...change });
  if (expected === undefined) expect(failure).toBeUndefined();
  else expect(failure).toMatch(expected);
});
