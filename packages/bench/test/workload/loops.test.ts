import { describe, expect, test } from 'vitest';
import { closedLoop } from '../../src/workload/closed-loop.ts';
import { LoadMeter, type Outcome } from '../../src/workload/load-meter.ts';
import { openLoop } from '../../src/workload/open-loop.ts';
import { ManualClock, settled } from './manual-clock.ts';

/** A service whose every operation takes `tookMs`, and what a test wants to know of it. */
function service(clock: ManualClock, tookMs: (operation: number) => number, outcome: Outcome = 'ok') {
  const seen = { processes: [] as number[], startedMs: [] as number[], outstanding: 0, outstandingMax: 0 };
  const execute = (process: number): Promise<Outcome> => {
    seen.processes.push(process);
    seen.startedMs.push(clock.nowMs());
    seen.outstanding += 1;
    seen.outstandingMax = Math.max(seen.outstandingMax, seen.outstanding);
    return new Promise((resolve) => {
      clock.after(tookMs(seen.processes.length - 1), () => {
        seen.outstanding -= 1;
        resolve(outcome);
      });
    });
  };
  return { execute, seen };
}

function meterFrom(clock: ManualClock): LoadMeter {
  const meter = new LoadMeter();
  meter.begin(clock.nowMs());
  return meter;
}

describe('a closed loop', () => {
  test('keeps as many operations outstanding as it has clients, and ends when they have ended', async () => {
    const clock = new ManualClock();
    const meter = meterFrom(clock);
    const controller = new AbortController();
    const { execute, seen } = service(clock, () => 10);
    let hasEnded = false;
    const load = closedLoop({ clients: 3, execute, meter, clock, signal: controller.signal });
    void load.then(() => (hasEnded = true));
    await clock.advanceTo(95);
    expect(seen.outstanding).toBe(3);
    controller.abort();
    await settled();
    expect(hasEnded).toBe(false);
    await clock.advanceTo(100);
    expect(hasEnded).toBe(true);
    const { operations, latencyMs } = meter.end(100);
    expect(operations.ok).toBe(30);
    expect(latencyMs).toMatchObject({ p50: 10, max: 10 });
    expect(seen.outstandingMax).toBe(3);
    expect(new Set(seen.processes)).toEqual(new Set([0, 1, 2]));
  });

  test('gives a client a new process after an unknown outcome, and never the old one again', async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const { execute, seen } = service(clock, () => 10, 'unknown');
    const load = closedLoop({
      clients: 2,
      execute,
      meter: meterFrom(clock),
      clock,
      signal: controller.signal,
    });
    await clock.advanceTo(100);
    controller.abort();
    await clock.advanceTo(200);
    await load;
    expect(seen.processes.length).toBeGreaterThan(8);
    expect(new Set(seen.processes).size).toBe(seen.processes.length);
  });

  test('pauses after a refusal instead of spinning', async () => {
    const clock = new ManualClock();
    const meter = meterFrom(clock);
    const controller = new AbortController();
    let calls = 0;
    const execute = async (): Promise<Outcome> => {
      calls += 1;
      // A loop that spins would never let the test end by itself.
      if (calls > 1_000) controller.abort();
      return 'failed';
    };
    const load = closedLoop({ clients: 1, execute, meter, clock, signal: controller.signal });
    await clock.advanceTo(100);
    controller.abort();
    await clock.advanceTo(200);
    await load;
    expect(meter.end(200).operations.failed).toBeLessThanOrEqual(25);
  });
});

describe('an open loop', () => {
  test('starts operations at its rate, however long they take', async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const { execute, seen } = service(clock, () => 50);
    const load = openLoop({
      ratePerSecond: 200,
      outstandingMax: 100,
      execute,
      meter: meterFrom(clock),
      clock,
      signal: controller.signal,
    });
    await clock.advanceTo(999.5);
    controller.abort();
    await clock.advanceTo(1_100);
    await load;
    expect(seen.startedMs).toHaveLength(200);
    expect(seen.startedMs.slice(0, 4)).toEqual([0, 5, 10, 15]);
    expect(seen.outstandingMax).toBe(10);
  });

  test('counts latency from the moment an operation was due, so that a stall delays all that fell into it', async () => {
    const clock = new ManualClock();
    const meter = meterFrom(clock);
    const controller = new AbortController();
    const { execute, seen } = service(clock, (operation) => (operation === 0 ? 100 : 0));
    const load = openLoop({
      ratePerSecond: 1_000,
      outstandingMax: 1,
      execute,
      meter,
      clock,
      signal: controller.signal,
    });
    await clock.advanceTo(150.5);
    controller.abort();
    await clock.advanceTo(160);
    await load;
    const { operations, latencyMs } = meter.end(160);
    expect(seen.outstandingMax).toBe(1);
    expect(operations.ok).toBeGreaterThanOrEqual(150);
    // The operations due at 0, 1, 2, ... 99 ms ended at about 100: half of all waited 30 ms and more.
    expect(latencyMs.p50).toBeGreaterThan(20);
    expect(latencyMs.max).toBeGreaterThanOrEqual(100);
  });

  test('counts as failed what was due and could not start any more', async () => {
    const clock = new ManualClock();
    const meter = meterFrom(clock);
    const controller = new AbortController();
    const { execute } = service(clock, () => 1_000);
    const load = openLoop({
      ratePerSecond: 100,
      outstandingMax: 2,
      execute,
      meter,
      clock,
      signal: controller.signal,
    });
    await clock.advanceTo(95);
    controller.abort();
    await clock.advanceTo(1_100);
    await load;
    expect(meter.end(1_100).operations).toEqual({ ok: 2, failed: 8, unknown: 0 });
  });
});
