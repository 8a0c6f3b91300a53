import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LatencyHistogram } from '../src/histogram.ts';

test('nothing recorded has no percentile', () => {
  const histogram = new LatencyHistogram();
  expect(histogram.summary()).toEqual({ p50: null, p90: null, p99: null, p999: null, max: null });
  expect(histogram.percentileMs(50)).toBeNull();
});

test('latencies from a microsecond to minutes keep three digits', () => {
  for (const latencyMs of [0.001, 0.042, 1.234, 99.9, 1_500, 123_000]) {
    const histogram = new LatencyHistogram();
    histogram.record(latencyMs);
    expect(Math.abs((histogram.percentileMs(50) ?? 0) - latencyMs)).toBeLessThanOrEqual(latencyMs / 1_000);
  }
});

test('what lies outside the range counts at its edge', () => {
  const histogram = new LatencyHistogram();
  histogram.record(-1);
  histogram.record(3_600_000);
  expect(histogram.count).toBe(2);
  expect(histogram.percentileMs(50)).toBe(0);
  expect(histogram.summary().max).toBe(600_000);
});

test('percentiles agree with sorting, to a thousandth', () => {
  const latencies = fc.array(fc.integer({ min: 1, max: 10_000_000 }), { minLength: 1, maxLength: 300 });
  const percentiles = fc.constantFrom(50, 90, 99, 99.9, 100);
  fc.assert(
    fc.property(latencies, percentiles, (microseconds, percentile) => {
      const histogram = new LatencyHistogram();
      for (const value of microseconds) histogram.record(value / 1_000);
      const sorted = [...microseconds].sort((a, b) => a - b);
      const rank = Math.max(Math.ceil((percentile / 100) * sorted.length), 1);
      const expectedMs = (sorted[rank - 1] ?? Number.NaN) / 1_000;
      const actualMs = histogram.percentileMs(percentile) ?? Number.NaN;
      expect(Math.abs(actualMs - expectedMs)).toBeLessThanOrEqual(expectedMs / 1_000);
    }),
  );
});

test('adding is the same as recording together, and a reset forgets', () => {
  const [left, right, both] = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()];
  for (let value = 1; value <= 100; value += 1) {
    (value % 3 === 0 ? left : right).record(value);
    both.record(value);
  }
  left.add(right);
  expect(left.summary()).toEqual(both.summary());
  left.reset();
  expect(left.count).toBe(0);
  expect(left.summary().max).toBeNull();
});
