/** The decision table of recovery, row by row. */
import { expect, test } from 'vitest';
import { judgeTail, type TailVerdict } from '../src/index.ts';

const table: readonly [
  below: boolean,
  zeroToEnd: boolean,
  explained: boolean,
  verdict: TailVerdict,
  why: string,
][] = [
  [false, true, false, 'end', 'nothing but zeroes follows: the log ends here'],
  [false, true, true, 'end', 'nothing but zeroes follows: the log ends here'],
  [false, false, true, 'torn', 'no mark covers it and zeroes explain it: a write that never ended'],
  [false, false, false, 'rot', 'no mark covers it, but no zeroes explain it either'],
  [true, false, true, 'rot', 'a mark covers it: zeroes or not, it had been synced'],
  [true, false, false, 'rot', 'a mark covers it'],
  [true, true, false, 'rot', 'a mark covers it, and it is gone'],
  [true, true, true, 'rot', 'a mark covers it, and it is gone'],
];

test.each(table)(
  'known to be synced %s, zero to the end %s, explained by zeroes %s: %s, for %s',
  (...row) => {
    const [isKnownSynced, isZeroToEnd, isExplainedByZeroes, verdict] = row;
    expect(judgeTail({ isKnownSynced, isZeroToEnd, isExplainedByZeroes })).toBe(verdict);
  },
);
