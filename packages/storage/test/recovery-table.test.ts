/**
 * The decision table of `FORMAT.md`, one test a row, as far as no other file has it: what kind of damage,
 * where it is, what the log can know of it, and what is done then.
 */
import { type CodedError, type Random, seededRandom } from '@quorate/core';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  type DecodedSegment,
  decodeSegment,
  type FileSystem,
  faultyFileSystem,
  type LogEntry,
  type LogRecord,
  MemoryFileSystem,
  openNodeDirectory,
  SnapshotStore,
  WriteAheadLog,
} from '../src/index.ts';
import { describeRecords, describeRecovered, entriesRecord, promiseClock, quiet } from './log-twin.ts';

const segmentBytes = 4 * 1024;
const sector = 512;
/** A crash that keeps nothing of what no sync covers. */
const dropAll: Random = { ...seededRandom(1), below: () => 1, chance: () => true };
let memory: MemoryFileSystem;

beforeEach(() => {
  memory = new MemoryFileSystem();
});

function open(fileSystem: FileSystem = memory.mount(), diskId = 'disk-a'): Promise<WriteAheadLog> {
  return WriteAheadLog.open({
    fileSystem,
    directory: '/log',
    clock: promiseClock,
    segmentBytes,
    diskId,
    onFailure: () => undefined,
  });
}

function append(log: WriteAheadLog, ...records: LogRecord[]): Promise<void> {
  return new Promise((resolve) => log.append(records, resolve));
}

/** No byte of it is zero, and no two differ only by their place. */
function noise(bytes: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: bytes }, () => 1 + random.below(255));
}

const records = Array.from({ length: 14 }, (_, at) => entriesRecord(at + 1, noise(700, at)));

/** Fourteen commits over several segments, each acknowledged; then the process dies, the disk does not. */
async function writeAll(fileSystem: FileSystem = memory): Promise<void> {
  const log = await open(fileSystem);
  for (const record of records) await append(log, record);
  await quiet();
  memory.detach();
}

/** The segments in use, oldest first. */
function used(): readonly { readonly path: string; readonly decoded: DecodedSegment }[] {
  return memory
    .paths()
    .filter((path) => path.endsWith('.log'))
    .map((path) => ({ path, decoded: decodeSegment(memory.image(path)) }))
    .filter(({ decoded }) => decoded.isHeadWhole);
}

function segment(at: number): { readonly path: string; readonly decoded: DecodedSegment } {
  const found = used().at(at);
  if (found === undefined) throw new Error(`there is no segment ${at}`);
  return found;
}

async function recover(): Promise<string> {
  const log = await open();
  memory.detach();
  return describeRecovered(log.recovered);
}

/** Opening is refused as corrupt, and changes nothing on the disk. */
async function expectRefused(path: string, what: string): Promise<void> {
  const before = memory.paths().map((name) => Buffer.from(memory.image(name)).toString('base64'));
  await expect(open(), what).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path } });
  expect(memory.paths().map((name) => Buffer.from(memory.image(name)).toString('base64'))).toEqual(before);
}

const all = describeRecords(records);
const allButLast = describeRecords(records.slice(0, -1));

