/** How long a start waits for disks: for all that answer, and not for ever for those that do not. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openedInTime } from '../../src/cluster/start-patience.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const patienceMs = 5_000;
const never = new Promise<void>(() => undefined);
const opensAfter = (timeMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, timeMs));
const failsAfter = (timeMs: number): Promise<void> =>
  opensAfter(timeMs).then(() => Promise.reject(new Error('rot')));

/** What becomes of each, in one word, and when the wait was over. */
async function wait(opening: Promise<void>[], needed: number): Promise<{ fates: string[]; atMs: number }> {
  const startMs = performance.now();
  const waiting = openedInTime(opening, needed, patienceMs).then((outcomes) => ({
    fates: outcomes.map((outcome) => outcome?.status ?? 'late'),
    atMs: performance.now() - startMs,
  }));
  await vi.advanceTimersByTimeAsync(100_000);
  return Promise.race([waiting, Promise.resolve({ fates: ['still waiting'], atMs: 100_000 })]);
}

test('all that settle are waited for, in the order that they were given, and no longer', async () => {
  const opening = [opensAfter(300), failsAfter(100), opensAfter(200)];
  expect(await wait(opening, 2)).toEqual({ fates: ['fulfilled', 'rejected', 'fulfilled'], atMs: 300 });
});

test('patience begins when so many as are needed have opened, and ends it for the others', async () => {
  const opening = [opensAfter(20_000), never, opensAfter(100), failsAfter(200), opensAfter(40_000)];
  const fates = ['fulfilled', 'late', 'fulfilled', 'rejected', 'late'];
  expect(await wait(opening, 2)).toEqual({ fates, atMs: 20_000 + patienceMs });
});

test('while fewer have opened than are needed there is no end: a log may be long', async () => {
  expect(await wait([opensAfter(100), never, never], 2)).toEqual({ fates: ['still waiting'], atMs: 100_000 });
});
