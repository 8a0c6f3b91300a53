import { expect, test } from 'vitest';
import { LoadMeter } from '../../src/workload/load-meter.ts';

/** A meter that begins at the clock's 1,000 ms; times of the test count from there. */
function begun(): { meter: LoadMeter; ok: (endedMs: number, latencyMs: number) => void } {
  const meter = new LoadMeter();
  meter.begin(1_000);
  return {
    meter,
    ok: (endedMs, latencyMs) => meter.record('ok', 1_000 + endedMs - latencyMs, 1_000 + endedMs),
  };
}

test('what ended before the beginning or after the end is not counted', () => {
  const meter = new LoadMeter();
  meter.record('ok', 0, 999);
  meter.begin(1_000);
  meter.record('ok', 990, 1_001);
  const load = meter.end(1_500);
  meter.record('ok', 1_499, 1_501);
  expect(load.operations).toEqual({ ok: 1, failed: 0, unknown: 0 });
  expect(load.latencyMs.max).toBe(11);
  expect(load.durationMs).toBe(500);
});

test('outcomes are counted apart, and only what went well has a latency', () => {
  const { meter, ok } = begun();
  ok(10, 5);
  meter.record('failed', 1_000, 1_020);
  meter.record('unknown', 1_000, 1_030);
  const load = meter.end(1_100);
  expect(load.operations).toEqual({ ok: 1, failed: 1, unknown: 1 });
  expect(load.latencyMs.max).toBe(5);
});

test('slices of a tenth of a second and seconds hold what ended in them, the empty ones too', () => {
  const { meter, ok } = begun();
  ok(0, 1);
  ok(99.9, 1);
  ok(100, 2);
  ok(1_250, 4);
  const load = meter.end(4_250);
  expect(load.slices).toHaveLength(33);
  expect(load.slices.slice(0, 3).map(({ atMs, ok: count }) => [atMs, count])).toEqual([
    [0, 2],
    [100, 1],
    [200, 0],
  ]);
  expect(load.slices[12]).toEqual({ atMs: 1_200, ok: 1, p50Ms: 4, p99Ms: 4 });
  expect(load.timeline.map(({ second, ok: count, p99Ms }) => [second, count, p99Ms])).toEqual([
    [0, 3, 2],
    [1, 1, 4],
    [2, 0, null],
    [3, 0, null],
  ]);
});

test('every acknowledged operation is in exactly one slice, one second and the whole', () => {
  const { meter, ok } = begun();
  for (let at = 0; at < 2_345; at += 0.7) ok(at, at % 13);
  const load = meter.end(3_345.6);
  const sum = (counts: readonly { ok: number }[]): number =>
    counts.reduce((total, { ok: n }) => total + n, 0);
  expect(load.operations.ok).toBe(Math.ceil(2_345 / 0.7));
  expect(sum(load.slices)).toBe(load.operations.ok);
  expect(sum(load.timeline)).toBe(load.operations.ok);
});

test('a run that ends on the edge of a slice has no empty one after it', () => {
  const { meter, ok } = begun();
  ok(50, 1);
  expect(meter.end(2_000).slices).toHaveLength(10);
});

test('gaps between acknowledgements are kept as silences, the last one open', () => {
  const { meter, ok } = begun();
  for (const at of [2, 4, 310, 313]) ok(at, 1);
  expect(meter.end(1_900).silences).toEqual([
    { fromMs: 4, toMs: 310 },
    { fromMs: 313, toMs: undefined },
  ]);
});