describe('scenario 32: a sector that does not hold what was written there', () => {
  /** Every sector in which a record lies that is known to be synced: all but those of the last commit. */
  function markedSectors(): readonly { readonly path: string; readonly at: number }[] {
    return used().flatMap(({ path, decoded }, number, { length }) => {
      const end = number === length - 1 ? decoded.lastCommit : decoded.end;
      return Array.from({ length: Math.floor(end / sector) }, (_, n) => ({ path, at: n * sector }));
    });
  }

  test('a hole below a mark is rot, wherever it is', async () => {
    await writeAll();
    expect(markedSectors().length).toBeGreaterThan(15);
    for (const { path, at } of markedSectors()) {
      const saved = memory.image(path);
      memory.overwrite(path, at, new Uint8Array(sector));
      await expectRefused(path, `sector at ${at} of ${path}`);
      memory.overwrite(path, 0, saved);
    }
    expect(await recover()).toBe(all);
  });

  test('a sector of another place of the segment, or of the same place of another segment, is rot', async () => {
    await writeAll();
    for (const { path, at } of markedSectors()) {
      const saved = memory.image(path);
      const misdirected = saved.slice(
        at === sector ? 2 * sector : sector,
        at === sector ? 3 * sector : 2 * sector,
      );
      const other = memory.image(path === segment(0).path ? segment(1).path : segment(0).path);
      for (const foreign of [misdirected, other.slice(at, at + sector)]) {
        memory.overwrite(path, at, foreign);
        await expectRefused(path, `sector at ${at} of ${path}`);
      }
      memory.overwrite(path, 0, saved);
    }
  });

  test('a whole frame of another segment, which stood there at the same place, is rot', async () => {
    await writeAll();
    const [one, other] = [segment(1), segment(2)];
    const frames = one.decoded.frames.filter(({ kind }) => kind !== 'checkpoint');
    expect(frames.length).toBeGreaterThan(5);
    for (const { start, end } of frames) {
      const saved = memory.image(one.path);
      expect(other.decoded.frames.some((frame) => frame.start === start && frame.end === end)).toBe(true);
      memory.overwrite(one.path, start, memory.image(other.path).slice(start, end));
      await expectRefused(one.path, `frame at ${start}`);
      memory.overwrite(one.path, 0, saved);
    }
  });

  test('a misdirected write into the last commit is rot too: no crash puts bytes there', async () => {
    await writeAll();
    const { path, decoded } = segment(-1);
    const saved = memory.image(path);
    for (
      let at = decoded.lastCommit - (decoded.lastCommit % sector) + sector;
      at + sector <= decoded.end;
      at += sector
    ) {
      memory.overwrite(path, at, memory.image(segment(0).path).slice(at, at + sector));
      await expectRefused(path, `sector at ${at}`);
      memory.overwrite(path, 0, saved);
    }
  });

  test('a sector as it was before a write is rot below a mark, and a torn write in the last commit', async () => {
    const log = await open();
    const images: Uint8Array[] = [];
    const three = records.slice(0, 3);
    for (const record of three) {
      await append(log, record);
      images.push(memory.image('/log/0000000000000001.log'));
    }
    memory.detach();
    const { path } = segment(0);
    const [one, two, last] = images as [Uint8Array, Uint8Array, Uint8Array];
    const stale = (older: Uint8Array, at: number) => memory.overwrite(path, at, older.slice(at, at + sector));
    for (let at = 0; at < last.byteLength; at += sector) {
      if (Buffer.compare(one.slice(at, at + sector), two.slice(at, at + sector)) !== 0) {
        stale(one, at);
        await expectRefused(path, `second commit, sector at ${at}`);
      } else if (Buffer.compare(two.slice(at, at + sector), last.slice(at, at + sector)) !== 0) {
        stale(two, at);
        expect(await recover(), `last commit, sector at ${at}`).toBe(describeRecords(three.slice(0, 2)));
      }
      memory.overwrite(path, 0, last);
    }
  });
});

describe('scenario 37: rot in an acknowledged record', () => {
  test('one flipped bit anywhere in any segment is found before anything is replayed', async () => {
    await writeAll();
    const random = seededRandom(7);
    for (const { path, decoded } of used()) {
      const saved = memory.image(path);
      for (let n = 0; n < 40; n++) {
        const at = random.below(decoded.end);
        memory.overwrite(path, at, Uint8Array.of((saved[at] ?? 0) ^ (1 << random.below(8))));
        await expectRefused(path, `byte ${at} of ${path}`);
        memory.overwrite(path, 0, saved);
      }
    }
  });

  test('a record of a type that this build does not know is not skipped', async () => {
    const log = await open();
    await append(log, records[0] as LogRecord);
    // It has sectors of zeroes in it, by which a torn write would be known.
    await append(log, { type: 'hard-state', group: 3, epoch: 1, state: new Uint8Array(1_500) });
    memory.detach();
    const { path, decoded } = segment(0);
    const unknown = decoded.frames.at(-1);
    // As a later build would write it: another type, and a checksum that fits.
    const bytes = memory.image(path);
    const { crc32 } = await import('node:zlib');
    const view = new DataView(bytes.buffer);
    const { start = 0, end = 0 } = unknown ?? {};
    const mask = view.getUint32(start, true) ^ crc32(bytes.subarray(start + 4, end));
    view.setUint8(start + 8, 99);
    view.setUint32(start, (crc32(bytes.subarray(start + 4, end)) ^ mask) >>> 0, true);
    memory.overwrite(path, start, bytes.subarray(start, end));
    await expectRefused(path, 'type 99');
  });
});

