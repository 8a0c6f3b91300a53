/** Epochs come and go in the log: an append is whole or absent, and a forgotten epoch is gone for good. */
import { beforeEach, describe, expect, test } from 'vitest';
import { decodeSegment, type LogRecord, MemoryFileSystem, WriteAheadLog } from '../src/index.ts';
import { describeRecords, describeRecovered, entriesRecord, promiseClock, quiet } from './log-twin.ts';

const first = '/log/0000000000000001.log';
let memory: MemoryFileSystem;

beforeEach(() => {
  memory = new MemoryFileSystem();
});

function open(segmentBytes = 8 * 1024): Promise<WriteAheadLog> {
  return WriteAheadLog.open({
    fileSystem: memory.mount(),
    directory: '/log',
    clock: promiseClock,
    segmentBytes,
    onFailure: (error) => {
      throw error;
    },
  });
}

function append(log: WriteAheadLog, ...records: readonly LogRecord[]): Promise<void> {
  return new Promise((resolve) => log.append(records, resolve));
}

async function recover(segmentBytes?: number): Promise<string> {
  const log = await open(segmentBytes);
  memory.detach();
  return describeRecovered(log.recovered);
}

/** What a replica appends when it moves to a new epoch. */
function moveTo(epoch: number, stateBytes: number): readonly LogRecord[] {
  return [
    { type: 'hard-state', group: 0, epoch: 0, state: new Uint8Array(stateBytes).fill(epoch) },
    { type: 'snapshot', group: 0, epoch, index: epoch * 100, reign: 0, discardsLog: false },
    { type: 'hard-state', group: 0, epoch, state: new Uint8Array(stateBytes).fill(0x40 + epoch) },
  ];
}

const stateOf = (epoch: number): LogRecord => ({
  type: 'hard-state',
  group: 0,
  epoch,
  state: Uint8Array.of(epoch, 1, 2),
});
const forget = (epoch: number, group = 0): LogRecord => ({ type: 'forget', group, epoch });

describe('one append', () => {
  test.each([1, 8, 100, 500, 700])(
    'of three records with states of %i bytes, cut at every byte: all of it or nothing',
    async (stateBytes) => {
      const before = [entriesRecord(1, new Uint8Array(90).fill(7))];
      const move = moveTo(2, stateBytes);
      const log = await open();
      await append(log, ...before);
      await append(log, ...move);
      memory.detach();
      const bytes = memory.image(first);
      const { frames } = decodeSegment(bytes);
      const start = frames.findLast(({ kind }) => kind === 'commit')?.start ?? 0;
      const end = frames.at(-1)?.end ?? 0;
      for (let cut = start; cut <= end; cut++) {
        memory.overwrite(first, 0, bytes);
        memory.overwrite(first, cut, new Uint8Array(end - cut));
        const expected = cut === end ? [...before, ...move] : before;
        expect(await recover(), `cut at ${cut}`).toBe(describeRecords(expected));
      }
    },
  );

  test('any one sector of it not written, as the first commit of a segment or a later one: all or nothing', async () => {
    for (const fill of [100, 6_000]) {
      memory = new MemoryFileSystem();
      const before = [entriesRecord(1, new Uint8Array(fill).fill(7))];
      const move = moveTo(2, 900);
      const log = await open();
      await append(log, ...before);
      await append(log, ...move);
      memory.detach();
      const path = memory.paths().findLast((name) => decodeSegment(memory.image(name)).isHeadWhole) ?? '';
      expect(path === first).toBe(fill === 100);
      // Prepared after the commit was synced: not there yet when the power fails before.
      for (const later of memory.paths()) if (later > path) await memory.remove(later);
      const images = memory.paths().map((name) => [name, memory.image(name)] as const);
      const { frames, end } = decodeSegment(memory.image(path));
      const start = path === first ? (frames.findLast(({ kind }) => kind === 'commit')?.start ?? 0) : 0;
      for (let at = start - (start % 512); at < end; at += 512) {
        for (const [name, image] of images) memory.overwrite(name, 0, image);
        const from = Math.max(at, start);
        memory.overwrite(path, from, new Uint8Array(Math.min(at + 512, end) - from));
        expect(await recover(), `sector at ${at}`).toBe(describeRecords(before));
        expect(await recover(), `again, sector at ${at}`).toBe(describeRecords(before));
      }
    }
  });
});

