/** Snapshots: whole or absent after a crash, verified at every read, one to fall back to. */
import { seededRandom } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { faultyFileSystem, MemoryFileSystem, type SnapshotMeta, SnapshotStore } from '../src/index.ts';

const blockBytes = 64 * 1024;

function content(bytes: number, seed = bytes): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: bytes }, () => random.below(256));
}

async function write(
  store: SnapshotStore,
  position: Omit<SnapshotMeta, 'sizeBytes'>,
  bytes: Uint8Array,
  chunkBytes = 10_000,
): Promise<SnapshotMeta> {
  const writer = await store.create(position);
  for (let at = 0; at < bytes.byteLength; at += chunkBytes)
    await writer.append(bytes.subarray(at, at + chunkBytes));
  return writer.commit();
}

async function readAll(store: SnapshotStore, meta: SnapshotMeta, bytesMax = 50_000): Promise<Uint8Array> {
  const reader = await store.reader(meta);
  const parts: Uint8Array[] = [];
  for (let offset = 0; offset < reader.sizeBytes; offset += parts.at(-1)?.byteLength ?? 0) {
    parts.push(await reader.read(offset, bytesMax));
  }
  await reader.close();
  return Buffer.concat(parts);
}

const open = (memory: MemoryFileSystem): Promise<SnapshotStore> =>
  SnapshotStore.open({ fileSystem: memory.mount(), directory: '/snapshots' });

const at = (index: number, group = 1): Omit<SnapshotMeta, 'sizeBytes'> => ({
  group,
  epoch: 1,
  index,
  reign: 4,
});

