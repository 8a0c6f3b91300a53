/** Resting groups do not keep the log for ever: their entries are copied forward, and only what is live. */
import { crc32 } from 'node:zlib';
import { type CodedError, seededRandom } from '@quorate/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { frameMask, frameType, segmentSeed } from '../src/frame.ts';
import {
  decodeSegment,
  type FaultyFileSystem,
  faultyFileSystem,
  type LogRecord,
  MemoryFileSystem,
  segmentSequence,
  WriteAheadLog,
} from '../src/index.ts';
import { describeRecords, describeRecovered, entriesRecord, promiseClock, quiet } from './log-twin.ts';

const first = '/log/0000000000000001.log';
let memory: MemoryFileSystem;
let disk: FaultyFileSystem;
let failures: CodedError[];

beforeEach(() => {
  memory = new MemoryFileSystem();
  disk = faultyFileSystem(memory, { random: seededRandom(1) });
  failures = [];
});

function open(segmentBytes = 2_048, pinnedSegmentsMax = 2): Promise<WriteAheadLog> {
  return WriteAheadLog.open({
    fileSystem: disk,
    directory: '/log',
    clock: promiseClock,
    segmentBytes,
    pinnedSegmentsMax,
    onFailure: (error) => failures.push(error),
  });
}

/** A log, and every record that was appended to it. */
class Appender {
  readonly records: LogRecord[] = [];
  readonly log: WriteAheadLog;
  #busyIndex = 0;

  constructor(log: WriteAheadLog) {
    this.log = log;
  }

  append(...records: readonly LogRecord[]): Promise<void> {
    this.records.push(...records);
    return new Promise((resolve) => this.log.append(records, resolve));
  }

  /** Group 0 works: entries of 700 bytes, each forgotten at once. */
  async work(times: number): Promise<void> {
    for (let time = 0; time < times; time++) {
      const index = ++this.#busyIndex;
      await this.append(entriesRecord(index, new Uint8Array(700).fill(index)));
      await this.append({ type: 'snapshot', group: 0, epoch: 1, index, reign: 1, discardsLog: false });
    }
    await quiet();
  }

  async expectRecovered(): Promise<void> {
    await this.log.close();
    expect(describeRecovered((await open()).recovered)).toBe(describeRecords(this.records));
  }
}

describe('a group that rests', () => {
  test('does not keep more segments than it is allowed, however long the others work', async () => {
    const life = new Appender(await open());
    await life.append(entriesRecord(1, Uint8Array.of(1), 5), entriesRecord(2, Uint8Array.of(2), 5));
    await life.append({ type: 'hard-state', group: 5, epoch: 1, state: Uint8Array.of(1, 2) });
    for (let round = 0; round < 10; round++) {
      await life.work(10);
      expect(life.log.status.segments).toBeLessThanOrEqual(5);
    }
    expect(life.log.status.copiedBytes).toBeGreaterThan(0);
    expect(segmentSequence(memory.paths()[0]?.slice('/log/'.length) ?? '')).toBeGreaterThan(40);
    await life.expectRecovered();
  });

  test('keeps what it wrote last, where it wrote an entry twice in one segment', async () => {
    const life = new Appender(await open());
    for (const value of [1, 2, 3]) await life.append(entriesRecord(1, Uint8Array.of(value), 5));
    await life.append(entriesRecord(2, Uint8Array.of(7), 5), entriesRecord(4, Uint8Array.of(8), 5));
    await life.work(20);
    expect(memory.paths()).not.toContain(first);
    await life.expectRecovered();
  });

  test('with more entries than one commit takes is copied in several, and the log goes on between them', async () => {
    const life = new Appender(await open(2 * 1024 * 1024));
    for (let index = 1; index <= 1_000; index++) {
      void life.append(entriesRecord(index, new Uint8Array(1_000).fill(index), 5));
    }
    await life.append();
    for (let index = 1; index <= 40; index++) {
      await life.append(entriesRecord(index, new Uint8Array(300_000).fill(index)));
      await life.append({ type: 'snapshot', group: 0, epoch: 1, index, reign: 1, discardsLog: false });
    }
    await quiet();
    expect(memory.paths()).not.toContain(first);
    expect(life.log.status.copiedBytes).toBeGreaterThan(1_000_000);
    await life.expectRecovered();
  });

  test('and others in other segments go one after the other, also when no segment is begun meanwhile', async () => {
    const before = new Appender(await open(2_048, 100));
    for (const group of [5, 6, 7, 8]) {
      await before.append(entriesRecord(1, Uint8Array.of(group), group));
      await before.work(6);
    }
    await before.log.close();
    const life = new Appender(await open());
    expect(life.log.status.segments).toBeGreaterThan(10);
    for (let time = 0; time < 10; time++) {
      await life.append({ type: 'hard-state', group: 9, epoch: 1, state: Uint8Array.of(time) });
      await quiet();
    }
    expect(life.log.status.segments).toBeLessThanOrEqual(4);
    life.records.unshift(...before.records);
    await life.expectRecovered();
  });

  test('is not copied while most of the log is live: copying could not make it shorter', async () => {
    const life = new Appender(await open());
    await life.append(entriesRecord(1, Uint8Array.of(1), 5));
    for (let index = 1; index <= 40; index++)
      await life.append(entriesRecord(index, new Uint8Array(700).fill(1)));
    await quiet();
    expect(life.log.status).toMatchObject({ copiedBytes: 0, segments: 20 });
    await life.expectRecovered();
  });
});

