/** The store of a node opens on its own disk and on no other, and on a full disk not at all, until there is space. */
import { type NodeId, seededRandom, systemClock } from '@quorate/core';
import { faultyFileSystem, MemoryFileSystem } from '@quorate/storage';
import { beforeEach, describe, expect, test } from 'vitest';
import { type NodeStore, type NodeStoreOptions, openNodeStore } from '../../src/replica/node-store.ts';

let disk: MemoryFileSystem;

beforeEach(() => {
  disk = new MemoryFileSystem();
});

function open(options: Partial<NodeStoreOptions> = {}): Promise<NodeStore> {
  return openNodeStore({
    clusterId: 'orders',
    node: 'a' as NodeId,
    fileSystem: disk.mount(),
    directory: '/data/a',
    diskId: undefined,
    segmentBytes: 16 * 1024,
    clock: systemClock,
    random: seededRandom(disk.paths().length),
    onFailure: (error) => {
      throw error;
    },
    ...options,
  });
}

function content(): readonly string[] {
  return disk.paths().map((path) => `${path} ${Buffer.from(disk.image(path)).toString('base64')}`);
}

const vote = { type: 'hard-state', group: 0, epoch: 1, state: Uint8Array.of(7) } as const;

/** A store that has lived: with a vote in its log. */
async function lived(): Promise<string> {
  const store = await open();
  await new Promise<void>((resolve) => store.log.append([vote], resolve));
  await store.establish();
  await store.close();
  return store.diskId;
}

describe('scenario 41: the disk in this place is', () => {
  test('of another cluster, under the same name of a node: it is refused, and nothing on it changes', async () => {
    const diskId = await lived();
    const before = content();
    for (const known of [undefined, diskId]) {
      await expect(open({ clusterId: 'billing', diskId: known })).rejects.toMatchObject({
        code: 'ERR_FOREIGN_DATA',
        details: { what: 'cluster', found: 'orders', expected: 'billing' },
      });
    }
    expect(content()).toEqual(before);
    expect((await open({ diskId })).log.recovered).toMatchObject([{ hardState: vote.state }]);
  });

  test('of another node of this cluster', async () => {
    const diskId = await lived();
    const before = content();
    await expect(open({ node: 'b' as NodeId, diskId })).rejects.toMatchObject({
      code: 'ERR_FOREIGN_DATA',
      details: { what: 'node', found: 'a', expected: 'b' },
    });
    expect(content()).toEqual(before);
  });

  test('another one of this very node than it was known by', async () => {
    const diskId = await lived();
    await expect(open({ diskId: 'one from before' })).rejects.toMatchObject({
      code: 'ERR_LOG_CORRUPT',
      details: { expected: 'one from before', found: diskId },
    });
  });

  test('blank, where this node is known to have had data: nothing is made in its place', async () => {
    await expect(open({ diskId: 'one from before' })).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' });
    expect(disk.paths()).toEqual([]);
  });
});

describe('scenario 39: a disk that is full when the store is opened', () => {
  test.each<[string, () => Promise<string | undefined>]>([
    ['for the first time', async () => undefined],
    ['after it has lived', lived],
  ])(
    '%s: it is refused with its code, and opens with all that it had once there is space',
    async (_, before) => {
      const diskId = await before();
      const fileSystem = faultyFileSystem(disk, { random: seededRandom(3) });
      for (const on of [['write'], ['create'], ['write', 'create', 'make-directory']] as const) {
        fileSystem.set({ fail: { errno: 'ENOSPC', on } });
        const opening = open({ fileSystem, diskId });
        // What is there already needs no new file.
        if (diskId !== undefined && !on.some((kind) => kind === 'write')) await (await opening).close();
        else await expect(opening, on.join()).rejects.toMatchObject({ code: 'ERR_DISK_FULL' });
      }
      fileSystem.set({});
      disk.crash(seededRandom(4));
      const store = await open({ diskId });
      if (diskId !== undefined) expect(store.log.recovered).toMatchObject([{ hardState: vote.state }]);
      else expect(store.log.recovered).toEqual([]);
      expect(disk.paths().filter((path) => path.endsWith('.tmp'))).toEqual([]);
    },
  );
});