describe('forget', () => {
  test('takes the epoch and those below it, of its own group only, and never epoch 0', async () => {
    const records = [
      ...[0, 1, 2, 3].flatMap((epoch) => [
        stateOf(epoch),
        { ...entriesRecord(5, Uint8Array.of(epoch)), epoch } as LogRecord,
        { ...stateOf(epoch), group: 1 } as LogRecord,
      ]),
      forget(2),
    ];
    const log = await open();
    await append(log, ...records);
    await log.close();
    const again = await open();
    expect(again.recovered.map(({ group, epoch }) => `${group}/${epoch}`)).toEqual([
      ...['0/0', '0/3'],
      ...['1/0', '1/1', '1/2', '1/3'],
    ]);
    expect(describeRecovered(again.recovered)).toBe(describeRecords(records));
  });

  test('lets go the segments that only a forgotten epoch needed, and its checkpoint with them', async () => {
    const log = await open(1_024);
    await append(log, stateOf(0));
    for (let index = 1; index <= 12; index++)
      await append(log, entriesRecord(index, new Uint8Array(600).fill(1)));
    await append(log, ...moveTo(2, 10));
    expect(log.status.segments).toBeGreaterThan(8);
    expect(log.status.pinnedBy).toMatchObject({ group: 0, epoch: 1 });
    await append(log, forget(1));
    expect(log.status.pinnedBy).toBeUndefined();
    await append(log, stateOf(2));
    await quiet();
    expect(log.status.segments).toBeLessThanOrEqual(2);
    for (const index of [201, 202, 203]) {
      await append(log, { ...entriesRecord(index, new Uint8Array(600).fill(2)), epoch: 2 } as LogRecord);
      await append(log, { type: 'snapshot', group: 0, epoch: 2, index, reign: 1, discardsLog: false });
    }
    await log.close();
    await quiet();
    expect(memory.paths().length).toBeLessThanOrEqual(3);
    const epochs = memory
      .paths()
      .flatMap((path) => decodeSegment(memory.image(path)).frames)
      .flatMap((frame) => (frame.kind === 'checkpoint' ? [frame.checkpoint.epoch] : []));
    expect(new Set(epochs)).toEqual(new Set([0, 2]));
  });

  test('a second one, or one of a lower epoch, changes nothing', async () => {
    const log = await open();
    await append(log, stateOf(3), forget(2), forget(1), forget(2));
    await log.close();
    expect(await recover()).toBe(describeRecords([stateOf(3)]));
  });

  test('a record for a forgotten epoch is a bug of the caller, also after segments went and a restart', async () => {
    const log = await open(1_024);
    await append(log, stateOf(0), stateOf(1), stateOf(2), forget(2));
    expect(() => log.append([stateOf(2)], () => undefined)).toThrow(/epoch 2 of group 0 was forgotten/);
    expect(() => log.append([stateOf(3), stateOf(1)], () => expect.unreachable())).toThrow(/forgotten/);
    expect(() => log.append([forget(0)], () => undefined)).toThrow(/epoch 0/);
    await append(log, { ...stateOf(1), group: 1 } as LogRecord, stateOf(0), stateOf(3));
    for (let index = 1; index <= 4; index++) {
      await append(log, { ...entriesRecord(index, new Uint8Array(600).fill(1)), epoch: 3 } as LogRecord);
      await append(log, { type: 'snapshot', group: 0, epoch: 3, index, reign: 1, discardsLog: false });
    }
    await log.close();
    expect(memory.paths()[0]).not.toBe(first);
    const again = await open(1_024);
    expect(() => again.append([stateOf(2)], () => undefined)).toThrow(/forgotten/);
    await append(again, stateOf(3));
  });
});
