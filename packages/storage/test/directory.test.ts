/** The superblock: a directory knows its cluster, its node and its disk. */
import { crc32 } from 'node:zlib';
import { seededRandom } from '@quorate/core';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  faultyFileSystem,
  MemoryFileSystem,
  openNodeDirectory,
  readNodeDirectory,
  WriteAheadLog,
} from '../src/index.ts';
import { promiseClock } from './log-twin.ts';

let memory: MemoryFileSystem;
beforeEach(() => {
  memory = new MemoryFileSystem();
});

const open = (owner: { clusterId?: string; node?: string; seed?: number } = {}) =>
  openNodeDirectory({
    fileSystem: memory.mount(),
    directory: '/data/a',
    clusterId: owner.clusterId ?? 'orders',
    node: owner.node ?? 'a',
    random: seededRandom(owner.seed ?? 1),
  });

describe('a node directory', () => {
  test('keeps the disk id that it was given once', async () => {
    const first = await open({ seed: 1 });
    expect(first.created).toBe(true);
    expect(first.diskId).toMatch(/^[0-9a-f]{32}$/);
    memory.crash(seededRandom(9));
    expect(await open({ seed: 2 })).toMatchObject({ diskId: first.diskId, created: false });
    expect(await readNodeDirectory({ fileSystem: memory, directory: '/data/a' })).toEqual({
      clusterId: 'orders',
      node: 'a',
      diskId: first.diskId,
      isEstablished: false,
    });
  });

  test('takes a disk id from outside', async () => {
    const options = { fileSystem: memory, directory: '/d', clusterId: 'c', node: 'n', diskId: 'mine' };
    expect(await openNodeDirectory(options)).toMatchObject({ diskId: 'mine', created: true });
    expect(await openNodeDirectory({ ...options, diskId: 'other' })).toMatchObject({
      diskId: 'mine',
      created: false,
    });
  });

  test('whose log was wiped is not taken for a new one', async () => {
    const openLog = async (directory: Awaited<ReturnType<typeof open>>): Promise<WriteAheadLog> =>
      WriteAheadLog.open({
        fileSystem: memory.mount(),
        directory: '/data/a/log',
        clock: promiseClock,
        segmentBytes: 4_096,
        diskId: directory.diskId,
        mustExist: directory.isEstablished,
        onFailure: () => undefined,
      });
    const first = await open();
    await (await openLog(first)).close();
    const interrupted = await open();
    expect(interrupted).toMatchObject({ created: false, isEstablished: false });
    await interrupted.establish();
    memory.crash(seededRandom(2));
    await (await openLog(await open())).close();
    for (const path of memory.paths().filter((path) => path.endsWith('.log'))) await memory.remove(path);
    const wiped = await open();
    expect(wiped.isEstablished).toBe(true);
    await expect(openLog(wiped)).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' });
  });

  test.each([
    ['another cluster', { clusterId: 'billing' }, 'cluster', 'orders', 'billing'],
    ['another node', { node: 'b' }, 'node', 'a', 'b'],
  ])('of %s is refused, and both are named', async (_, owner, what, found, expected) => {
    await open();
    const refused = await open(owner).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'ERR_FOREIGN_DATA', details: { what, found, expected } });
    expect((refused as Error).message).toContain(found);
    expect((refused as Error).message).toContain(expected);
  });

  test('that holds files but no superblock is nobody’s', async () => {
    await memory.makeDirectory('/data/a/log');
    await expect(open()).rejects.toMatchObject({ code: 'ERR_FOREIGN_DATA' });
  });

  test('with a damaged superblock is refused, wherever the damage is', async () => {
    await open();
    const path = '/data/a/superblock.json';
    const whole = memory.image(path);
    for (let at = 0; at < whole.byteLength; at++) {
      memory.overwrite(path, at, Uint8Array.of((whole[at] ?? 0) ^ 2));
      const outcome = await open().catch((error: unknown) => error);
      if (at < whole.byteLength - 1) expect(outcome, `byte ${at}`).toMatchObject({ code: 'ERR_LOG_CORRUPT' });
      memory.overwrite(path, at, whole.subarray(at, at + 1));
    }
  });

  test('of another format is refused, and says which', async () => {
    await open();
    const path = '/data/a/superblock.json';
    const [line = ''] = Buffer.from(memory.image(path)).toString().split('\n');
    const later = line.replace('"format":1', '"format":2');
    const checksum = (crc32(later) >>> 0).toString(16).padStart(8, '0');
    memory.overwrite(path, 0, Buffer.from(`${later}\n${checksum}\n`));
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_FOREIGN_DATA',
      details: { path, found: 2, expected: 1 },
    });
  });

  test('whose superblock cannot be read is not one without: it is not opened, and works once the disk is healed', async () => {
    const { diskId } = await open();
    const fileSystem = faultyFileSystem(memory.mount(), { random: seededRandom(1) });
    const options = { fileSystem, directory: '/data/a', clusterId: 'orders', node: 'a', diskId: 'other' };
    for (const kind of ['open', 'size', 'read'] as const) {
      fileSystem.set({ fail: { errno: 'EIO', on: [kind] } });
      const failed = { code: 'ERR_DISK_FAILED', details: { errno: 'EIO' } };
      await expect(openNodeDirectory(options), kind).rejects.toMatchObject(failed);
      await expect(readNodeDirectory(options), kind).rejects.toMatchObject(failed);
    }
    fileSystem.set({});
    expect(await openNodeDirectory(options)).toMatchObject({ diskId, created: false });
  });

  test('whose making was interrupted by a crash is made anew, or is whole', async () => {
    for (let stopAt = 1; stopAt < 12; stopAt++) {
      let operations = 0;
      memory = new MemoryFileSystem({
        settle: () =>
          ++operations >= stopAt && operations < 100 ? new Promise(() => undefined) : Promise.resolve(),
      });
      let diskId: string | undefined;
      void open({ seed: 1 }).then((opened) => {
        diskId = opened.diskId;
      });
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
      memory.crash(seededRandom(stopAt));
      operations = 100;
      const again = await open({ seed: 2 });
      if (diskId !== undefined) expect(again).toMatchObject({ diskId, created: false });
    }
  });

  test.each([
    ['ENOSPC', 'ERR_DISK_FULL'],
    ['EROFS', 'ERR_DISK_FAILED'],
  ] as const)('cannot be made on a disk that answers %s', async (errno, code) => {
    const fileSystem = faultyFileSystem(memory, { random: seededRandom(1) });
    fileSystem.set({ fail: { errno } });
    const options = { fileSystem, directory: '/d', clusterId: 'c', node: 'n', diskId: 'd' };
    await expect(openNodeDirectory(options)).rejects.toMatchObject({ code, details: { errno } });
  });
});
