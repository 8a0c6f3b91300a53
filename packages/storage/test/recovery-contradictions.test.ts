/**
 * The decision table of `FORMAT.md`, its last rows: frames that are intact, each at its place, and cannot all be
 * true; and files that are there and not yet sure to stay. No crash makes the former; a bug or a hand does.
 */
import { crc32 } from 'node:zlib';
import { type Random, seededRandom } from '@quorate/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { frameMask, frameTypeAt, paddedBytes, putFrameHead, segmentSeed } from '../src/frame.ts';
import {
  decodeSegment,
  type FileSystem,
  faultyFileSystem,
  type LogRecord,
  MemoryFileSystem,
  type SegmentFrame,
  segmentSequence,
  WriteAheadLog,
} from '../src/index.ts';
import { describeRecords, describeRecovered, entriesRecord, promiseClock, quiet } from './log-twin.ts';

/** A crash that keeps nothing of what no sync covers. */
const dropAll: Random = { ...seededRandom(1), below: () => 1, chance: () => true };
const bodyAt = 24;
let memory: MemoryFileSystem;

beforeEach(() => {
  memory = new MemoryFileSystem();
});

function open(fileSystem: FileSystem = memory.mount()): Promise<WriteAheadLog> {
  return WriteAheadLog.open({
    fileSystem,
    directory: '/log',
    clock: promiseClock,
    segmentBytes: 1_024,
    onFailure: () => undefined,
  });
}

function append(log: WriteAheadLog, ...records: LogRecord[]): Promise<void> {
  return new Promise((resolve) => log.append(records, resolve));
}

const payload = (seed: number): Uint8Array => new Uint8Array(300).fill(seed);
const entries = [1, 2, 3, 4, 5, 6, 7, 8].map((index) => entriesRecord(index, payload(index)));
const hardState: LogRecord = { type: 'hard-state', group: 0, epoch: 1, state: Uint8Array.of(1, 2, 3) };
const elsewhere: LogRecord = { ...entriesRecord(1, payload(9)), group: 9 };
const records: readonly LogRecord[] = [
  { type: 'forget', group: 7, epoch: 4 },
  hardState,
  elsewhere,
  ...entries,
  hardState,
];

/** A log of several segments; the process dies, the disk does not. */
async function writeAll(fileSystem: FileSystem = memory.mount()): Promise<void> {
  const log = await open(fileSystem);
  for (const record of records) await append(log, record);
  await quiet();
  memory.detach();
}

/** The segments in use, oldest first. */
function used(): readonly string[] {
  return memory.paths().filter((path) => decodeSegment(memory.image(path)).isHeadWhole);
}

function pathOf(at: number): string {
  const path = used()[at];
  if (path === undefined) throw new Error(`there is no segment ${at}`);
  return path;
}

/** Changes the frame of a segment that satisfies, and makes head and checksum fit what is in it then. */
function forge(
  at: number,
  which: (frame: SegmentFrame) => boolean,
  change: (frame: DataView) => { readonly group?: number; readonly epoch?: number } | undefined,
): string {
  const path = pathOf(at);
  const bytes = memory.image(path);
  const { frames } = decodeSegment(bytes);
  const frame = frames.find(which);
  if (frame === undefined) throw new Error('there is no such frame');
  const { start } = frame;
  const whole = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = whole.getUint32(start + 4, true);
  const head = change(new DataView(bytes.buffer, bytes.byteOffset + start, length));
  const found = { group: whole.getUint32(start + 12, true), epoch: whole.getUint32(start + 16, true) };
  putFrameHead(whole, start, { length, type: frameTypeAt(whole, start), ...found, ...head });
  const mask = frameMask(segmentSeed('', segmentSequence(path.slice('/log/'.length)) as number), start);
  const checksum = crc32(bytes.subarray(start + 4, start + paddedBytes(length)));
  whole.setUint32(start, (checksum ^ mask) >>> 0, true);
  memory.overwrite(path, 0, bytes);
  return path;
}

const isCheckpointOf =
  (group: number) =>
  (frame: SegmentFrame): boolean =>
    frame.kind === 'checkpoint' && frame.checkpoint.group === group && frame.checkpoint.epoch === 1;
const isCommit = (frame: SegmentFrame): boolean => frame.kind === 'commit';
const isRecord =
  (type: LogRecord['type']) =>
  (frame: SegmentFrame): boolean =>
    frame.kind === 'record' && frame.record.type === type;

