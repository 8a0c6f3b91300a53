/** The system clock keeps what the port promises. */
import { expect, test } from 'vitest';
import { systemClock } from '../src/index.ts';

test('time never goes back', () => {
  const readings = Array.from({ length: 1_000 }, () => systemClock.nowMs());
  expect(readings).toEqual([...readings].sort((a, b) => a - b));
});

test('the wall clock counts whole milliseconds since 1970', () => {
  expect(Number.isInteger(systemClock.wallMs())).toBe(true);
  expect(Math.abs(systemClock.wallMs() - Date.now())).toBeLessThan(1_000);
});

test('deferred work runs after the promises of this turn, and in order', async () => {
  const order: string[] = [];
  const done = new Promise<void>((resolve) => {
    systemClock.defer(() => order.push('first'));
    systemClock.defer(() => {
      order.push('second');
      resolve();
    });
  });
  void Promise.resolve().then(() => order.push('promise'));
  await done;
  expect(order).toEqual(['promise', 'first', 'second']);
});

test('a timer fires once, not before its time, and not when it was cancelled', async () => {
  const startMs = systemClock.nowMs();
  let cancelledFired = false;
  systemClock
    .after(5, () => {
      cancelledFired = true;
    })
    .cancel();
  await new Promise<void>((resolve) => {
    const timer = systemClock.after(20, () => {
      timer.cancel();
      resolve();
    });
  });
  expect(systemClock.nowMs() - startMs).toBeGreaterThan(18);
  expect(cancelledFired).toBe(false);
});
