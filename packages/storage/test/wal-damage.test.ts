/** The log over files that were cut, torn or altered: a torn tail is cut for good, rot is never cut. */
import { seededRandom } from '@quorate/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { decodeSegment, type LogRecord, MemoryFileSystem, WriteAheadLog } from '../src/index.ts';
import { describeRecords, describeRecovered, entriesRecord, promiseClock } from './log-twin.ts';

const segmentBytes = 8 * 1024;
const first = '/log/0000000000000001.log';
let memory: MemoryFileSystem;

beforeEach(() => {
  memory = new MemoryFileSystem();
});

function open(
  options: { readonly diskId?: string; readonly segmentBytes?: number } = {},
): Promise<WriteAheadLog> {
  return WriteAheadLog.open({
    fileSystem: memory.mount(),
    directory: '/log',
    clock: promiseClock,
    segmentBytes,
    onFailure: (error) => {
      throw error;
    },
    ...options,
  });
}

function append(log: WriteAheadLog, ...records: LogRecord[]): Promise<void> {
  return new Promise((resolve) => log.append(records, resolve));
}

/** The process dies without a word, so that no mark covers the last commit. */
function die(): void {
  memory.detach();
}

/** Random bytes without a zero: no part of it can be taken for a sector that was not written. */
function noise(bytes: number, seed = 1): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: bytes }, () => 1 + random.below(255));
}

/** The last commit, which the caller then damages: [start, end) in the first segment. */
async function writeThree(last: Uint8Array): Promise<{ records: LogRecord[]; start: number; end: number }> {
  const records = [entriesRecord(1, noise(40)), entriesRecord(2, noise(700)), entriesRecord(3, last)];
  const log = await open();
  for (const record of records) await append(log, record);
  die();
  const { frames } = decodeSegment(memory.image(first));
  const commit = frames.findLast((frame) => frame.kind === 'commit');
  return { records, start: commit?.start ?? 0, end: frames.at(-1)?.end ?? 0 };
}

async function recover(): Promise<string> {
  const log = await open();
  die();
  return describeRecovered(log.recovered);
}

describe('scenario 32: a torn tail', () => {
  test.each([
    ['no zeroes', noise(700)],
    ['many zeroes', new Uint8Array(700)],
  ])(
    'cut at every byte of the last commit (payload with %s): it is gone, and what follows survives',
    async (_, payload) => {
      const { records, start, end } = await writeThree(payload);
      const whole = memory.image(first);
      const two = describeRecords(records.slice(0, 2));
      const four = describeRecords([...records.slice(0, 2), entriesRecord(9, noise(600, 2))]);
      for (let cut = start; cut < end; cut++) {
        memory.overwrite(first, 0, whole);
        memory.overwrite(first, cut, new Uint8Array(end - cut));
        const log = await open();
        expect(describeRecovered(log.recovered), `cut at ${cut}`).toBe(two);
        if (cut > start + 8) expect(log.torn).toMatchObject({ path: first, position: start });
        await append(log, entriesRecord(9, noise(600, 2)));
        die();
        expect(await recover(), `second recovery, cut at ${cut}`).toBe(four);
      }
    },
  );

  test('a sector of the last commit that was not written: the commit is gone, and all of it is cut', async () => {
    const { records, start, end } = await writeThree(noise(2_000));
    const whole = memory.image(first);
    for (let sector = Math.floor(start / 512) * 512; sector < end; sector += 512) {
      memory.overwrite(first, 0, whole);
      const from = Math.max(sector, start);
      memory.overwrite(first, from, new Uint8Array(Math.min(sector + 512, end) - from));
      expect(await recover()).toBe(describeRecords(records.slice(0, 2)));
      const cut = decodeSegment(memory.image(first));
      expect(cut.verdict).toBe('end');
      expect(cut.dataEnd).toBeLessThanOrEqual(cut.end);
    }
  });

  test('a first commit that was torn leaves a blank log', async () => {
    const log = await open();
    await log.close();
    memory.overwrite(first, 0, new Uint8Array(512));
    const again = await open();
    expect(again.recovered).toEqual([]);
    expect(again.torn).toBeUndefined();
    await append(again, entriesRecord(1, noise(9)));
    die();
    expect(await recover()).toBe(describeRecords([entriesRecord(1, noise(9))]));
  });

  test('recovery makes the last commit durable anew: a sync that failed may have left it in the cache only', async () => {
    const log = await open();
    await append(log, entriesRecord(1, noise(30)));
    // What a failed sync leaves: readable, taken for clean, and not on the disk.
    const hung = new Promise<void>(() => undefined);
    const disk = new MemoryFileSystem({
      settle: (operation) => (operation.kind === 'datasync' && isHung ? hung : Promise.resolve()),
    });
    let isHung = false;
    memory = disk;
    const second = await open();
    isHung = true;
    second.append([entriesRecord(1, noise(30))], () => expect.unreachable());
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    disk.loseUnsynced(first);
    die();
    isHung = false;
    expect(await recover()).toBe(describeRecords([entriesRecord(1, noise(30))]));
    disk.crash(seededRandom(1));
    expect(await recover()).toBe(describeRecords([entriesRecord(1, noise(30))]));
  });
});