describe('a disk that says it has synced, and has not', () => {
  /** Calls `datasync` number `from` up to `to` (of those that end a commit) do nothing. */
  function lying(from: number, to: number): FileSystem {
    let commits = 0;
    return {
      ...memory.mount(),
      open: async (path, mode) => {
        const file = await memory.open(path, mode);
        let isCommit = false;
        return {
          read: (into, position) => file.read(into, position),
          write: (buffers, position) => {
            isCommit = buffers.some((buffer) => buffer.some((byte) => byte !== 0));
            return file.write(buffers, position);
          },
          datasync: async () => {
            if (isCommit) commits++;
            if (!isCommit || commits < from || commits > to) await file.datasync();
          },
          sizeBytes: () => file.sizeBytes(),
          truncate: (bytes) => file.truncate(bytes),
          close: () => file.close(),
        };
      },
    };
  }

  /** Which commit, counted from the opening one, is the last of the first segment. */
  async function lastCommitOfFirstSegment(): Promise<number> {
    await writeAll();
    const { decoded } = segment(0);
    memory = new MemoryFileSystem();
    return decoded.frames.filter(({ kind }) => kind === 'commit').length;
  }

  test('once, and later commits arrived: the hole lies below their mark, and is rot', async () => {
    const log = await open(lying(3, 3));
    for (const record of records.slice(0, 4)) await append(log, record);
    // The commit that was lied about is gone; the file system has not mixed it with a later sync.
    const { path, decoded } = segment(0);
    const third = decoded.frames.filter(({ kind }) => kind === 'commit')[2];
    const fourth = decoded.frames.filter(({ kind }) => kind === 'commit')[3];
    memory.detach();
    memory.overwrite(path, third?.start ?? 0, new Uint8Array((fourth?.start ?? 0) - (third?.start ?? 0)));
    await expectRefused(path, 'the third commit is gone');
  });

  test('scenario 33: at the end of a segment, and the next one has begun: its header tells of the loss', async () => {
    const last = await lastCommitOfFirstSegment();
    await writeAll(lying(last, last));
    memory.crash(dropAll);
    await expectRefused('/log/0000000000000001.log', 'the tail of the first segment');
  });

  test('from some commit on, all of them: nothing is left to tell by, and the log ends before it', async () => {
    // What FORMAT.md says that the log alone cannot know. It is whole, though, and goes on.
    const log = await open(lying(3, 100));
    for (const record of records.slice(0, 3)) await append(log, record);
    memory.crash(dropAll);
    expect(await recover()).toBe(describeRecords(records.slice(0, 1)));
  });
});

