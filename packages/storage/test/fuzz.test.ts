/**
 * Decoders meet damaged bytes: a typed error or the right value, in bounded memory and time.
 *
 * A few thousand mutations run with the other tests; `QUORATE_FUZZ_MUTATIONS=1000000` does a million, divided
 * among the decoders, and `QUORATE_FUZZ_SEED` draws others: see `core/test/wire/fuzzing.ts`.
 */
import { crc32 } from 'node:zlib';
import { CodedError, type Random, seededRandom } from '@quorate/core';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { countCost, watchGrowth } from '../../core/test/wire/decode-cost.ts';
import { frameMask, paddedBytes, segmentSeed } from '../src/frame.ts';
import {
  decodeSegment,
  entryRanges,
  type LogRecord,
  MemoryFileSystem,
  readNodeDirectory,
  type SegmentFrame,
  SnapshotStore,
  segmentSequence,
  WriteAheadLog,
} from '../src/index.ts';
import { describeRecords, describeRecovered, entriesRecord, promiseClock } from './log-twin.ts';
import { mutate } from './mutation.ts';

const mutations = Number(process.env['QUORATE_FUZZ_MUTATIONS'] ?? 6_000);
vi.setConfig({ testTimeout: 60_000 + mutations });
const seed = Number(process.env['QUORATE_FUZZ_SEED'] ?? 1);
/** What part of all mutations each decoder gets: those that cost more get fewer. */
const shares = { segment: 0.55, checked: 0.3, log: 0.05, snapshot: 0.05, superblock: 0.05 };

function runs(target: keyof typeof shares): number {
  return Math.round(mutations * shares[target]);
}

const diskId = 'disk';
const records: readonly (readonly LogRecord[])[] = [
  [{ type: 'hard-state', group: 0, epoch: 0, state: Uint8Array.of(1, 2, 3) }],
  [entriesRecord(1, new Uint8Array(90).fill(1)), entriesRecord(2, new Uint8Array(300))],
  [{ type: 'snapshot', group: 0, epoch: 1, index: 1, reign: 3, discardsLog: false }],
  [{ type: 'truncate', group: 0, epoch: 1, after: 1 }, entriesRecord(2, Uint8Array.of(7))],
  [{ type: 'forget', group: 1, epoch: 4 }],
  [entriesRecord(3, new Uint8Array(700).fill(3)), entriesRecord(4, new Uint8Array(0))],
  [{ type: 'hard-state', group: 2, epoch: 1, state: new Uint8Array(40).fill(9) }],
  [entriesRecord(5, new Uint8Array(500).fill(5), 2)],
];
/** Every state that a prefix of the commits leads to. */
const prefixes = new Set(records.map((_, length) => describeRecords(records.slice(0, length + 1).flat())));
prefixes.add(describeRecords([]));
interface SegmentImage {
  readonly path: string;
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

let images: readonly SegmentImage[];

function openLog(fileSystem: MemoryFileSystem): Promise<WriteAheadLog> {
  return WriteAheadLog.open({
    fileSystem,
    directory: '/log',
    clock: promiseClock,
    segmentBytes: 1_024,
    diskId,
    onFailure: () => undefined,
  });
}

beforeAll(async () => {
  const memory = new MemoryFileSystem();
  const log = await openLog(memory);
  for (const together of records) await new Promise<void>((resolve) => log.append(together, resolve));
  memory.detach();
  images = memory.paths().map((path) => {
    const sequence = segmentSequence(path.slice('/log/'.length)) ?? 0;
    return { path, sequence, bytes: memory.image(path) };
  });
  expect(images.length).toBeGreaterThan(3);
});

function pick<T>(list: readonly T[], random: Random): T {
  const found = list[random.below(list.length)];
  if (found === undefined) throw new Error('there is nothing to pick from');
  return found;
}

function copyOfFirst(): SegmentImage {
  const [first] = images;
  if (first === undefined) throw new Error('there is no segment');
  return { ...first, bytes: first.bytes.slice() };
}

let growth = watchGrowth();

beforeEach(() => {
  growth = watchGrowth();
});

afterEach(() => {
  expect(growth()).toBeUndefined();
});

/** Runs `decode`; what it throws must be one of our errors, and what it costs has bounds. */
async function typed<T>(decode: () => T | Promise<T>): Promise<T | undefined> {
  const cost = countCost();
  const decoded = await decodedOrRefused(decode);
  const exceeded = cost();
  if (exceeded !== undefined) throw new Error(exceeded);
  return decoded;
}

async function decodedOrRefused<T>(decode: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await decode();
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    expect(['ERR_LOG_CORRUPT', 'ERR_FOREIGN_DATA']).toContain(error.code);
    return undefined;
  }
}

