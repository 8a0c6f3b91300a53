/** Acknowledgements watched: gaps and the next one. */
import { expect, test } from 'vitest';
import { AckWatch } from '../../src/outage/ack-watch.ts';
import { settled } from '../workload/manual-clock.ts';

function watchOf(...okAtMs: readonly number[]): AckWatch {
  const watch = new AckWatch();
  for (const atMs of okAtMs) watch.record('ok', 0, atMs);
  return watch;
}

test('a gap that goes on when the window opens counts from where it began', () => {
  const watch = watchOf(10);
  watch.openWindow();
  watch.record('ok', 0, 40);
  watch.record('ok', 0, 45);
  expect(watch.closeWindow(50)).toBe(30);
});

test('a gap that goes on when the window closes counts until then', () => {
  const watch = watchOf(10);
  watch.openWindow();
  watch.record('ok', 0, 12);
  expect(watch.closeWindow(90)).toBe(78);
});

test('gaps outside of the window do not count, nor do failures end one', () => {
  const watch = watchOf(0, 500);
  watch.openWindow();
  watch.record('failed', 0, 505);
  watch.record('unknown', 0, 506);
  watch.record('ok', 0, 510);
  expect(watch.closeWindow(511)).toBe(10);
  watch.record('ok', 0, 900);
  watch.openWindow();
  expect(watch.closeWindow(901)).toBe(1);
});

test('the next acknowledgement is one that comes after the asking, and no failure', async () => {
  const watch = watchOf(5);
  let answer: number | undefined;
  void watch.nextAck().then((atMs) => {
    answer = atMs;
  });
  watch.record('failed', 0, 6);
  await settled();
  expect(answer).toBeUndefined();
  watch.record('ok', 0, 7);
  watch.record('ok', 0, 8);
  await settled();
  expect(answer).toBe(7);
});

test('the next acknowledgement is the first that counts at its moment', async () => {
  const watch = watchOf();
  let isNew = false;
  let answer: number | undefined;
  void watch
    .nextAck(() => isNew)
    .then((atMs) => {
      answer = atMs;
    });
  watch.record('ok', 0, 6);
  isNew = true;
  watch.record('ok', 0, 7);
  await settled();
  expect(answer).toBe(7);
});

test('every outcome is counted', () => {
  const watch = watchOf(1, 2);
  watch.record('failed', 0, 3);
  watch.record('unknown', 0, 4);
  expect(watch.operations).toEqual({ ok: 2, failed: 1, unknown: 1 });
});
