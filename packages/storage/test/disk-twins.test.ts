/** The twins of the disk: the one in memory forgets what it may, the faulty one fails, the tracing one tells. */
import { type Clock, seededRandom } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type DiskEvent,
  type File,
  type FileSystem,
  faultyFileSystem,
  MemoryFileSystem,
  tracingFileSystem,
  writeDurably,
} from '../src/index.ts';
import { quiet } from './log-twin.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const bytes = (of: string): Uint8Array => Buffer.from(of);

async function created(memory: MemoryFileSystem, path: string): Promise<File> {
  await memory.makeDirectory('/d');
  return memory.open(path, 'create');
}

describe('the disk in memory', () => {
  test('reads back what a plain array would hold, synced or not', async () => {
    const change = fc.oneof(
      fc.record({
        kind: fc.constant('write' as const),
        at: fc.nat(20_000),
        bytes: fc.uint8Array({ maxLength: 9_000 }),
      }),
      fc.record({ kind: fc.constant('truncate' as const), at: fc.nat(25_000) }),
      fc.record({ kind: fc.constant('datasync' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), fc.nat(25_000), async (changes, from) => {
        const file = await created(new MemoryFileSystem(), '/d/f');
        let twin = Buffer.alloc(0);
        const resize = (size: number): void => {
          const next = Buffer.alloc(size);
          twin.copy(next);
          twin = next;
        };
        for (const change of changes) {
          if (change.kind === 'datasync') await file.datasync();
          else if (change.kind === 'truncate') {
            await file.truncate(change.at);
            resize(change.at);
          } else {
            await file.write([change.bytes.subarray(0, 100), change.bytes.subarray(100)], change.at);
            if (twin.byteLength < change.at + change.bytes.byteLength)
              resize(change.at + change.bytes.byteLength);
            twin.set(change.bytes, change.at);
          }
        }
        const into = new Uint8Array(12_000);
        const read = await file.read(into, from);
        expect(await file.sizeBytes()).toBe(twin.byteLength);
        expect(read).toBe(Math.max(0, Math.min(12_000, twin.byteLength - from)));
        expect(twin.subarray(from, from + read).equals(into.subarray(0, read))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('a crash keeps what was synced, and keeps, drops or tears the rest: each of them happens', async () => {
    const seen = { kept: 0, dropped: 0, torn: 0 };
    for (let seed = 0; seed < 60; seed++) {
      const memory = new MemoryFileSystem();
      const file = await created(memory, '/d/f');
      await file.write([new Uint8Array(4_000).fill(1)], 0);
      await file.datasync();
      await memory.syncDirectory('/d');
      await file.write([new Uint8Array(3_000).fill(2)], 300);
      const report = memory.crash(seededRandom(seed));
      const image = memory.image('/d/f');
      expect([...image.subarray(0, 300), ...image.subarray(3_300)].every((byte) => byte === 1)).toBe(true);
      const twos = image.filter((byte) => byte === 2).byteLength;
      for (let sector = 512; sector < 3_072; sector += 512) {
        expect(new Set(image.subarray(sector, sector + 512)).size, 'a sector is old or new').toBe(1);
      }
      if (report.writesKept === 1) expect(twos).toBe(3_000);
      if (report.writesDropped === 1) expect(twos).toBe(0);
      seen.kept += report.writesKept;
      seen.dropped += report.writesDropped;
      seen.torn += twos > 0 && twos < 3_000 ? 1 : 0;
    }
    expect(Math.min(seen.kept, seen.dropped, seen.torn)).toBeGreaterThan(5);
  });

  test('a name survives only after a sync of its directory, a synced content only with its name', async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 30; seed++) {
      const memory = new MemoryFileSystem();
      const old = await created(memory, '/d/new');
      await old.write([bytes('old')], 0);
      await old.datasync();
      await memory.syncDirectory('/d');
      const temporary = await memory.open('/d/temporary', 'create');
      await temporary.write([bytes('new')], 0);
      await temporary.datasync();
      await memory.rename('/d/temporary', '/d/new');
      memory.crash(seededRandom(seed));
      outcomes.add(text(memory.image('/d/new')));
    }
    expect([...outcomes].sort()).toEqual(['new', 'old']);
  });

  test('what was opened before a crash, or by a process that died, has no effect any more', async () => {
    for (const end of ['crash', 'detach'] as const) {
      const memory = new MemoryFileSystem();
      const mounted = memory.mount();
      const file = await created(memory, '/d/f');
      await memory.syncDirectory('/d');
      if (end === 'crash') memory.crash(seededRandom(1));
      else memory.detach();
      const dead = { code: 'ERR_DISK_FAILED', details: { errno: 'EIO' } };
      await expect(file.write([bytes('x')], 0)).rejects.toMatchObject(dead);
      await expect(file.datasync()).rejects.toMatchObject(dead);
      await expect(mounted.remove('/d/f')).rejects.toMatchObject(dead);
      await expect(mounted.open('/d/g', 'create')).rejects.toMatchObject(dead);
      expect(memory.paths()).toEqual(['/d/f']);
      expect(memory.image('/d/f').byteLength).toBe(0);
    }
  });

  test('a sync that was under way at the crash promises nothing', async () => {
    let finish: () => void = () => undefined;
    let isSlow = false;
    const memory = new MemoryFileSystem({
      settle: () => (isSlow ? new Promise((resolve) => (finish = resolve)) : Promise.resolve()),
    });
    const file = await created(memory, '/d/f');
    await memory.syncDirectory('/d');
    await file.write([bytes('x')], 0);
    isSlow = true;
    const sync = file.datasync();
    memory.crash({ ...seededRandom(1), below: () => 1 });
    finish();
    await expect(sync).rejects.toMatchObject({ code: 'ERR_DISK_FAILED' });
    expect(memory.syncedImage('/d/f').byteLength).toBe(0);
  });

  test('after a failed sync the lost writes stay readable until the crash', async () => {
    const memory = new MemoryFileSystem();
    const file = await created(memory, '/d/f');
    await memory.syncDirectory('/d');
    await file.write([bytes('lost')], 0);
    memory.loseUnsynced('/d/f');
    await file.write([bytes('kept')], 4);
    await file.datasync();
    expect(text(memory.image('/d/f'))).toBe('lostkept');
    memory.crash(seededRandom(1));
    expect(text(memory.image('/d/f'))).toBe('\0\0\0\0kept');
  });

  test('what is written and synced over a lost write is read, and survives', async () => {
    const memory = new MemoryFileSystem();
    const file = await created(memory, '/d/f');
    await memory.syncDirectory('/d');
    await file.write([bytes('lost lost')], 0);
    memory.loseUnsynced('/d/f');
    await file.write([bytes('kept')], 0);
    await file.datasync();
    expect(text(memory.image('/d/f'))).toBe('kept lost');
    memory.crash(seededRandom(1));
    expect(text(memory.image('/d/f'))).toBe('kept');
  });

  test.each([
    ['open', () => new MemoryFileSystem().open('/d/f', 'read'), 'ENOENT'],
    ['create in a missing directory', () => new MemoryFileSystem().open('/d/f', 'create'), 'ENOENT'],
    ['rename', () => new MemoryFileSystem().rename('/d/f', '/d/g'), 'ENOENT'],
  ])('%s of what is not there answers as a real disk does', async (_, run, errno) => {
    await expect(run()).rejects.toMatchObject({ code: 'ERR_DISK_FAILED', details: { errno } });
  });
});

describe('the faulty disk', () => {
  test('fails so many operations as it is told, of the kinds it is told', async () => {
    const memory = new MemoryFileSystem();
    const faulty = faultyFileSystem(memory, { random: seededRandom(1) });
    await faulty.makeDirectory('/d');
    const file = await faulty.open('/d/f', 'create');
    faulty.set({ fail: { errno: 'EIO', on: ['datasync'], times: 2 } });
    await file.write([bytes('x')], 0);
    await expect(file.datasync()).rejects.toMatchObject({
      code: 'ERR_DISK_FAILED',
      details: { errno: 'EIO' },
    });
    await expect(file.datasync()).rejects.toMatchObject({ code: 'ERR_DISK_FAILED' });
    await file.datasync();
    expect(faulty.counts.failed).toBe(2);
    faulty.set({ fail: { errno: 'EIO', rate: 0.5 } });
    const outcomes = await Promise.allSettled(Array.from({ length: 200 }, () => file.write([bytes('x')], 0)));
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected').length;
    expect(failed).toBeGreaterThan(60);
    expect(failed).toBeLessThan(140);
  });

  test('a durable write is one call while the disk is well, and each half of it can fail when it is not', async () => {
    const memory = new MemoryFileSystem();
    const asked: string[] = [];
    const inOne: FileSystem = {
      ...memory.mount(),
      open: async (path, mode) => {
        const file = await memory.open(path, mode);
        const note = (kind: string) => void asked.push(kind);
        return {
          ...file,
          write: (buffers, position) => {
            note('write');
            return file.write(buffers, position);
          },
          datasync: () => {
            note('datasync');
            return file.datasync();
          },
          writeDurably: async (buffers, position) => {
            note('write-durably');
            await file.write(buffers, position);
            await file.datasync();
          },
        };
      },
    };
    const faulty = faultyFileSystem(inOne, { random: seededRandom(1) });
    await faulty.makeDirectory('/d');
    const file = await faulty.open('/d/f', 'create');
    await writeDurably(file, [bytes('a')], 0);
    expect(asked.splice(0)).toEqual(['write-durably']);
    const failed = { code: 'ERR_DISK_FAILED', details: { errno: 'EIO' } };
    for (const [kind, before] of [
      ['write', []],
      ['datasync', ['write']],
    ] as const) {
      faulty.set({ fail: { errno: 'EIO', on: [kind], times: 1 } });
      await expect(writeDurably(file, [bytes('b')], 0)).rejects.toMatchObject(failed);
      expect(asked.splice(0)).toEqual(before);
      await writeDurably(file, [bytes('c')], 0);
      expect(asked.splice(0)).toEqual(['write', 'datasync']);
    }
    faulty.set({});
    await writeDurably(file, [bytes('d')], 0);
    expect(asked).toEqual(['write-durably']);
    expect(text(memory.syncedImage('/d/f'))).toBe('d');
  });

  test('a full disk has taken a part of the write, up to the end of a sector', async () => {
    const parts = new Set<number>();
    for (let seed = 0; seed < 20; seed++) {
      const memory = new MemoryFileSystem();
      const faulty = faultyFileSystem(memory, { random: seededRandom(seed) });
      await faulty.makeDirectory('/d');
      const file = await faulty.open('/d/f', 'create');
      faulty.set({ fail: { errno: 'ENOSPC' } });
      const whole = Buffer.alloc(6_000, 'abcdefg');
      await expect(file.write([whole.subarray(0, 2), whole.subarray(2)], 100)).rejects.toMatchObject({
        code: 'ERR_DISK_FULL',
      });
      const image = memory.image('/d/f');
      expect(image.byteLength % 512).toBe(0);
      const part = Math.max(0, image.byteLength - 100);
      expect(Buffer.compare(image.subarray(100), whole.subarray(0, part))).toBe(0);
      parts.add(part);
    }
    expect(parts.size).toBeGreaterThan(4);
  });

  test('a hung disk holds operations until it is healed, and then they happen', async () => {
    const memory = new MemoryFileSystem();
    const faulty = faultyFileSystem(memory, { random: seededRandom(1) });
    faulty.set({ hang: true });
    let isMade = false;
    const made = faulty.makeDirectory('/d').then(() => {
      isMade = true;
    });
    await quiet();
    faulty.set({ hang: ['make-directory'] });
    await quiet();
    expect(isMade).toBe(false);
    faulty.set({});
    await made;
    expect(await memory.list('/')).toEqual(['d']);
  });

  test('a slow disk starts every operation later, by the clock that it is given', async () => {
    const waits: (() => void)[] = [];
    const clock: Pick<Clock, 'after'> = {
      after(delayMs, run) {
        expect(delayMs).toBe(30);
        waits.push(run);
        return { cancel: () => undefined };
      },
    };
    const memory = new MemoryFileSystem();
    const faulty = faultyFileSystem(memory, { random: seededRandom(1), clock });
    faulty.set({ delayMs: 30 });
    const made = faulty.makeDirectory('/d');
    await quiet();
    expect(await memory.list('/')).toEqual([]);
    for (const wait of waits) wait();
    await made;
    expect(faulty.counts).toEqual({ failed: 0, hung: 0, delayed: 1 });
  });
});

describe('the tracing disk', () => {
  test('tells each operation once it ended, with what, where, when and in which order', async () => {
    const events: DiskEvent[] = [];
    let now = 0;
    const inner = faultyFileSystem(new MemoryFileSystem(), { random: seededRandom(1) });
    const disk = tracingFileSystem(inner, (event) => events.push(event), {
      nowMs: () => ++now,
      withBytes: true,
    });
    await disk.makeDirectory('/d');
    const file = await disk.open('/d/f', 'create');
    const buffer = bytes('bc');
    const write = file.write([bytes('a'), buffer], 7);
    const sync = file.datasync();
    await Promise.all([write, sync]);
    buffer.fill(0);
    inner.set({ fail: { errno: 'EIO' } });
    await expect(file.datasync()).rejects.toThrow();
    await disk.rename('/d/f', '/d/g');
    expect(
      events.map(({ kind, path, position, length, to }) => ({ kind, path, position, length, to })),
    ).toEqual([
      { kind: 'make-directory', path: '/d', position: undefined, length: 0, to: undefined },
      { kind: 'create', path: '/d/f', position: undefined, length: 0, to: undefined },
      { kind: 'write', path: '/d/f', position: 7, length: 3, to: undefined },
      { kind: 'datasync', path: '/d/f', position: undefined, length: 0, to: undefined },
      { kind: 'datasync', path: '/d/f', position: undefined, length: 0, to: undefined },
      { kind: 'rename', path: '/d/f', position: undefined, length: 0, to: '/d/g' },
    ]);
    const [written, synced, failed] = events.slice(2, 5);
    expect(text(written?.bytes ?? bytes(''))).toBe('abc');
    expect(synced?.startOrder).toBeLessThan(written?.endOrder ?? 0);
    expect(synced?.startMs).toBeLessThan(synced?.endMs ?? 0);
    expect(failed?.error).toMatchObject({ code: 'ERR_DISK_FAILED' });
  });
});