describe('scenario 33: a new segment', () => {
  test('is written only when its name and the whole of the old one are synced: a crash loses no acknowledgement', async () => {
    const log = await open();
    const acknowledged: LogRecord[] = [];
    for (const record of records) {
      await append(log, record);
      acknowledged.push(record);
      const disk = new MemoryFileSystem();
      await disk.makeDirectory('/log');
      for (const path of memory.paths()) {
        // Only what a power loss at this very moment would leave, names included.
        const bytes = memory.syncedImage(path);
        await (await disk.open(path, 'create')).write([bytes], 0);
      }
      const copy = await open(disk);
      expect(describeRecovered(copy.recovered)).toBe(describeRecords(acknowledged));
    }
  });

  test('whose name was lost while a later one is there is missed', async () => {
    await writeAll();
    const { path } = segment(-2);
    await memory.remove(path);
    await expect(open()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path } });
  });

  test('of which only zeroes or less than a first commit arrived is blank, and the old one is the tail', async () => {
    await writeAll();
    const { path, decoded } = segment(-1);
    // Prepared after the commit that is now taken back.
    for (const later of memory.paths()) if (later > path) await memory.remove(later);
    const records = used()
      .slice(0, -1)
      .flatMap(({ decoded }) => decoded.frames)
      .flatMap((frame) => (frame.kind === 'record' ? [frame.record] : []));
    const before = describeRecords(records);
    const images = memory.paths().map((name) => [name, memory.image(name)] as const);
    for (const from of [0, 5, 130, sector, decoded.frames[1]?.end ?? 0]) {
      for (const [name, image] of images) memory.overwrite(name, 0, image);
      memory.overwrite(path, from, new Uint8Array(decoded.end - from));
      const log = await open();
      memory.detach();
      expect(describeRecovered(log.recovered), `zeroes from ${from}`).toBe(before);
      expect(log.torn).toEqual(from === 0 ? undefined : { path, position: 0, bytes: expect.any(Number) });
    }
  });

  test('whose first sector is gone, while the next one is prepared, was in use: that is rot', async () => {
    const log = await open();
    // Its only commit is large: so the segment after it is prepared, and no mark tells of the commit.
    for (const index of [1, 2]) await append(log, entriesRecord(index, noise(2_500, index)));
    await quiet();
    memory.detach();
    const { path } = segment(-1);
    expect([path, memory.paths().at(-1)]).toEqual(['/log/0000000000000002.log', '/log/0000000000000003.log']);
    memory.overwrite(path, 0, new Uint8Array(sector));
    await expectRefused(path, 'the first sector');
  });

  test('whose header is damaged otherwise is rot', async () => {
    await writeAll();
    const { path } = segment(-1);
    memory.overwrite(path, 20, Uint8Array.of(9));
    await expectRefused(path, 'the header');
  });
});

describe('a disk that cannot be read', () => {
  test('is not a disk with nothing on it: opening fails, cuts nothing, and works once it is healed', async () => {
    await writeAll();
    const disk = faultyFileSystem(memory, { random: seededRandom(1) });
    const before = memory.paths().map((path) => Buffer.from(memory.image(path)).toString('base64'));
    for (const kind of ['list', 'open', 'read', 'size'] as const) {
      disk.set({ fail: { errno: 'EIO', on: [kind] } });
      await expect(open(disk), kind).rejects.toMatchObject({ code: 'ERR_DISK_FAILED' });
      expect(memory.paths().map((path) => Buffer.from(memory.image(path)).toString('base64'))).toEqual(
        before,
      );
    }
    disk.set({});
    expect(await recover()).toBe(all);
  });
});

