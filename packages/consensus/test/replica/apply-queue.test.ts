/** Committed entries and snapshots go into the state in order; nobody reads a state that is being replaced. */
import { type Clock, encodeValue, type NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import type { Entry, LogIndex, Reign } from '../../src/protocol.ts';
import { ApplyQueue } from '../../src/replica/apply-queue.ts';
import { encodeOpen, encodeStop } from '../../src/replica/payload.ts';
import { ReplicatedState } from '../../src/replica/replicated-state.ts';
import { defineStateMachine } from '../../src/state-machine.ts';
import { firstEpoch } from './first-epoch.ts';

const machine = defineStateMachine({ version: 1 }, () => ({
  apply: () => undefined,
  query: () => encodeValue(null) as never,
  snapshot: () => null,
  restore: () => undefined,
}));

function entries(from: number, to: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, at) => ({
    index: (from + at) as LogIndex,
    reign: 1 as Reign,
    timeMs: 0,
    payload: encodeOpen(undefined, `n${from + at}`),
  }));
}

async function snapshotAt(index: number): Promise<ReplicatedState> {
  const state = new ReplicatedState(machine, firstEpoch);
  for (const entry of entries(1, index)) state.apply(entry);
  return state;
}

function setUp(msPerLook = 0) {
  let nowMs = 0;
  const deferred: (() => void)[] = [];
  const restores: { readonly index: number; readonly finish: (error?: Error) => void }[] = [];
  const applied: number[] = [];
  const readableAt: number[] = [];
  const failures: unknown[] = [];
  const state = new ReplicatedState(machine, firstEpoch);
  const clock: Pick<Clock, 'nowMs' | 'defer'> = {
    nowMs: () => (nowMs += msPerLook),
    defer: (run) => void deferred.push(run),
  };
  const queue = new ApplyQueue({
    clock: clock as Clock,
    state,
    restore: ({ index }) =>
      new Promise((resolve, reject) => {
        const finish = async (error?: Error): Promise<void> => {
          if (error !== undefined) return reject(error);
          await state.restore((await snapshotAt(index)).snapshot());
          resolve();
        };
        restores.push({ index, finish: (error) => void finish(error) });
      }),
    applied: (_, entry) => applied.push(entry.index),
    readable: () => readableAt.push(state.appliedIndex),
    failed: (error) => failures.push(error),
  });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { queue, state, deferred, restores, applied, readableAt, failures, settle };
}

const place = (index: number) => ({ epoch: 1, index: index as LogIndex, reign: 1 as Reign });

test('much at once is applied in slices, readable between them, and all of it in the end', () => {
  const { queue, deferred, applied, readableAt } = setUp(2);
  queue.entries(entries(1, 5));
  expect(applied.length).toBeLessThan(5);
  expect(readableAt).toEqual([applied.length]);
  queue.entries(entries(6, 6));
  for (let run = deferred.shift(); run !== undefined; run = deferred.shift()) run();
  expect(applied).toEqual([1, 2, 3, 4, 5, 6]);
});

test('while a snapshot is being restored the state is not readable, and what is committed waits', async () => {
  const { queue, restores, applied, readableAt, settle } = setUp();
  queue.install(place(3));
  queue.entries(entries(4, 5));
  expect(queue.isReadable).toBe(false);
  expect(applied).toEqual([]);
  restores[0]?.finish();
  await settle();
  expect(queue.isReadable).toBe(true);
  expect(applied).toEqual([4, 5]);
  expect(readableAt).toEqual([5]);
});

test('a snapshot makes what waits before it superfluous', async () => {
  const { queue, state, restores, applied, failures, settle } = setUp();
  queue.install(place(3));
  queue.entries(entries(4, 5));
  queue.install(place(9));
  restores[0]?.finish(new Error('the file was removed meanwhile'));
  await settle();
  expect(restores.map(({ index }) => index)).toEqual([3, 9]);
  restores[1]?.finish();
  await settle();
  expect(failures).toEqual([]);
  expect(applied).toEqual([]);
  expect(state.appliedIndex).toBe(9);
});

describe('it knows how many bytes wait', () => {
  const bytesOf = (waiting: readonly Entry[]): number =>
    waiting.reduce((sum, { payload }) => sum + payload.byteLength, 0);

  test('which go slice by slice', () => {
    const { queue, deferred, applied } = setUp(2);
    queue.entries(entries(1, 5));
    expect(queue.waitingBytes).toBe(bytesOf(entries(applied.length + 1, 5)));
    expect(queue.waitingBytes).toBeGreaterThan(0);
    for (let run = deferred.shift(); run !== undefined; run = deferred.shift()) run();
    expect(queue.waitingBytes).toBe(0);
  });

  test('while a snapshot is restored they grow, and a newer one takes them away', () => {
    const { queue } = setUp();
    queue.install(place(3));
    queue.entries(entries(4, 5));
    queue.entries(entries(6, 7));
    expect(queue.waitingBytes).toBe(bytesOf(entries(4, 7)));
    queue.install(place(9));
    expect(queue.waitingBytes).toBe(0);
  });

  test('and what comes after a STOP waits no more', () => {
    const { queue } = setUp();
    const next = { ...firstEpoch, number: 2, appointed: 'a' as NodeId };
    const [first, second, third] = entries(1, 3) as [Entry, Entry, Entry];
    queue.entries([first, { ...second, payload: encodeStop(next, 'a nonce') }, third]);
    expect(queue.waitingBytes).toBe(0);
  });
});

test('a snapshot that cannot be restored is the end', async () => {
  const { queue, restores, failures, settle } = setUp();
  queue.install(place(3));
  restores[0]?.finish(new Error('rotten'));
  await settle();
  expect(failures).toEqual([new Error('rotten')]);
  expect(queue.isReadable).toBe(false);
});
