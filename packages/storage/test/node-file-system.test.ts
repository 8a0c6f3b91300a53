/** The real disk keeps the promises of the port, and names what goes wrong. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@quorate/core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type File,
  MemoryFileSystem,
  nodeFileSystem,
  SnapshotStore,
  WriteAheadLog,
  writeDurably,
} from '../src/index.ts';
import { poolCalls, type SystemCalls } from '../src/system-calls.ts';
import { entriesRecord } from './log-twin.ts';

let directory: string;
const disk = nodeFileSystem();

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'quorate-disk-'));
});

afterEach(() => {
  vi.restoreAllMocks();
  fs.rmSync(directory, { recursive: true });
});

describe('files', () => {
  test('what several buffers hold is written one after the other, and read back up to the end', async () => {
    const file = await disk.open(join(directory, 'f'), 'create');
    await file.write([Buffer.from('abc'), Buffer.from(''), Buffer.from('defg')], 2);
    await file.datasync();
    const into = new Uint8Array(20);
    expect(await file.read(into, 3)).toBe(6);
    expect(Buffer.from(into.subarray(0, 6)).toString()).toBe('bcdefg');
    expect(await file.sizeBytes()).toBe(9);
    await file.truncate(4);
    expect(await file.sizeBytes()).toBe(4);
    await file.close();
  });

  test('a system that takes a few bytes at a time gets all of them in the end', async () => {
    const whole = fs.writev;
    vi.spyOn(fs, 'writev').mockImplementation(((
      descriptor: number,
      buffers: Uint8Array[],
      position: number,
      done: (error: Error | null, written: number) => void,
    ) => whole(descriptor, [Buffer.from(buffers[0] ?? []).subarray(0, 3)], position, done)) as never);
    const file = await disk.open(join(directory, 'f'), 'create');
    await file.write([Buffer.from('abcdefgh'), Buffer.from('ij'), Buffer.from('klmnop')], 0);
    await file.close();
    expect(fs.readFileSync(join(directory, 'f'), 'utf8')).toBe('abcdefghijklmnop');
  });

  test('a write that is to be durable is synced after its last byte, in one call or in several', async () => {
    for (const takes of [100, 9, 8, 3]) {
      const done: string[] = [];
      const calls: SystemCalls = {
        ...poolCalls,
        async write(descriptor, buffers, position) {
          const part = Buffer.concat(buffers).subarray(0, takes);
          done.push(`write ${position}+${part.byteLength}`);
          return poolCalls.write(descriptor, [part], position);
        },
        async writeDurably(descriptor, buffers, position) {
          const written = await calls.write(descriptor, buffers, position);
          if (written === Buffer.concat(buffers).byteLength) await calls.datasync(descriptor);
          return written;
        },
        async datasync() {
          done.push('datasync');
        },
      };
      const path = join(directory, `f${takes}`);
      const file = await nodeFileSystem(calls).open(path, 'create');
      await file.writeDurably?.([Buffer.from('abcd'), Buffer.from(''), Buffer.from('efghi')], 1);
      await file.close();
      expect(fs.readFileSync(path, 'latin1')).toBe('\0abcdefghi');
      expect(done.filter((call) => call === 'datasync')).toHaveLength(1);
      expect(done.at(-1)).toBe('datasync');
      expect(done).toHaveLength(1 + Math.ceil(9 / takes));
    }
  });

  test('a system that takes nothing is an error, not an endless loop', async () => {
    vi.spyOn(fs, 'writev').mockImplementation(((
      _: number,
      __: unknown,
      ___: number,
      done: (error: null, written: number) => void,
    ) => done(null, 0)) as never);
    const file = await disk.open(join(directory, 'f'), 'create');
    await expect(file.write([Buffer.from('a')], 0)).rejects.toMatchObject({ code: 'ERR_DISK_FAILED' });
    await file.close();
  });
});

describe('a file that was closed', () => {
  const closed = { code: 'ERR_DISK_FAILED', details: { errno: 'EBADF' } };
  const uses: readonly [string, (file: File) => Promise<unknown>][] = [
    ['read', (file) => file.read(new Uint8Array(3), 0)],
    ['write', (file) => file.write([Buffer.from('new')], 0)],
    ['writeDurably', (file) => writeDurably(file, [Buffer.from('new')], 0)],
    ['writeDurably of nothing', (file) => writeDurably(file, [], 0)],
    ['datasync', (file) => file.datasync()],
    ['sizeBytes', (file) => file.sizeBytes()],
    ['truncate', (file) => file.truncate(0)],
    ['close', (file) => file.close()],
  ];

  test.each(uses)(
    'is used no more: %s says so, and reaches no file that has its descriptor now',
    async (_, use) => {
      const file = await disk.open(join(directory, 'old'), 'create');
      await file.close();
      // The lowest free descriptor goes to whoever opens next.
      const descriptor = fs.openSync(join(directory, 'next'), 'wx+');
      fs.writeSync(descriptor, 'theirs');
      await expect(use(file)).rejects.toMatchObject(closed);
      await expect(use(file)).rejects.toThrow(`${join(directory, 'old')}: the file was closed`);
      expect(fs.fstatSync(descriptor).size).toBe(6);
      fs.closeSync(descriptor);
      expect(fs.readFileSync(join(directory, 'next'), 'utf8')).toBe('theirs');
    },
  );

  test.each(uses)('of the disk in memory gives the same error: %s', async (_, use) => {
    const memory = new MemoryFileSystem();
    const file = await memory.open('old', 'create');
    await file.close();
    await expect(use(file)).rejects.toMatchObject(closed);
    await expect(use(file)).rejects.toThrow('old: the file was closed');
  });

  test('is closed only when what was under way is over, and a write of several calls ends there', async () => {
    const done: string[] = [];
    let go: () => void = () => undefined;
    const calls: SystemCalls = {
      ...poolCalls,
      async write(descriptor, buffers, position) {
        await new Promise<void>((resolve) => {
          go = resolve;
        });
        done.push('write');
        return poolCalls.write(descriptor, [Buffer.concat(buffers).subarray(0, 2)], position);
      },
      async close(descriptor) {
        done.push('close');
        return poolCalls.close(descriptor);
      },
    };
    const file = await nodeFileSystem(calls).open(join(directory, 'f'), 'create');
    const write = expect(file.write([Buffer.from('abcd')], 0)).rejects.toMatchObject(closed);
    const close = file.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toEqual([]);
    go();
    await Promise.all([write, close]);
    expect(done).toEqual(['write', 'close']);
    expect(fs.readFileSync(join(directory, 'f'), 'utf8')).toBe('ab');
  });
});

describe('names', () => {
  test('directories are made with those above them, renames replace, removals may come twice', async () => {
    const deep = join(directory, 'a', 'b', 'c');
    await disk.makeDirectory(deep);
    await disk.makeDirectory(deep);
    expect(await disk.list(deep)).toEqual([]);
    expect(await disk.list(join(directory, 'nowhere'))).toEqual([]);
    for (const name of ['y', 'x']) await (await disk.open(join(deep, name), 'create')).close();
    expect(await disk.list(deep)).toEqual(['x', 'y']);
    await disk.rename(join(deep, 'x'), join(deep, 'y'));
    await disk.syncDirectory(deep);
    expect(await disk.list(deep)).toEqual(['y']);
    await disk.remove(join(deep, 'y'));
    await disk.remove(join(deep, 'y'));
    expect(await disk.list(deep)).toEqual([]);
  });

  test.each([
    ['a missing file', () => disk.open(join(directory, 'no'), 'update'), 'ENOENT'],
    ['a file that exists already', () => disk.open(join(directory, 'file'), 'create'), 'EEXIST'],
    ['a directory below a file', () => disk.makeDirectory(join(directory, 'file', 'x')), 'ENOTDIR'],
    ['a directory where a file is', () => disk.makeDirectory(join(directory, 'file')), 'ENOTDIR'],
  ])('%s is ERR_DISK_FAILED with the name that the system gives to it', async (_, run, errno) => {
    fs.writeFileSync(join(directory, 'file'), '');
    await expect(run()).rejects.toMatchObject({ code: 'ERR_DISK_FAILED', details: { errno } });
  });

  test.runIf(process.platform === 'linux')(
    'a directory that can never be made is an error, soon',
    async () => {
      await expect(disk.makeDirectory('/proc/nowhere/x')).rejects.toMatchObject({ code: 'ERR_DISK_FAILED' });
    },
  );

  test.runIf(process.platform === 'linux')('a full disk is ERR_DISK_FULL', async () => {
    const file = await disk.open('/dev/full', 'update');
    await expect(file.write([Buffer.from('a')], 0)).rejects.toMatchObject({
      code: 'ERR_DISK_FULL',
      details: { errno: 'ENOSPC', operation: 'write', path: '/dev/full' },
    });
    await file.close();
  });
});

test('log and snapshots keep what they are given on a real disk', async () => {
  const options = {
    fileSystem: disk,
    directory: join(directory, 'log'),
    clock: systemClock,
    segmentBytes: 64 * 1024,
    onFailure: (error: Error) => {
      throw error;
    },
  };
  const log = await WriteAheadLog.open(options);
  const durable = Array.from(
    { length: 300 },
    (_, at) =>
      new Promise<void>((resolve) =>
        log.append([entriesRecord(at + 1, new Uint8Array(999).fill(at))], resolve),
      ),
  );
  await Promise.all(durable);
  await log.close();
  const again = await WriteAheadLog.open(options);
  expect(again.recovered[0]?.entries.map((entry) => entry.payload[0])).toEqual(
    Array.from({ length: 300 }, (_, at) => at % 256),
  );
  await again.close();

  const snapshots = { fileSystem: disk, directory: join(directory, 'snapshots') };
  const writer = await (await SnapshotStore.open(snapshots)).create({
    group: 0,
    epoch: 1,
    index: 9,
    reign: 2,
  });
  await writer.append(new Uint8Array(200_000).fill(3));
  const meta = await writer.commit();
  const store = await SnapshotStore.open(snapshots);
  expect(store.latest(0)).toEqual(meta);
  const reader = await store.reader(meta);
  expect(await reader.read(199_990, 100)).toEqual(new Uint8Array(10).fill(3));
  await reader.close();
});

test('each directory in which a new one came to stand is synced, the outermost first, and none else', async () => {
  const synced: string[] = [];
  const paths = new Map<number, string>();
  const calls: SystemCalls = {
    ...poolCalls,
    async open(path, flags) {
      const descriptor = await poolCalls.open(path, flags);
      paths.set(descriptor, path);
      return descriptor;
    },
    async sync(descriptor) {
      synced.push(paths.get(descriptor) ?? '');
      await poolCalls.sync(descriptor);
    },
  };
  const traced = nodeFileSystem(calls);
  const [one, two] = [join(directory, 'one'), join(directory, 'one/two')];
  await traced.makeDirectory(join(two, 'three'));
  expect(synced).toEqual([directory, one, two]);
  await traced.makeDirectory(join(two, 'three'));
  expect(synced).toHaveLength(3);
});
