/** How long a start waits for disks: for all that answer, and not for ever for those that do not. */
import { CodedError, type ErrorCode } from '@quorate/core';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openedInTime, requireOpened } from '../../src/cluster/start-patience.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const patience = { slowMs: 5_000, limitMs: 60_000 };
const never = new Promise<void>(() => undefined);
const opensAfter = (timeMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, timeMs));
const failsAfter = (timeMs: number): Promise<void> =>
  opensAfter(timeMs).then(() => Promise.reject(new Error('rot')));

/** What becomes of each, in one word, and when the wait was over. */
async function wait(
  members: Promise<void>[],
  needed: number,
  joiners: Promise<void>[] = [],
): Promise<{ fates: string[]; atMs: number }> {
  const startMs = performance.now();
  const openings = [
    ...members.map((opened) => ({ node: 'member', opened, isMember: true })),
    ...joiners.map((opened) => ({ node: 'joiner', opened, isMember: false })),
  ];
  const waiting = openedInTime(openings, needed, patience).then((outcomes) => ({
    fates: outcomes.map((outcome) => outcome?.status ?? 'late'),
    atMs: performance.now() - startMs,
  }));
  await vi.advanceTimersByTimeAsync(100_000);
  return Promise.race([waiting, Promise.resolve({ fates: ['still waiting'], atMs: 100_000 })]);
}

test('all that settle are waited for, in the order that they were given, and no longer', async () => {
  const members = [opensAfter(300), failsAfter(100), opensAfter(200)];
  expect(await wait(members, 2)).toEqual({ fates: ['fulfilled', 'rejected', 'fulfilled'], atMs: 300 });
});

test('patience begins when so many as are needed have opened, and ends it for the others', async () => {
  const members = [opensAfter(20_000), never, opensAfter(100), failsAfter(200), opensAfter(40_000)];
  const fates = ['fulfilled', 'late', 'fulfilled', 'rejected', 'late'];
  expect(await wait(members, 2)).toEqual({ fates, atMs: 20_000 + patience.slowMs });
});

test('those that were slow get their time also when the limit passes meanwhile', async () => {
  const members = [opensAfter(59_000), opensAfter(100), opensAfter(62_000)];
  expect(await wait(members, 2)).toEqual({ fates: ['fulfilled', 'fulfilled', 'fulfilled'], atMs: 62_000 });
});

test('while fewer have opened than are needed a log may be long, but there is an end', async () => {
  const fates = ['fulfilled', 'late', 'late'];
  expect(await wait([opensAfter(100), never, never], 2)).toEqual({ fates, atMs: patience.limitMs });
});

test('who opens after the limit is late, and nobody begins to wait again', async () => {
  const openings = [opensAfter(100), opensAfter(61_000), never];
  const waiting = openedInTime(
    openings.map((opened) => ({ node: 'member', opened, isMember: true })),
    2,
    patience,
  );
  await vi.advanceTimersByTimeAsync(62_000);
  expect((await waiting).map((outcome) => outcome?.status)).toEqual(['fulfilled', undefined, undefined]);
  expect(vi.getTimerCount()).toBe(0);
});

test('when so many have failed that the others are too few, nobody waits for those', async () => {
  const fates = ['late', 'rejected', 'rejected'];
  expect(await wait([never, failsAfter(300), failsAfter(100)], 2)).toEqual({ fates, atMs: 300 });
});

test('who joins is waited for, and does not count', async () => {
  const fates = ['fulfilled', 'late', 'late', 'fulfilled', 'late'];
  const joiners = [opensAfter(100), never];
  expect(await wait([opensAfter(100), never, never], 2, joiners)).toEqual({ fates, atMs: patience.limitMs });
});

/** What a start comes to whose members a, b, c and joiner d have fared so: opened, late, or failed with a code. */
function verdict(...fates: string[]): string {
  const openings = ['a', 'b', 'c', 'd'].map((node) => ({ node, opened: never, isMember: node !== 'd' }));
  const outcomes = fates.map((fate): PromiseSettledResult<void> | undefined => {
    if (fate === 'late') return undefined;
    if (fate === 'opened') return { status: 'fulfilled', value: undefined };
    return { status: 'rejected', reason: new CodedError(fate as ErrorCode, 'of its own', {}) };
  });
  try {
    requireOpened(openings, outcomes, { needed: 2, limitMs: 60_000 });
    return 'it serves';
  } catch (error) {
    return `${(error as CodedError).code}: ${(error as CodedError).message}`;
  }
}

const tooFew = 'ERR_DISK_FAILED: no majority of the nodes has opened its disk within 60000 ms';

test.each([
  [['opened', 'opened', 'late', 'late'], 'it serves'],
  [['opened', 'ERR_LOG_CORRUPT', 'opened', 'ERR_DISK_FULL'], 'it serves'],
  [['opened', 'late', 'late', 'opened'], `${tooFew}: b, c did not answer`],
  [['ERR_DISK_FULL', 'late', 'opened', 'opened'], `${tooFew}: b did not answer`],
  [['ERR_LOG_CORRUPT', 'late', 'ERR_DISK_FULL', 'opened'], 'ERR_LOG_CORRUPT: of its own'],
  [['opened', 'opened', 'ERR_FOREIGN_DATA', 'opened'], 'ERR_FOREIGN_DATA: of its own'],
  [['ERR_DISK_FAILED', 'ERR_DISK_FAILED', 'ERR_MODULE_INVALID', 'late'], 'ERR_MODULE_INVALID: of its own'],
])('of %j a start makes: %s', (fates, outcome) => {
  expect(verdict(...fates)).toBe(outcome);
});