describe('scenario 31: a sync that fails', () => {
  test('while the tail is repaired: the log does not open on what only the page cache has', async () => {
    await writeAll();
    const disk = faultyFileSystem(memory, {
      random: seededRandom(1),
      onSyncFailed: (path) => memory.loseUnsynced(path),
    });
    disk.set({ fail: { errno: 'EIO', on: ['datasync'], times: 1 } });
    await expect(open(disk)).rejects.toMatchObject({ code: 'ERR_DISK_FAILED' });
    expect(await recover()).toBe(all);
  });

  /** A life on this disk in which the next sync fails after so many commits; whoever owns it ends it then. */
  async function lifeWithFailure(afterCommits: number, left: LogRecord[], acknowledged: LogRecord[]) {
    const disk = faultyFileSystem(memory, {
      random: seededRandom(1),
      onSyncFailed: (path) => memory.loseUnsynced(path),
    });
    const failNext = (): void => disk.set({ fail: { errno: 'EIO', on: ['datasync'], times: 1 } });
    if (afterCommits < 0) failNext();
    const log = await open(disk).catch(() => undefined);
    for (let commits = 0; log !== undefined && commits <= afterCommits; commits++) {
      const record = left.shift();
      if (record === undefined) break;
      if (commits === afterCommits) failNext();
      log.append([record], () => acknowledged.push(record));
      await quiet();
    }
    await quiet();
    memory.detach();
  }

  test('anywhere, over several lives, and then a power failure: all that was acknowledged is there', async () => {
    for (let first = 0; first < 8; first++) {
      for (const second of [-1, 0, 1]) {
        memory = new MemoryFileSystem();
        const [left, acknowledged]: [LogRecord[], LogRecord[]] = [[...records], []];
        await lifeWithFailure(first, left, acknowledged);
        await lifeWithFailure(second, left, acknowledged);
        const log = await open();
        const last = left.at(-1) as LogRecord;
        await append(log, last);
        memory.crash(dropAll);
        const recovered = await recover();
        for (const record of [...acknowledged, last]) {
          const { payload } =
            record.type === 'entries' ? (record.entries[0] as LogEntry) : { payload: noise(1, 0) };
          expect(recovered, `${first}, ${second}`).toContain(Buffer.from(payload).toString('hex'));
        }
      }
    }
  });

  test('once, with later ones that succeed: nothing is acknowledged by them, whatever is appended', async () => {
    const disk = faultyFileSystem(memory, {
      random: seededRandom(1),
      onSyncFailed: (path) => memory.loseUnsynced(path),
    });
    const log = await open(disk);
    await append(log, records[0] as LogRecord);
    disk.set({ fail: { errno: 'EIO', on: ['datasync'], times: 1 } });
    const acknowledged: number[] = [];
    for (let at = 1; at < records.length; at++) {
      log.append([records[at] as LogRecord], () => acknowledged.push(at));
      await quiet();
    }
    await log.close();
    expect(acknowledged).toEqual([]);
    memory.crash(dropAll);
    expect(await recover()).toBe(describeRecords(records.slice(0, 1)));
  });
});

describe('scenario 39: a disk that is full', () => {
  test.each([
    ['at an append, a part of which was written', ['write']],
    ['at the roll, where the next segment cannot be made', ['create']],
    ['at the roll, where its zeroes have no room', ['write', 'create']],
  ] as const)(
    '%s: no acknowledgement, and a restart with space has all that was acknowledged',
    async (_, on) => {
      for (let commits = 1; commits < 9; commits++) {
        memory = new MemoryFileSystem();
        const disk = faultyFileSystem(memory, { random: seededRandom(commits) });
        const failures: CodedError[] = [];
        const log = await WriteAheadLog.open({
          fileSystem: disk,
          directory: '/log',
          clock: promiseClock,
          segmentBytes,
          diskId: 'disk-a',
          onFailure: (error) => failures.push(error),
        });
        const acknowledged: LogRecord[] = [];
        for (const [at, record] of records.entries()) {
          if (at === commits) disk.set({ fail: { errno: 'ENOSPC', on } });
          log.append([record], () => acknowledged.push(record));
          await quiet();
        }
        expect(failures.map(({ code }) => code)).toEqual(['ERR_DISK_FULL']);
        expect(acknowledged.length).toBeGreaterThanOrEqual(commits);
        await log.close();
        memory.crash(seededRandom(commits));
        // What of the refused commit has arrived may be replayed, when all of it has: it was never denied.
        const again = await open();
        const found = describeRecovered(again.recovered);
        const one = acknowledged.length;
        expect([one, one + 1].map((length) => describeRecords(records.slice(0, length)))).toContain(found);
        await append(again, entriesRecord(99, Uint8Array.of(1)));
        await again.close();
      }
    },
  );
});