describe('what changes while the old segment is being read', () => {
  const name = { group: 5, epoch: 1 };
  const changes: readonly [string, readonly LogRecord[]][] = [
    ['entries that are truncated', [{ type: 'truncate', ...name, after: 1 }]],
    ['an entry that is replaced', [entriesRecord(2, Uint8Array.of(99), 5)]],
    [
      'entries that are truncated, and one written anew',
      [{ type: 'truncate', ...name, after: 0 }, entriesRecord(1, Uint8Array.of(98), 5)],
    ],
    ['entries below a snapshot', [{ type: 'snapshot', ...name, index: 2, reign: 1, discardsLog: false }]],
    ['a log that is discarded', [{ type: 'snapshot', ...name, index: 1, reign: 1, discardsLog: true }]],
    ['an epoch that is forgotten', [{ type: 'forget', group: 5, epoch: 1 }]],
  ];
  test.each(changes)('is not brought back: %s', async (_, records) => {
    const life = new Appender(await open());
    for (const index of [1, 2, 3]) await life.append(entriesRecord(index, Uint8Array.of(index), 5));
    disk.set({ hang: ['read'] });
    await life.work(10);
    expect(disk.counts.hung).toBeGreaterThan(0);
    await life.append(...records);
    disk.set({});
    await life.work(10);
    expect(memory.paths()).not.toContain(first);
    await life.expectRecovered();
  });

  test('also when the change and the copy are written in one turn', async () => {
    const life = new Appender(await open());
    for (const index of [1, 2, 3]) await life.append(entriesRecord(index, Uint8Array.of(index), 5));
    disk.set({ hang: ['read'] });
    await life.work(10);
    disk.set({});
    await quiet();
    // The copies are ready, and go with this very commit.
    const before = life.log.status.copiedBytes;
    await life.append({ type: 'truncate', group: 5, epoch: 1, after: 1 });
    expect(life.log.status.copiedBytes).toBeGreaterThan(before);
    await life.work(10);
    await life.expectRecovered();
  });
});

test('what changes between two commits of copies is not brought back by the second', async () => {
  const life = new Appender(await open(2 * 1024 * 1024));
  for (let index = 1; index <= 1_000; index++) {
    void life.append(entriesRecord(index, new Uint8Array(1_000).fill(index), 5));
  }
  await life.append();
  for (let index = 1; life.log.status.copiedBytes === 0; index++) {
    await life.append(entriesRecord(index, new Uint8Array(300_000).fill(index)));
    await life.append({ type: 'snapshot', group: 0, epoch: 1, index, reign: 1, discardsLog: false });
  }
  await life.append({ type: 'truncate', group: 5, epoch: 1, after: 900 });
  await life.append(entriesRecord(901, Uint8Array.of(1, 2, 3), 5));
  for (let time = 0; time < 9; time++) await life.append(entriesRecord(1_000 + time, Uint8Array.of(time)));
  await quiet();
  expect(life.log.status.copiedBytes).toBeGreaterThan(800_000);
  await life.expectRecovered();
});

test('damage that the copying meets ends the log: the segment with the only copy does not go', async () => {
  for (const damage of ['head', 'type', 'payload', 'gone'] as const) {
    memory = new MemoryFileSystem();
    disk = faultyFileSystem(memory, { random: seededRandom(1) });
    failures = [];
    const life = new Appender(await open());
    for (const index of [1, 2, 3]) await life.append(entriesRecord(index, new Uint8Array(20).fill(index), 5));
    const { frames } = decodeSegment(memory.image(first));
    const { start, end } = frames.find(({ kind }) => kind === 'record') ?? { start: 0, end: 0 };
    const at = { head: start + 4, type: start + 8, payload: end - 12, gone: start }[damage];
    const bytes = damage === 'gone' ? new Uint8Array(end - start) : Uint8Array.of(0x55);
    memory.overwrite(first, at, bytes);
    // Nothing is acknowledged once the damage is known.
    void life.work(20);
    for (let turn = 0; turn < 60; turn++) await quiet();
    expect(failures, damage).toMatchObject([
      { code: 'ERR_LOG_CORRUPT', details: { path: first, position: start } },
    ]);
    await life.log.close();
    expect(memory.paths()).toContain(first);
  }
});

test('an entry that is needed and not there ends the log, though every record that is there is whole', async () => {
  const life = new Appender(await open());
  for (const index of [1, 2, 3]) await life.append(entriesRecord(index, new Uint8Array(20).fill(index), 5));
  const bytes = memory.image(first);
  const { start, end } = decodeSegment(bytes).frames.find(({ kind }) => kind === 'record') ?? {
    start: 0,
    end: 0,
  };
  // The first entry becomes a hard state: intact, at its place, and of no use to whoever needs the entry.
  const view = new DataView(bytes.buffer);
  view.setUint8(start + 8, frameType.hardState);
  view.setUint32(
    start,
    (crc32(bytes.subarray(start + 4, end)) ^ frameMask(segmentSeed('', 1), start)) >>> 0,
    true,
  );
  expect(decodeSegment(bytes).frames.find(({ kind }) => kind === 'record')).toMatchObject({
    record: { type: 'hard-state', group: 5 },
  });
  memory.overwrite(first, 0, bytes);
  void life.work(20);
  for (let turn = 0; turn < 60; turn++) await quiet();
  expect(failures).toMatchObject([{ code: 'ERR_LOG_CORRUPT', details: { path: first } }]);
  expect(failures[0]?.message).toContain('entry 1 of group 5');
  await life.log.close();
  expect(memory.paths()).toContain(first);
});
