/** The log at work: group commit, order, segments that come and go, and a disk that fails. */
import { type CodedError, seededRandom } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import {
  type DiskConditions,
  type DiskEvent,
  decodeSegment,
  entryRanges,
  faultyFileSystem,
  type LogRecord,
  MemoryFileSystem,
  tracingFileSystem,
  WriteAheadLog,
} from '../src/index.ts';
import { describeRecords, describeRecovered, entriesRecord, promiseClock, quiet } from './log-twin.ts';

function setUp(segmentBytes = 64 * 1024, pinnedSegmentsMax = 4) {
  const memory = new MemoryFileSystem();
  const events: DiskEvent[] = [];
  const failures: CodedError[] = [];
  const faulty = faultyFileSystem(memory, {
    random: seededRandom(1),
    onSyncFailed: (path) => memory.loseUnsynced(path),
  });
  let now = 0;
  const fileSystem = tracingFileSystem(faulty, (event) => events.push(event), {
    nowMs: () => ++now,
    withBytes: true,
  });
  const open = (): Promise<WriteAheadLog> =>
    WriteAheadLog.open({
      fileSystem,
      directory: '/log',
      clock: promiseClock,
      segmentBytes,
      pinnedSegmentsMax,
      onFailure: (error) => failures.push(error),
    });
  return { memory, events, failures, faulty, open };
}

function append(log: WriteAheadLog, ...records: LogRecord[]): Promise<void> {
  return new Promise((resolve) => log.append(records, resolve));
}

const small = (index: number): LogRecord => entriesRecord(index, Uint8Array.of(index));

describe('group commit', () => {
  test('what is appended in one turn goes in one write and one sync, and is acknowledged in order', async () => {
    const { events, open } = setUp();
    const log = await open();
    events.length = 0;
    const order: number[] = [];
    for (let index = 1; index <= 100; index++) log.append([small(index)], () => order.push(index));
    await append(log);
    expect(order).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
    expect(events.map((event) => event.kind)).toEqual(['write', 'datasync']);
    expect(log.status.groupCommits).toBe(1);
    expect(log.status.pendingBytes).toBe(0);
  });

  test('what queues while a commit runs goes out together with the next one', async () => {
    const { events, faulty, open } = setUp();
    const log = await open();
    events.length = 0;
    faulty.set({ hang: ['datasync'] });
    const first = append(log, small(1));
    await quiet();
    const others = [append(log, small(2)), append(log, small(3)), append(log, small(4))];
    await quiet();
    expect(events.map((event) => event.kind)).toEqual(['write']);
    faulty.set({});
    await Promise.all([first, ...others]);
    expect(events.map((event) => event.kind)).toEqual(['write', 'datasync', 'write', 'datasync']);
  });

  test('nothing is acknowledged before a sync that began after its bytes were written', async () => {
    const { events, memory, open } = setUp(2_048);
    const log = await open();
    const random = seededRandom(3);
    for (let index = 1; index <= 40; index++) {
      const payload = new Uint8Array(random.below(900)).fill(index);
      log.append([entriesRecord(index, payload)], () => {
        const synced = memory
          .paths()
          .flatMap((path) => decodeSegment(memory.syncedImage(path)).frames)
          .flatMap((frame) =>
            frame.kind === 'record' && frame.record.type === 'entries' ? frame.record.entries : [],
          );
        expect(synced.map((entry) => entry.index)).toContain(index);
      });
      if (random.chance(0.5)) await append(log);
    }
    await log.close();
    expect(events.filter((event) => event.kind === 'write').length).toBeGreaterThan(20);
  });

  test('an append without records waits for those before it, and costs no sync of its own', async () => {
    const { events, open } = setUp();
    const log = await open();
    events.length = 0;
    const order: string[] = [];
    log.append([small(1)], () => {
      order.push('a');
      log.append([], () => order.push('c'));
    });
    log.append([], () => order.push('b'));
    await quiet();
    await append(log);
    expect(order).toEqual(['a', 'b', 'c']);
    expect(events.length).toBe(2);
  });

  test('a batch that has grown large is closed, so that no single commit takes everything', async () => {
    const { events, open } = setUp(32 * 1024 * 1024);
    const log = await open();
    events.length = 0;
    for (let index = 1; index <= 12; index++)
      void append(log, entriesRecord(index, new Uint8Array(1024 * 1024)));
    await append(log);
    const commits = events.filter((event) => event.kind === 'write' && event.length > 1024 * 1024 + 100);
    expect(commits.length).toBe(3);
    await log.close();
  });
});