describe('scenario 32: rot', () => {
  test('any flipped bit below a mark is ERR_LOG_CORRUPT, with file and position', async () => {
    const { records, start } = await writeThree(noise(100));
    const whole = memory.image(first);
    for (let at = 0; at < start; at += 7) {
      memory.overwrite(first, at, Uint8Array.of((whole[at] ?? 0) ^ (1 << (at % 8))));
      const refused = await recover().catch((error: unknown) => error);
      expect(refused, `byte ${at}`).toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path: first } });
      expect(Number((refused as { details: { position: number } }).details.position)).toBeLessThanOrEqual(at);
      memory.overwrite(first, 0, whole);
    }
    expect(await recover()).toBe(describeRecords(records));
  });

  test('a flipped bit in the last commit, which no mark covers, is not taken for a torn write', async () => {
    const { start, end } = await writeThree(noise(900));
    const whole = memory.image(first);
    for (let at = start; at < end; at++) {
      memory.overwrite(first, at, Uint8Array.of((whole[at] ?? 0) ^ 4));
      await expect(recover(), `byte ${at}`).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' });
      memory.overwrite(first, 0, whole);
    }
  });

  test('a sector of zeroes below a mark is rot, not the end of the log', async () => {
    await writeThree(noise(100));
    memory.overwrite(first, 512, new Uint8Array(512));
    await expect(recover()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' });
  });

  test('after a clean close the whole log lies below a mark', async () => {
    const log = await open();
    await append(log, entriesRecord(1, noise(900)));
    await log.close();
    memory.overwrite(first, 512, new Uint8Array(512));
    await expect(recover()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' });
  });

  test('a sector that lies at another place than it was written for is not believed', async () => {
    const log = await open();
    for (let index = 1; index <= 6; index++) await append(log, entriesRecord(index, noise(512 - 48 - 60)));
    die();
    const bytes = memory.image(first);
    const { frames } = decodeSegment(bytes);
    const [one, other] = frames.filter((frame) => frame.kind === 'record').slice(1, 3);
    expect((one?.end ?? 0) - (one?.start ?? 0)).toBe((other?.end ?? 0) - (other?.start ?? 0));
    memory.overwrite(first, other?.start ?? 0, bytes.subarray(one?.start, one?.end));
    await expect(recover()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' });
  });
});

describe('bytes of another log', () => {
  async function imageFor(diskId: string, seed: number): Promise<Uint8Array> {
    memory = new MemoryFileSystem();
    const log = await open({ diskId });
    for (let index = 1; index <= 5; index++)
      await append(log, entriesRecord(index, noise(400, seed + index)));
    die();
    return memory.image(first);
  }

  test('that stand where ours stood, frame for frame, are not believed', async () => {
    const foreign = await imageFor('disk-b', 10);
    const own = await imageFor('disk-a', 20);
    const [one, two] = [own, foreign].map((bytes) =>
      decodeSegment(bytes).frames.map(({ start, end }) => [start, end]),
    );
    expect(one).toEqual(two);
    const { start, end } = decodeSegment(own).frames.filter(({ kind }) => kind === 'record')[2] ?? {
      start: 0,
      end: 0,
    };
    memory.overwrite(first, start, foreign.subarray(start, end));
    await expect(open({ diskId: 'disk-a' })).rejects.toMatchObject({
      code: 'ERR_LOG_CORRUPT',
      details: { position: start },
    });
  });
});

describe('several segments', () => {
  async function fillSegments(): Promise<readonly LogRecord[]> {
    const log = await open({ segmentBytes: 1_024 });
    const records: LogRecord[] = [];
    for (let index = 1; index <= 6; index++) {
      records.push(entriesRecord(index, noise(600, index)));
      await append(log, records.at(-1) as LogRecord);
    }
    die();
    return records;
  }

  test('each is needed: without any of those in use the log is refused', async () => {
    const records = await fillSegments();
    const used = memory.paths().filter((path) => decodeSegment(memory.image(path)).header !== undefined);
    expect(used.length).toBeGreaterThan(3);
    for (const path of used.slice(0, -1)) {
      const saved = memory.image(path);
      await memory.remove(path);
      await expect(recover(), path).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path } });
      const file = await memory.open(path, 'create');
      await file.write([saved], 0);
    }
    expect(await recover()).toBe(describeRecords(records));
  });

  test('scenario 33: the tail of an old segment cannot vanish: the next one says where it ended', async () => {
    await fillSegments();
    const old = memory.paths()[1] ?? '';
    const { end, lastCommit } = decodeSegment(memory.image(old));
    memory.overwrite(old, lastCommit, new Uint8Array(end - lastCommit));
    await expect(recover()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT', details: { path: old } });
  });

  /** As if the power had failed before the sync: a sector is not there, and neither is what came after. */
  async function tearFirstCommit(path: string, sector: number): Promise<void> {
    for (const later of memory.paths()) if (later > path) await memory.remove(later);
    memory.overwrite(path, sector, new Uint8Array(512));
  }

  test('a first commit that was torn leaves nothing behind in its segment', async () => {
    const log = await open({ segmentBytes: 1_024 });
    await append(log, entriesRecord(1, noise(600)));
    const second = '/log/0000000000000002.log';
    await append(log, entriesRecord(2, noise(600)), entriesRecord(3, noise(50)));
    die();
    await tearFirstCommit(second, 0);
    const again = await open({ segmentBytes: 1_024 });
    // As long as the one that was torn: what followed that one would fit behind it.
    await append(again, entriesRecord(4, noise(600, 9)));
    die();
    expect(decodeSegment(memory.image(second)).header).toBeDefined();
    expect(await recover()).toBe(
      describeRecords([entriesRecord(1, noise(600)), entriesRecord(4, noise(600, 9))]),
    );
  });

  test('a segment whose checkpoints are not whole is not begun: the old ones are not given up for it', async () => {
    const log = await open({ segmentBytes: 2_048 });
    const promises = [1, 2, 3].map(
      (group): LogRecord => ({ type: 'hard-state', group, epoch: 1, state: noise(250, group) }),
    );
    await append(log, ...promises);
    await append(log, entriesRecord(1, noise(100)));
    const second = '/log/0000000000000002.log';
    await append(log, entriesRecord(2, noise(900)));
    die();
    expect(decodeSegment(memory.image(second)).isHeadWhole).toBe(true);
    await tearFirstCommit(second, 512);
    const again = await open({ segmentBytes: 2_048 });
    const pinning = entriesRecord(1, noise(900), 9);
    const snapshot: LogRecord = {
      type: 'snapshot',
      group: 0,
      epoch: 1,
      index: 1,
      reign: 1,
      discardsLog: false,
    };
    await append(again, pinning);
    await append(again, snapshot);
    await append(again, entriesRecord(2, noise(5)));
    await again.close();
    expect(memory.paths().slice(0, 1)).toEqual([second]);
    expect(await recover()).toBe(
      describeRecords([snapshot, ...promises, pinning, entriesRecord(2, noise(5))]),
    );
  });

  test('a segment under the wrong name is refused', async () => {
    await fillSegments();
    const [, second = '', third = ''] = memory.paths();
    const [a, b] = [memory.image(second), memory.image(third)];
    memory.overwrite(second, 0, b);
    memory.overwrite(third, 0, a);
    await expect(recover()).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' });
  });
});

describe('foreign data', () => {
  test('a log of another disk is ERR_FOREIGN_DATA and names both', async () => {
    await (await open({ diskId: 'disk-a' })).close();
    await expect(open({ diskId: 'disk-b' })).rejects.toMatchObject({
      code: 'ERR_FOREIGN_DATA',
      details: { found: 'disk-a', expected: 'disk-b' },
    });
  });

  test.each([
    ['segmentBytes', { segmentBytes: 12 }],
    ['segmentBytes', { segmentBytes: Number.NaN }],
    ['diskId', { diskId: 'x'.repeat(65) }],
  ])('an impossible %s is ERR_OPTION_INVALID', async (option, options) => {
    await expect(open(options)).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID', details: { option } });
  });
});
