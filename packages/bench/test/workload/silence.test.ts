import { expect, test } from 'vitest';
import { firstAckAfterMs } from '../../src/workload/silence.ts';

const cases = [
  { it: 'no silence at all', silences: [], answer: 0 },
  {
    it: 'one that begins as the last replies arrive',
    silences: [{ fromMs: 1_012, toMs: 1_290 }],
    answer: 290,
  },
  { it: 'one that had begun when the fault struck', silences: [{ fromMs: 990, toMs: 1_300 }], answer: 300 },
  { it: 'one that was over before', silences: [{ fromMs: 500, toMs: 999 }], answer: 0 },
  { it: 'one that begins long after the fault', silences: [{ fromMs: 1_100, toMs: 1_900 }], answer: 0 },
  { it: 'one that never ends', silences: [{ fromMs: 1_010, toMs: undefined }], answer: null },
  {
    it: 'the longest of those that it caused',
    silences: [
      { fromMs: 1_001, toMs: 1_025 },
      { fromMs: 1_030, toMs: 1_330 },
      { fromMs: 1_400, toMs: 1_930 },
    ],
    answer: 330,
  },
];

test.each(cases)('a fault at 1 s: $it', ({ silences, answer }) => {
  expect(firstAckAfterMs(silences, 1_000)).toBe(answer);
});