describe('scenario 41: the disk of another node or cluster', () => {
  const directory = '/a';
  const node = (name: string) =>
    openNodeDirectory({ fileSystem: memory, directory, clusterId: 'c', node: name, diskId: `disk-${name}` });

  test('whole directories: the superblock names the other node, and nothing is opened', async () => {
    await node('a');
    await expect(node('b')).rejects.toMatchObject({
      code: 'ERR_FOREIGN_DATA',
      details: { what: 'node', found: 'a', expected: 'b' },
    });
  });

  test('a directory of another cluster: the superblock names that, though the node is called the same', async () => {
    await node('a');
    const before = memory.image('/a/superblock.json');
    const own = { fileSystem: memory, directory, clusterId: 'another', node: 'a', diskId: 'disk-a' };
    await expect(openNodeDirectory(own)).rejects.toMatchObject({
      code: 'ERR_FOREIGN_DATA',
      details: { what: 'cluster', found: 'c', expected: 'another' },
    });
    expect(memory.image('/a/superblock.json')).toEqual(before);
  });

  test('the logs alone: each segment names the disk it was made for', async () => {
    await writeAll();
    await expect(open(memory, 'disk-b')).rejects.toMatchObject({
      code: 'ERR_FOREIGN_DATA',
      details: { found: 'disk-a', expected: 'disk-b' },
    });
  });

  test('one segment alone: it is found in the middle of ours', async () => {
    await writeAll();
    const { path } = segment(1);
    const own = memory;
    memory = new MemoryFileSystem();
    const log = await open(memory.mount(), 'disk-b');
    for (const record of records) await append(log, record);
    const foreign = memory.image(path);
    memory = own;
    memory.overwrite(path, 0, foreign);
    await expect(open()).rejects.toMatchObject({ code: 'ERR_FOREIGN_DATA', details: { path } });
  });
});

test('scenario 30 and 40: the last acknowledged record survives the loss of all that was not synced', async () => {
  const log = await open();
  for (const [at, record] of records.entries()) {
    await append(log, record);
    if (at !== records.length - 2) continue;
    expect(describeRecords(records.slice(0, at + 1))).toBe(allButLast);
  }
  memory.crash(dropAll);
  expect(await recover()).toBe(all);
});

describe('scenario 36: the newest snapshot is damaged', () => {
  const position = (index: number) => ({ group: 0, epoch: 1, index, reign: 1 });
  const path = '/snapshots/0-1-8-1.snap';

  async function writeBoth(countsFrom: number): Promise<void> {
    const log = await open();
    const store = await SnapshotStore.open({ fileSystem: memory, directory: '/snapshots' });
    for (const record of records) await append(log, record);
    for (const index of [4, 8]) {
      const writer = await store.create(position(index));
      await writer.append(noise(3_000, index));
      await writer.commit();
    }
    await append(log, { type: 'snapshot', ...position(countsFrom), discardsLog: false });
    await store.prune({ group: 0, epoch: 1, index: countsFrom });
    memory.detach();
    memory.overwrite(path, 1_000, Uint8Array.of(0, 0, 0));
  }

  test('and the log counts from the one before: that one and the log have everything', async () => {
    await writeBoth(4);
    const log = await open();
    const store = await SnapshotStore.open({ fileSystem: memory, directory: '/snapshots' });
    expect(store.latest(0)).toMatchObject({ index: 4 });
    expect(store.damaged).toEqual([path]);
    expect(log.recovered[0]?.snapshot.index).toBe(4);
    expect(log.recovered[0]?.entries.map(({ index }) => index)).toEqual([5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
  });

  test('and the log counts from it: what it held is gone from the log, and reading it is refused', async () => {
    await writeBoth(8);
    const log = await open();
    const store = await SnapshotStore.open({ fileSystem: memory, directory: '/snapshots' });
    expect(log.recovered[0]?.snapshot.index).toBe(8);
    expect(store.latest(0)?.index).toBe(4);
    const reader = await store.reader(position(8));
    await expect(reader.read(0, 3_000)).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path } });
  });
});
