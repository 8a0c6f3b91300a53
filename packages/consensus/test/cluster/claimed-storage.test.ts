/** A cluster's directory in the hands of a process: let go of once nothing can write there, and in any case. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeId } from '@quorate/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { claimStorage, releaseAfter } from '../../src/cluster/claimed-storage.ts';
import { checkOptions } from '../../src/cluster/options.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-claim-'));
});

afterEach(() => rmSync(directory, { recursive: true }));

const claim = () => {
  const options = checkOptions({
    nodes: 3,
    stateMachine: new URL('file:///machine.mjs'),
    storage: { directory },
  });
  const { algorithm, groups, members } = options;
  return claimStorage(options, { clusterId: 'one', epoch: 1, algorithm, groups, members, joining: [] });
};
const never = new Promise<void>(() => undefined);

test('a cluster that could not start leaves nothing behind, and lets go', async () => {
  const { abandon } = await claim();
  await expect(claim()).rejects.toMatchObject({ code: 'ERR_DIRECTORY_IN_USE' });
  await abandon();
  expect(readdirSync(directory)).toEqual([]);
  await (await claim()).release();
});

test('what was written stays if a node has data already, or if it was there before', async () => {
  const first = await claim();
  mkdirSync(join(directory, 'a'));
  await first.abandon();
  expect(readdirSync(directory).sort()).toEqual(['a', 'cluster.json']);
  rmSync(join(directory, 'a'), { recursive: true });
  await (await claim()).abandon();
  expect(readdirSync(directory)).toEqual(['cluster.json']);
});

test('what cannot be taken back does not keep the directory taken', async () => {
  const { abandon } = await claim();
  rmSync(join(directory, 'cluster.json'));
  mkdirSync(join(directory, 'cluster.json', 'in the way'), { recursive: true });
  await expect(abandon()).rejects.toMatchObject({ code: 'ERR_DISK_FAILED' });
  rmSync(join(directory, 'cluster.json'), { recursive: true });
  await (await claim()).release();
});

test.each<[string, { hanging: NodeId[]; threads: Promise<void>; ownWrites: Promise<void> }, string[]]>([
  ['threads that hang', { hanging: ['a' as NodeId], threads: never, ownWrites: Promise.resolve() }, ['a']],
  [
    'a write of its own that hangs',
    { hanging: [], threads: Promise.resolve(), ownWrites: never },
    ['the directory itself'],
  ],
])('nobody waits for %s, and the directory stays taken', async (_, { hanging, threads, ownWrites }, said) => {
  const system = { hanging, threadsEnded: () => threads };
  let isReleased = false;
  const release = async (): Promise<void> => {
    isReleased = true;
  };
  expect(await releaseAfter({ system, ownWrites }, release, 20)).toEqual(said);
  expect(isReleased).toBe(false);
});

test('the directory is let go of when the last of them has ended, however late', async () => {
  let end: () => void = () => undefined;
  const threads = new Promise<void>((resolve) => {
    end = resolve;
  });
  const { release } = await claim();
  const system = { hanging: ['a' as NodeId], threadsEnded: () => threads };
  const released = new Promise<void>((resolve) => {
    void releaseAfter({ system, ownWrites: Promise.resolve() }, () => release().then(resolve), 20);
  });
  await expect(claim()).rejects.toMatchObject({ code: 'ERR_DIRECTORY_IN_USE' });
  end();
  await released;
  await (await claim()).release();
});