/** Makes the checksum of the frame at `start` fit what is in it. */
function seal(bytes: Uint8Array, sequence: number, start: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const checksum = crc32(bytes.subarray(start + 4, start + paddedBytes(view.getUint32(start + 4, true))));
  view.setUint32(start, (checksum ^ frameMask(segmentSeed(diskId, sequence), start)) >>> 0, true);
}

/** What is counted with: everything but times and payloads. */
function numbersOf(frame: SegmentFrame): number[] {
  if (frame.kind === 'commit') return [frame.syncedTo, frame.oldestSequence, frame.commitBytes];
  if (frame.kind === 'checkpoint') {
    const { epoch, snapshot, lastIndex } = frame.checkpoint;
    return [epoch, lastIndex, snapshot.index, snapshot.reign];
  }
  const { record } = frame;
  if (record.type === 'entries') return record.entries.flatMap(({ index, reign }) => [index, reign]);
  if (record.type === 'snapshot') return [record.index, record.reign];
  return record.type === 'truncate' ? [record.epoch, record.after] : [record.epoch];
}

function textOf(frame: SegmentFrame): string {
  return JSON.stringify(frame, (_, value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
  );
}

test('segments: what is read is what was written there, or nothing', async () => {
  const random = seededRandom(seed);
  const written = new Map(
    images.map(({ path, bytes }) => [path, new Set(decodeSegment(bytes).frames.map(textOf))]),
  );
  let read = 0;
  for (let run = 0; run < runs('segment'); run++) {
    const { path, sequence, bytes: whole } = pick(images, random);
    const bytes = mutate(whole, random);
    // The segment is known by its name: its header alone could be another's.
    const decoded = await typed(() => decodeSegment(bytes, { diskId, sequence }));
    for (const frame of decoded?.frames ?? []) expect(written.get(path)).toContain(textOf(frame));
    read += decoded?.frames.length ?? 0;
    if (decoded !== undefined) expect(decoded.end).toBeLessThanOrEqual(bytes.byteLength);
  }
  expect(read).toBeGreaterThan(runs('segment'));
});

test('frames whose checksum fits, with anything in them: read or refused, never more than is there', async () => {
  const random = seededRandom(seed + 1);
  for (let run = 0; run < runs('checked'); run++) {
    const { path: victim, sequence, bytes: whole } = pick(images, random);
    const bytes = whole.slice();
    const { frames } = decodeSegment(bytes);
    if (frames.length === 0) continue;
    const { start, end } = pick(frames, random);
    const body = mutate(bytes.subarray(start + 24, end), random);
    bytes.set(body.subarray(0, end - start - 24), start + 24);
    if (random.chance(0.3)) bytes[start + 8] = random.below(12);
    seal(bytes, sequence, start);
    const decoded = await typed(() => decodeSegment(bytes, { diskId, sequence }));
    for (const frame of decoded?.frames ?? []) {
      expect(numbersOf(frame).every(Number.isSafeInteger)).toBe(true);
      for (const range of entryRanges(frame)) expect(range.end).toBeLessThanOrEqual(frame.end);
    }
    if (run % 10 !== 0) continue;
    const memory = new MemoryFileSystem();
    await memory.makeDirectory('/log');
    for (const { path, bytes: image } of images) {
      await (await memory.open(path, 'create')).write([path === victim ? bytes : image], 0);
    }
    await typed(async () => (await openLog(memory)).close());
  }
});

test.each([0, 8, 55, 57, 2 ** 31])('a commit that claims to have %i bytes is no commit', (commitBytes) => {
  const { sequence, bytes } = copyOfFirst();
  const { frames } = decodeSegment(bytes);
  const last = frames.findLast(({ kind }) => kind === 'commit')?.start ?? 0;
  new DataView(bytes.buffer).setUint32(last + 24 + 16, commitBytes, true);
  seal(bytes, sequence, last);
  expect(decodeSegment(bytes, { diskId, sequence })).toMatchObject({ end: last });
});

test.each([0, 1])('numbers that no one can count with are not read (%i)', (field) => {
  const { sequence, bytes } = copyOfFirst();
  const frame = decodeSegment(bytes).frames.find((one) => entryRanges(one).length > 0);
  const { start = 0 } = frame ?? {};
  new DataView(bytes.buffer).setUint32(start + 24 + 8 + field * 8 + 4, 2 ** 21, true);
  seal(bytes, sequence, start);
  expect(decodeSegment(bytes, { diskId, sequence }).stop).toBe(start);
});

test('logs: an open log holds what a prefix of its commits led to', async () => {
  const random = seededRandom(seed + 2);
  for (let run = 0; run < runs('log'); run++) {
    const memory = new MemoryFileSystem();
    await memory.makeDirectory('/log');
    const victim = pick(images, random);
    for (const image of images) {
      const { path, bytes } = image;
      const content = image === victim ? mutate(bytes, random) : bytes;
      await (await memory.open(path, 'create')).write([content], 0);
    }
    const log = await typed(() => openLog(memory));
    if (log === undefined) continue;
    expect(prefixes).toContain(describeRecovered(log.recovered));
    await log.close();
  }
});

test('snapshots: the content that was written, or an error', async () => {
  const random = seededRandom(seed + 3);
  const position = { group: 1, epoch: 2, index: 7, reign: 3 };
  const memory = new MemoryFileSystem();
  const store = await SnapshotStore.open({ fileSystem: memory, directory: '/s' });
  const content = Uint8Array.from({ length: 900 }, () => random.below(256));
  const writer = await store.create(position);
  await writer.append(content);
  await writer.commit();
  const [path = ''] = memory.paths();
  const whole = memory.image(path);
  for (let run = 0; run < runs('snapshot'); run++) {
    const disk = new MemoryFileSystem();
    await disk.makeDirectory('/s');
    const bytes = mutate(whole, random);
    await (await disk.open(path, 'create')).write([bytes], 0);
    const again = await SnapshotStore.open({ fileSystem: disk, directory: '/s' });
    const isWhole = Buffer.compare(bytes, whole) === 0;
    expect(again.latest(1) !== undefined).toBe(isWhole);
    const offset = random.below(1_000);
    const read = await typed(async () => (await again.reader(position)).read(offset, 500));
    if (read !== undefined) expect(Buffer.compare(read, content.subarray(offset, offset + 500))).toBe(0);
  }
});

test('superblocks: what was written, or an error, with a checksum that fits as well', async () => {
  const random = seededRandom(seed + 4);
  const line = JSON.stringify({ format: 1, cluster: 'c', node: 'n', disk: 'd', established: true });
  const checksumOf = (text: string): string => (crc32(text) >>> 0).toString(16).padStart(8, '0');
  for (let run = 0; run < runs('superblock'); run++) {
    const disk = new MemoryFileSystem();
    await disk.makeDirectory('/n');
    const isChecked = random.chance(0.5);
    const damaged = Buffer.from(mutate(Buffer.from(line), random))
      .toString('latin1')
      .replaceAll('\n', ' ');
    const text = `${damaged}\n${checksumOf(isChecked ? Buffer.from(damaged, 'latin1').toString() : line)}\n`;
    await (await disk.open('/n/superblock.json', 'create')).write([Buffer.from(text, 'latin1')], 0);
    const found = await typed(() => readNodeDirectory({ fileSystem: disk, directory: '/n' }));
    if (found === undefined) continue;
    expect([typeof found.clusterId, typeof found.node, typeof found.diskId]).toEqual(Array(3).fill('string'));
    if (!isChecked) expect(found).toEqual({ clusterId: 'c', node: 'n', diskId: 'd', isEstablished: true });
  }
});

test('files with names of ours and impossible numbers in them are no reason to fail', async () => {
  const disk = new MemoryFileSystem();
  for (const directory of ['/log', '/s']) await disk.makeDirectory(directory);
  await disk.open('/log/9999999999999999.log', 'create');
  await disk.open('/s/0-1-99999999999999999999-1.snap', 'create');
  await disk.open('/s/99999999999-1-1-1.snap', 'create');
  expect((await openLog(disk)).recovered).toEqual([]);
  const store = await SnapshotStore.open({ fileSystem: disk, directory: '/s' });
  expect(store.latest(0)).toBeUndefined();
});