describe('reading back', () => {
  test.each([0, 1, blockBytes - 1, blockBytes, blockBytes + 1, 3 * blockBytes, 5 * 1024 * 1024])(
    'a snapshot of %i bytes is what was written, after a power loss too',
    async (bytes) => {
      const memory = new MemoryFileSystem();
      const meta = await write(await open(memory), at(7), content(bytes), 300_000);
      expect(meta).toEqual({ ...at(7), sizeBytes: bytes });
      memory.crash(seededRandom(bytes));
      const store = await open(memory);
      expect(store.latest(1)).toEqual(meta);
      expect(Buffer.compare(await readAll(store, meta), content(bytes))).toBe(0);
    },
  );

  test('any range can be read alone', async () => {
    const memory = new MemoryFileSystem();
    const store = await open(memory);
    const bytes = content(3 * blockBytes + 17);
    const meta = await write(store, at(7), bytes);
    const reader = await store.reader(meta);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.byteLength + 10),
        fc.integer({ min: 1, max: 150_000 }),
        async (offset, length) => {
          const read = await reader.read(offset, length);
          expect(Buffer.compare(read, bytes.subarray(offset, offset + length))).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('which one is the latest', () => {
  test('by epoch, then by index, for each group alone', async () => {
    const store = await open(new MemoryFileSystem());
    expect(store.latest(1)).toBeUndefined();
    await write(store, at(9), content(5));
    await write(store, { ...at(2), epoch: 2 }, content(6));
    await write(store, at(10), content(7));
    await write(store, at(3, 2), content(8));
    expect(store.latest(1)).toMatchObject({ epoch: 2, index: 2 });
    expect(store.latest(2)).toMatchObject({ index: 3, sizeBytes: 8 });
  });

  test('scenario 36: a newest one that is damaged anywhere gives way to the one before', async () => {
    const memory = new MemoryFileSystem();
    const store = await open(memory);
    const older = await write(store, at(5), content(1_000));
    await write(store, at(6), content(2 * blockBytes));
    const path = '/snapshots/1-1-6-4.snap';
    const whole = memory.image(path);
    for (let byte = 0; byte < whole.byteLength; byte += byte < 200 ? 3 : 9_973) {
      memory.overwrite(path, byte, Uint8Array.of((whole[byte] ?? 0) ^ 32));
      const again = await open(memory);
      expect(again.latest(1), `byte ${byte}`).toEqual(older);
      expect(again.damaged).toEqual([path]);
      memory.overwrite(path, byte, whole.subarray(byte, byte + 1));
    }
    expect((await open(memory)).latest(1)?.index).toBe(6);
  });

  test('scenario 36: each byte of the footer counts, and so does where it stands', async () => {
    const memory = new MemoryFileSystem();
    const store = await open(memory);
    const older = await write(store, at(5), content(1_000));
    await write(store, at(6), content(2_000));
    const path = '/snapshots/1-1-6-4.snap';
    const whole = memory.image(path);
    const end = whole.byteLength;
    for (let byte = end - 32; byte < end; byte++) {
      memory.overwrite(path, byte, Uint8Array.of((whole[byte] ?? 0) ^ 1));
      expect((await open(memory)).latest(1), `byte ${byte}`).toEqual(older);
      memory.overwrite(path, byte, whole.subarray(byte, byte + 1));
    }
    // Something between the last block and the footer, which is whole and at the end.
    memory.overwrite(path, end, whole.subarray(end - 32));
    expect((await open(memory)).latest(1)).toEqual(older);
  });

  test('a disk that cannot be read is not a damaged snapshot: the store does not open, and loses nothing', async () => {
    const memory = new MemoryFileSystem();
    const store = await open(memory);
    await write(store, at(5), content(1_000));
    const newest = await write(store, at(6), content(2_000));
    const disk = faultyFileSystem(memory.mount(), { random: seededRandom(1) });
    disk.set({ fail: { errno: 'EIO', on: ['read'], times: 1 } });
    const options = { fileSystem: disk, directory: '/snapshots' };
    await expect(SnapshotStore.open(options)).rejects.toMatchObject({ code: 'ERR_DISK_FAILED' });
    const again = await SnapshotStore.open(options);
    expect(again.latest(1)).toEqual(newest);
    expect(again.damaged).toEqual([]);
  });

  test('prune keeps what the log counts from, the one before and newer ones, and removes what is damaged', async () => {
    const memory = new MemoryFileSystem();
    const store = await open(memory);
    for (const index of [1, 2, 3, 4, 5]) await write(store, at(index), content(index));
    await write(store, at(1, 2), content(1));
    memory.overwrite('/snapshots/1-1-5-4.snap', 70, Uint8Array.of(255));
    const again = await open(memory);
    await again.prune({ group: 1, epoch: 1, index: 3 });
    memory.crash(seededRandom(1));
    expect(memory.paths()).toEqual([
      '/snapshots/1-1-2-4.snap',
      '/snapshots/1-1-3-4.snap',
      '/snapshots/1-1-4-4.snap',
      '/snapshots/2-1-1-4.snap',
    ]);
    expect((await open(memory)).latest(1)?.index).toBe(4);
  });
});

describe('a reader', () => {
  test('refuses damage where it reads, with the position, and reads the rest', async () => {
    const memory = new MemoryFileSystem();
    const store = await open(memory);
    const meta = await write(store, at(5), content(3 * blockBytes));
    memory.overwrite('/snapshots/1-1-5-4.snap', 100_000, Uint8Array.of(1, 2, 3));
    const reader = await store.reader(meta);
    expect((await reader.read(0, 100)).byteLength).toBe(100);
    await expect(reader.read(blockBytes, 100)).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' });
  });

  test('does not take one block for another', async () => {
    const memory = new MemoryFileSystem();
    const store = await open(memory);
    const meta = await write(store, at(5), content(3 * blockBytes));
    const path = '/snapshots/1-1-5-4.snap';
    memory.overwrite(path, 64, memory.image(path).subarray(64 + blockBytes + 8, 64 + 2 * (blockBytes + 8)));
    const reader = await store.reader(meta);
    await expect(reader.read(0, 100)).rejects.toMatchObject({
      code: 'ERR_LOG_CORRUPT',
      details: { position: 64 },
    });
  });
});

describe('a crash', () => {
  test('at any operation leaves the new snapshot whole, or the old one', async () => {
    const bytes = content(2 * blockBytes + 5);
    for (let crashAt = 1; crashAt < 20; crashAt++) {
      for (let seed = 0; seed < 10; seed++) {
        let operations = Number.NEGATIVE_INFINITY;
        const memory = new MemoryFileSystem({
          settle: () => (++operations > crashAt ? new Promise(() => undefined) : Promise.resolve()),
        });
        const old = await write(await open(memory), at(5), content(100));
        const store = await open(memory);
        operations = 0;
        let committed: SnapshotMeta | undefined;
        void write(store, at(6), bytes).then((meta) => {
          committed = meta;
        });
        for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
        memory.crash(seededRandom(seed));
        operations = Number.NEGATIVE_INFINITY;
        const again = await open(memory);
        const latest = again.latest(1) as SnapshotMeta;
        if (committed !== undefined) expect(latest).toEqual(committed);
        expect([old.index, 6]).toContain(latest.index);
        expect(again.damaged).toEqual([]);
        const expected = latest.index === 6 ? bytes : content(100);
        expect(Buffer.compare(await readAll(again, latest), expected)).toBe(0);
        expect(memory.paths().filter((path) => path.endsWith('.tmp'))).toEqual([]);
      }
    }
  });

  test('scenario 36: cut at any length, the newest gives way to the one before', async () => {
    const memory = new MemoryFileSystem();
    const store = await open(memory);
    const older = await write(store, at(5), content(1_000));
    await write(store, at(6), content(blockBytes + 100));
    const path = '/snapshots/1-1-6-4.snap';
    const whole = memory.image(path);
    const file = await memory.open(path, 'update');
    for (let length = 0; length < whole.byteLength; length += length < 70 ? 1 : 1_013) {
      await file.truncate(length);
      await file.datasync();
      expect((await open(memory)).latest(1), `${length} bytes`).toEqual(older);
      await file.write([whole], 0);
      await file.datasync();
    }
  });

  test.each([
    ['ENOSPC', 'create'],
    ['ENOSPC', 'write'],
    ['EIO', 'write'],
    ['EIO', 'datasync'],
    ['EIO', 'rename'],
    ['EIO', 'sync-directory'],
  ] as const)(
    'scenario 39: a snapshot that fails half-way (%s at %s) leaves the old one, and the next one is written',
    async (errno, kind) => {
      const memory = new MemoryFileSystem();
      const fileSystem = faultyFileSystem(memory, { random: seededRandom(1) });
      const store = await SnapshotStore.open({ fileSystem, directory: '/snapshots' });
      const old = await write(store, at(5), content(100));
      fileSystem.set({ fail: { errno, on: [kind] } });
      const bytes = content(5 * 1024 * 1024);
      const failing = (async () => {
        const writer = await store.create(at(6));
        try {
          await writer.append(bytes);
          await writer.commit();
        } catch (error) {
          await writer.abort();
          throw error;
        }
      })();
      await expect(failing).rejects.toMatchObject({ details: { errno } });
      expect(store.latest(1)).toEqual(old);
      fileSystem.set({});
      expect(memory.paths().filter((path) => path.endsWith('.tmp'))).toEqual([]);
      const meta = await write(store, at(7), content(50));
      memory.crash(seededRandom(3));
      const again = await open(memory);
      expect(again.latest(1)).toEqual(meta);
      expect(Buffer.compare(await readAll(again, meta), content(50))).toBe(0);
    },
  );

  test('a full disk is an error, and abort leaves nothing behind', async () => {
    const memory = new MemoryFileSystem();
    const fileSystem = faultyFileSystem(memory, { random: seededRandom(1) });
    const store = await SnapshotStore.open({ fileSystem, directory: '/snapshots' });
    const writer = await store.create(at(5));
    fileSystem.set({ fail: { errno: 'ENOSPC' } });
    await expect(writer.append(content(2 * blockBytes))).rejects.toMatchObject({ code: 'ERR_DISK_FULL' });
    await writer.abort();
    expect(memory.paths()).toEqual([]);
    expect(store.latest(1)).toBeUndefined();
  });
});