describe('segments', () => {
  test('the next segment is ready before it is needed: a commit of its own never creates one', async () => {
    const { events, open } = setUp(16 * 1024);
    const log = await open();
    for (let index = 1; index <= 60; index++)
      await append(log, entriesRecord(index, new Uint8Array(1_000).fill(1)));
    const created = events.filter((event) => event.kind === 'create');
    expect(created.length).toBeGreaterThan(3);
    for (const { path, endOrder } of created.slice(1)) {
      const synced = events.find((event) => event.kind === 'sync-directory' && event.startOrder > endOrder);
      const header = events.find(
        (event) => event.path === path && event.kind === 'write' && event.bytes?.[0] !== 0,
      );
      expect(synced?.endOrder).toBeLessThan(header?.startOrder ?? Number.POSITIVE_INFINITY);
    }
  });

  test('a commit waits for one small piece of the next segment at most, and most of them for none', async () => {
    const { events, open } = setUp(4 * 1024 * 1024);
    const log = await open();
    events.length = 0;
    const commits: number[] = [];
    for (let index = 1; index <= 500; index++) {
      await append(log, entriesRecord(index, new Uint8Array(16 * 1024).fill(1)));
      await quiet();
      const pieces = events.filter(
        ({ kind, bytes }) => kind === 'write' && bytes?.every((byte) => byte === 0),
      );
      expect(Math.max(0, ...pieces.map(({ length }) => length))).toBeLessThanOrEqual(256 * 1024);
      commits.push(pieces.length);
      events.length = 0;
    }
    expect(Math.max(...commits)).toBe(1);
    const pieces = commits.flatMap((count, at) => (count === 0 ? [] : [at]));
    expect(pieces.length).toBeGreaterThan(16);
    const between = pieces.slice(1).map((at, before) => at - (pieces[before] ?? 0));
    expect(Math.min(...between)).toBeGreaterThanOrEqual(6);
  });

  test('a restart late in a segment makes up for the next one in small pieces too', async () => {
    const { events, memory, open } = setUp(4 * 1024 * 1024);
    const log = await open();
    for (let index = 1; index <= 230; index++)
      await append(log, entriesRecord(index, new Uint8Array(16 * 1024).fill(1)));
    await log.close();
    const [, next] = memory.paths().filter((path) => path.endsWith('.log'));
    const file = await memory.mount().open(next as string, 'update');
    await file.truncate(0);
    await file.datasync();
    await file.close();
    const again = await open();
    events.length = 0;
    await append(again, entriesRecord(231, new Uint8Array(1)));
    await quiet();
    const pieces = events.filter(({ path, kind }) => path === next && kind === 'write');
    expect(pieces.length).toBeGreaterThan(8);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(256 * 1024);
    await again.close();
  });

  test('what is prepared of the next segment is gone on with after a restart', async () => {
    const { events, memory, open } = setUp(4 * 1024 * 1024);
    const log = await open();
    for (let index = 1; index <= 128; index++)
      await append(log, entriesRecord(index, new Uint8Array(16 * 1024).fill(1)));
    await log.close();
    const sizes = (): number[] => memory.paths().map((path) => memory.image(path).byteLength / 1024 / 1024);
    const half = sizes()[1] ?? 0;
    expect(half).toBeGreaterThan(1);
    expect(half).toBeLessThan(3);
    events.length = 0;
    const again = await open();
    await quiet();
    expect(sizes()).toEqual([4, half]);
    for (let index = 129; index <= 260; index++)
      await append(again, entriesRecord(index, new Uint8Array(16 * 1024).fill(1)));
    await again.close();
    expect(sizes().slice(0, 2)).toEqual([4, 4]);
    expect(events.filter(({ kind, path }) => kind === 'create' && path.includes('2.log'))).toEqual([]);
  });

  test('segments grow: the first is small, so that a node starts at once', async () => {
    const { memory, open } = setUp(20 * 1024 * 1024);
    const log = await open();
    for (let index = 1; index <= 9; index++)
      await append(log, entriesRecord(index, new Uint8Array(3_000_000).fill(1)));
    await log.close();
    const sizes = memory.paths().map((path) => memory.image(path).byteLength / 1024 / 1024);
    expect(sizes.slice(0, 3)).toEqual([4, 16, 20]);
  });

  test('a segment goes once a snapshot covers its entries, and the rest replays the same', async () => {
    const { memory, open } = setUp(2_048);
    const log = await open();
    const records: LogRecord[] = [{ type: 'hard-state', group: 7, epoch: 3, state: Uint8Array.of(1, 2, 3) }];
    await append(log, ...records);
    for (let index = 1; index <= 20; index++) {
      records.push(entriesRecord(index, new Uint8Array(700).fill(index)));
      await append(log, records.at(-1) as LogRecord);
    }
    expect(log.status.segments).toBeGreaterThan(8);
    records.push({ type: 'snapshot', group: 0, epoch: 1, index: 19, reign: 1, discardsLog: false });
    await append(log, records.at(-1) as LogRecord);
    records.push(small(21));
    await append(log, small(21));
    await quiet();
    expect(log.status.segments).toBeLessThanOrEqual(2);
    expect(memory.paths().length).toBeLessThanOrEqual(3);
    await log.close();
    expect(describeRecovered((await open()).recovered)).toBe(describeRecords(records));
  });

  test('a group that is behind pins the segments that hold its entries, within its allowance', async () => {
    const { open } = setUp(2_048, 100);
    const log = await open();
    await append(log, entriesRecord(1, new Uint8Array(10), 5));
    for (let index = 1; index <= 20; index++) {
      await append(log, entriesRecord(index, new Uint8Array(700).fill(index)));
      await append(log, { type: 'snapshot', group: 0, epoch: 1, index, reign: 1, discardsLog: false });
    }
    expect(log.status.segments).toBeGreaterThan(8);
    expect(log.status.pinnedBy).toMatchObject({ group: 5, epoch: 1 });
    await append(log, { type: 'truncate', group: 5, epoch: 1, after: 0 });
    await append(log, small(21));
    await quiet();
    expect(log.status.segments).toBeLessThanOrEqual(2);
  });

  test('a record larger than a segment is written, and survives', async () => {
    const { open } = setUp(4_096);
    const log = await open();
    const records = [small(1), entriesRecord(2, new Uint8Array(50_000).fill(9)), small(3)];
    for (const record of records) await append(log, record);
    await log.close();
    expect(describeRecovered((await open()).recovered)).toBe(describeRecords(records));
  });

  test('no commit is written where zeroes were not synced before, the largest neither', async () => {
    const { events, open } = setUp(4_096);
    const log = await open();
    for (let index = 1; index <= 8; index++) {
      await append(log, entriesRecord(index, new Uint8Array(index === 5 ? 50_000 : 900).fill(9)));
    }
    await log.close();
    const zeroed = new Map<string, { written: number; synced: number }>();
    let commits = 0;
    for (const { kind, path, position = 0, length, bytes } of events) {
      const upTo = zeroed.get(path) ?? { written: 0, synced: 0 };
      zeroed.set(path, upTo);
      if (kind === 'datasync') upTo.synced = upTo.written;
      if (kind !== 'write') continue;
      if (bytes?.every((byte) => byte === 0)) upTo.written = position + length;
      else {
        commits++;
        expect(position + length).toBeLessThanOrEqual(upTo.synced);
      }
    }
    expect(commits).toBeGreaterThan(8);
  });

  test('a tool finds where each entry lies', async () => {
    const { memory, open } = setUp();
    const log = await open();
    const entries = [3, 4, 9].map((index) => ({
      index,
      reign: 2 ** 40 + 1,
      timeMs: 1_234.5,
      payload: new Uint8Array(index * 50).fill(index),
    }));
    await append(log, { type: 'entries', group: 2 ** 32 - 1, epoch: 2 ** 40, entries });
    await log.close();
    const bytes = memory.image('/log/0000000000000001.log');
    const decoded = decodeSegment(bytes);
    const frame = decoded.frames.find(({ kind }) => kind === 'record');
    expect(frame).toMatchObject({ record: { group: 2 ** 32 - 1, epoch: 2 ** 40, entries } });
    for (const [at, { end }] of (frame ? entryRanges(frame) : []).entries()) {
      const payload = entries[at]?.payload ?? new Uint8Array();
      expect(bytes.subarray(end - payload.byteLength, end)).toEqual(payload);
    }
  });
});