describe('what is intact and contradicts what stands before it is rot', () => {
  test.each<[string, (frame: DataView) => { readonly group?: number; readonly epoch?: number } | undefined]>([
    ['another snapshot', (frame) => void frame.setUint32(bodyAt, 1, true)],
    ['another reign of the snapshot', (frame) => void frame.setUint32(bodyAt + 8, 1, true)],
    ['fewer entries', (frame) => void frame.setUint32(bodyAt + 16, 1, true)],
    ['another hard state', (frame) => void frame.setUint8(bodyAt + 32, 9)],
    ['no hard state', (frame) => void frame.setUint32(bodyAt + 24, 0, true)],
  ])('a checkpoint with %s', async (_, change) => {
    await writeAll();
    const path = forge(2, isCheckpointOf(0), change);
    await expect(open()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path } });
  });

  test('a checkpoint of an epoch that was forgotten, though it says nothing', async () => {
    await writeAll();
    const path = forge(2, isCheckpointOf(9), () => ({ group: 7, epoch: 3 }));
    await expect(open()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path } });
  });

  test('a header that announces more checkpoints than there are, or fewer', async () => {
    await writeAll();
    const path = pathOf(2);
    for (const change of [1, -1]) {
      const image = memory.image(path);
      const bytes = image.slice();
      const view = new DataView(bytes.buffer);
      view.setUint32(32, view.getUint32(32, true) + change, true);
      view.setUint32(8, crc32(bytes.subarray(12, 128)), true);
      memory.overwrite(path, 0, bytes);
      await expect(open()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path } });
      memory.overwrite(path, 0, image);
    }
  });

  test('a commit that says it holds the next one, too', async () => {
    await writeAll();
    const last = used().length - 1;
    const { frames, end } = decodeSegment(memory.image(pathOf(last)));
    expect(frames.filter(isCommit).length).toBeGreaterThan(1);
    const path = forge(last, isCommit, (frame) => {
      frame.setUint32(bodyAt + 16, end - 128, true);
      return undefined;
    });
    await expect(open()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path } });
  });

  test.each(['hard-state', 'entries'] as const)(
    'a record (%s) of an epoch that was forgotten',
    async (type) => {
      await writeAll();
      const path = forge(type === 'entries' ? 2 : used().length - 1, isRecord(type), () => ({
        group: 7,
        epoch: 4,
      }));
      await expect(open()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path } });
    },
  );

  test('bytes beyond the place where the next segment says that this one ended', async () => {
    await writeAll();
    for (const path of used().slice(0, -1)) {
      const image = memory.image(path);
      const { end } = decodeSegment(image);
      expect(end).toBeLessThan(image.byteLength);
      memory.overwrite(path, image.byteLength - 1, Uint8Array.of(1));
      await expect(open(), path).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path } });
      memory.overwrite(path, 0, image);
    }
    expect(describeRecovered((await open()).recovered)).toBe(describeRecords(records));
  });

  test('a segment that is larger than any that is ever written, before so much memory is asked for', async () => {
    await writeAll();
    const [first] = memory.paths();
    const inflated: FileSystem = {
      ...memory.mount(),
      open: async (path, mode) => ({ ...(await memory.open(path, mode)), sizeBytes: async () => 2 ** 40 }),
    };
    await expect(open(inflated)).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path: first } });
  });
});

test('scenario 33: a segment that a killed process had prepared is used only when its name is synced', async () => {
  const faulty = faultyFileSystem(memory.mount(), { random: seededRandom(1) });
  const log = await open(faulty);
  // From here on no name is synced. The first segment has room for this, and it makes the next one be prepared.
  faulty.set({ hang: ['sync-directory'] });
  await append(log, entriesRecord(1, payload(1)));
  await quiet();
  memory.detach();
  const prepared = memory.paths().filter((path) => !decodeSegment(memory.image(path)).isHeadWhole);
  expect(prepared).toHaveLength(1);

  const next = faultyFileSystem(memory.mount(), { random: seededRandom(1) });
  const again = await open(next);
  // What opening has not synced stays unsynced.
  next.set({ hang: ['sync-directory'] });
  const isInUse = (): boolean => decodeSegment(memory.image(prepared[0] as string)).isHeadWhole;
  const acknowledged = entries.slice(0, 1);
  while (!isInUse()) {
    const record = entries[acknowledged.length] as (typeof entries)[number];
    await append(again, record);
    acknowledged.push(record);
  }
  memory.crash(dropAll);
  expect(describeRecovered((await open()).recovered)).toBe(describeRecords(acknowledged));
});

test('scenario 33: the header of the last file is damaged, and not by zeroes: it is not taken for a blank one', async () => {
  const log = await open();
  const acknowledged: LogRecord[] = [];
  // The last file has one commit, so that no mark in it tells of it.
  for (let at = 0; used().length < 3; at++) {
    const record = entries[at] as (typeof entries)[number];
    await append(log, record);
    acknowledged.push(record);
  }
  await quiet();
  memory.detach();
  const path = pathOf(2);
  for (const later of memory.paths()) if (later > path) await memory.remove(later);
  for (const at of [0, 9, 20, 40, 127]) {
    const image = memory.image(path);
    memory.overwrite(path, at, Uint8Array.of(99));
    await expect(open(), `byte ${at}`).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path } });
    memory.overwrite(path, 0, image);
  }
  expect(describeRecovered((await open()).recovered)).toBe(describeRecords(acknowledged));
});
