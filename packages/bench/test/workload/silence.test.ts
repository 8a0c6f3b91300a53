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
  { it: 'one that begins after the fault was healed', silences: [{ fromMs: 2_100, toMs: 2_900 }], answer: 0 },
  { it: 'one that never ends', silences: [{ fromMs: 1_010, toMs: undefined }], answer: null },
  {
    it: 'the longest of several',
    silences: [
      { fromMs: 1_001, toMs: 1_025 },
      { fromMs: 1_030, toMs: 1_330 },
      { fromMs: 1_800, toMs: 1_830 },
    ],
    answer: 330,
  },
];

test.each(cases)('a fault from 1 s to 2 s: $it', ({ silences, answer }) => {
  expect(firstAckAfterMs(silences, { atMs: 1_000, untilMs: 2_000 })).toBe(answer);
});

test('a fault that heals at once still owns the silence that follows it', () => {
  expect(firstAckAfterMs([{ fromMs: 1_030, toMs: 1_400 }], { atMs: 1_000, untilMs: 1_000 })).toBe(400);
});