describe('a disk that fails', () => {
  const conditions: readonly [string, DiskConditions, string][] = [
    ['a failed write', { fail: { errno: 'EIO', on: ['write'], times: 1 } }, 'ERR_DISK_FAILED'],
    ['a failed sync', { fail: { errno: 'EIO', on: ['datasync'], times: 1 } }, 'ERR_DISK_FAILED'],
    ['a full disk', { fail: { errno: 'ENOSPC', times: 1 } }, 'ERR_DISK_FULL'],
    ['a disk gone read-only', { fail: { errno: 'EROFS', times: 1 } }, 'ERR_DISK_FAILED'],
  ];
  test.each(conditions)(
    '%s ends the log for good: one report, no acknowledgement, no second try',
    async (_, fault, code) => {
      const { events, failures, faulty, memory, open } = setUp();
      const log = await open();
      await append(log, small(1));
      events.length = 0;
      faulty.set(fault);
      const acknowledged: string[] = [];
      log.append([small(2)], () => acknowledged.push('in the failed commit'));
      await quiet();
      log.append([small(3)], () => acknowledged.push('after it'));
      log.append([], () => acknowledged.push('nothing, after it'));
      await quiet();
      expect(acknowledged).toEqual([]);
      expect(failures.map((error) => error.code)).toEqual([code]);
      expect(log.status.failure?.code).toBe(code);
      expect(events.filter((event) => event.kind === 'write').length).toBe(1);
      await log.close();
      expect(failures.length).toBe(1);
      memory.crash(seededRandom(5));
      const again = await open();
      expect(again.recovered[0]?.entries[0]?.index).toBe(1);
    },
  );

  test('what had queued behind the failed commit is given up, and close does not wait for it', async () => {
    const { failures, faulty, open } = setUp();
    const log = await open();
    faulty.set({ hang: ['datasync'] });
    log.append([small(1)], () => expect.unreachable());
    await quiet();
    log.append([small(2)], () => expect.unreachable());
    faulty.set({ fail: { errno: 'EIO' } });
    await quiet();
    await log.close();
    expect(failures.length).toBe(1);
    expect(log.status.pendingBytes).toBe(0);
  });

  test('scenario 31: a sync that fails once and then succeeds acknowledges nothing that the disk lost', async () => {
    const { faulty, memory, open } = setUp();
    const log = await open();
    await append(log, small(1));
    faulty.set({ fail: { errno: 'EIO', on: ['datasync'], times: 1 } });
    let isAcknowledged = false;
    log.append([small(2)], () => {
      isAcknowledged = true;
    });
    await quiet();
    await log.close();
    memory.crash(seededRandom(1));
    const survived = (await open()).recovered[0]?.entries.length;
    expect({ isAcknowledged, survived }).toEqual({ isAcknowledged: false, survived: 1 });
  });

  test('scenario 39: a full disk at the roll ends the log; with space again a restart has everything', async () => {
    const { failures, faulty, memory, open } = setUp(2_048);
    const log = await open();
    const acknowledged: LogRecord[] = [];
    faulty.set({ fail: { errno: 'ENOSPC', on: ['create'] } });
    for (let index = 1; index <= 10; index++) {
      const record = entriesRecord(index, new Uint8Array(500).fill(index));
      log.append([record], () => acknowledged.push(record));
      await quiet();
    }
    expect(failures.map((error) => error.code)).toEqual(['ERR_DISK_FULL']);
    expect(acknowledged.length).toBeGreaterThan(1);
    await log.close();
    faulty.set({});
    memory.detach();
    expect(describeRecovered((await open()).recovered)).toBe(describeRecords(acknowledged));
  });

  test.each([
    ['full', 'ENOSPC', 'ERR_DISK_FULL'],
    ['read-only', 'EROFS', 'ERR_DISK_FAILED'],
  ] as const)(
    'opening on a %s disk is refused with a code, and works once it is healed',
    async (_, errno, code) => {
      const { faulty, open } = setUp();
      faulty.set({ fail: { errno } });
      await expect(open()).rejects.toMatchObject({ code, details: { errno } });
      faulty.set({ fail: { errno, on: ['write'] } });
      await expect(open()).rejects.toMatchObject({ code });
      faulty.set({});
      const log = await open();
      await append(log, small(1));
      expect(log.recovered).toEqual([]);
    },
  );

  test('an append after close is never acknowledged', async () => {
    const { open } = setUp();
    const log = await open();
    await log.close();
    log.append([small(1)], () => expect.unreachable());
    await quiet();
    expect(log.status.pendingBytes).toBe(0);
  });
});
