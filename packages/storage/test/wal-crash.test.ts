/**
 * The log over a disk that loses power at every operation: what was acknowledged is there after
 * recovery, and what is there is what a prefix of the appended records leads to.
 */
import { seededRandom } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LogRecord, MemoryFileSystem, WriteAheadLog } from '../src/index.ts';
import {
  arbitraryRecord,
  describeRecords,
  describeRecovered,
  entriesRecord,
  permitted,
  promiseClock,
  quiet,
} from './log-twin.ts';

interface Life {
  /** The appends of this life; each is made when the one before the last is durable, or at once. */
  readonly appends: readonly (readonly LogRecord[])[];
  readonly awaited: readonly boolean[];
  /** The disk stands still at this operation; beyond the last one the life ends without a crash. */
  readonly crashAt: number;
  readonly isPowerLoss: boolean;
}

/** A disk that stands still at a given operation. */
class StoppableDisk {
  operations = 0;
  stopAt = Number.POSITIVE_INFINITY;
  readonly memory = new MemoryFileSystem({
    settle: () => (++this.operations >= this.stopAt ? new Promise(() => undefined) : Promise.resolve()),
  });
}

interface LogSize {
  readonly segmentBytes: number;
  readonly pinnedSegmentsMax: number;
}

/** Over all lives of the file that ended without a crash: whether old entries were copied at all. */
let copiedBytes = 0;

interface Outcome {
  readonly records: readonly LogRecord[];
  /** How many of the records are acknowledged. */
  readonly acknowledged: number;
  /** Numbers of records between which no append is cut in two. */
  readonly boundaries: ReadonlySet<number>;
}

/** Lives one life; returns what was appended and what of that is acknowledged. */
async function live(
  disk: StoppableDisk,
  life: Life,
  options: LogSize & { readonly before: readonly LogRecord[] },
): Promise<Outcome> {
  const records = [...options.before];
  const boundaries = new Set([records.length]);
  let acknowledged = records.length;
  disk.operations = 0;
  disk.stopAt = life.crashAt;
  const run = async (): Promise<void> => {
    const log = await WriteAheadLog.open({
      fileSystem: disk.memory.mount(),
      directory: '/log',
      clock: promiseClock,
      segmentBytes: options.segmentBytes,
      pinnedSegmentsMax: options.pinnedSegmentsMax,
      onFailure: (error) => {
        throw error;
      },
    });
    expect(describeRecovered(log.recovered)).toBe(describeRecords(records));
    for (const [at, append] of life.appends.entries()) {
      const together = permitted(records, append);
      records.push(...together);
      const count = records.length;
      boundaries.add(count);
      const durable = new Promise<void>((resolve) => {
        log.append(together, () => {
          expect(count).toBeGreaterThanOrEqual(acknowledged);
          acknowledged = count;
          resolve();
        });
      });
      if (life.awaited[at % life.awaited.length] === true) await durable;
    }
    await log.close();
    copiedBytes += log.status.copiedBytes;
  };
  let failure: unknown;
  const over = run().catch((error: unknown) => {
    failure = error;
  });
  await Promise.race([over, untilStopped(disk)]);
  if (failure !== undefined) throw failure;
  return { records, acknowledged, boundaries };
}

async function untilStopped(disk: StoppableDisk): Promise<void> {
  while (disk.operations < disk.stopAt) await new Promise((resolve) => setImmediate(resolve));
  await quiet();
}

/**
 * The longest prefix of whole appends, acknowledged or longer, that explains what was recovered. The
 * longest, because a forgotten epoch of which nothing was held leaves no trace but in what may follow.
 */
async function recoveredPrefix(
  disk: StoppableDisk,
  size: LogSize,
  { records, acknowledged, boundaries }: Outcome,
): Promise<readonly LogRecord[]> {
  disk.stopAt = Number.POSITIVE_INFINITY;
  const log = await WriteAheadLog.open({
    fileSystem: disk.memory.mount(),
    directory: '/log',
    clock: promiseClock,
    ...size,
    onFailure: () => undefined,
  });
  const found = describeRecovered(log.recovered);
  await log.close();
  for (let length = records.length; length >= acknowledged; length--) {
    const prefix = records.slice(0, length);
    if (boundaries.has(length) && describeRecords(prefix) === found) return prefix;
  }
  throw new Error(
    `recovered ${found}\nacknowledged ${describeRecords(records.slice(0, acknowledged))}\nappended ${describeRecords(records)}`,
  );
}

async function liveAll(lives: readonly Life[], size: LogSize, seed: number): Promise<void> {
  const disk = new StoppableDisk();
  const random = seededRandom(seed);
  let before: readonly LogRecord[] = [];
  for (const life of lives) {
    const outcome = await live(disk, life, { ...size, before });
    if (life.isPowerLoss) disk.memory.crash(random);
    else disk.memory.detach();
    before = await recoveredPrefix(disk, size, outcome);
    disk.memory.crash(random);
  }
}

const arbitraryLife: fc.Arbitrary<Life> = fc.record({
  appends: fc.array(fc.array(arbitraryRecord, { maxLength: 4 }), { maxLength: 12 }),
  awaited: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
  crashAt: fc.integer({ min: 1, max: 120 }),
  isPowerLoss: fc.boolean(),
});

const small: LogSize = { segmentBytes: 1_024, pinnedSegmentsMax: 4 };

describe('the log over a disk that loses power', () => {
  test('random records, restarts, rolls and crashes: acknowledged records survive, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(arbitraryLife, { minLength: 1, maxLength: 4 }),
        fc.record({
          segmentBytes: fc.constantFrom(1_024, 2_048, 8_192),
          pinnedSegmentsMax: fc.constantFrom(1, 4),
        }),
        fc.integer(),
        liveAll,
      ),
      { numRuns: 300, interruptAfterTimeLimit: 45_000, markInterruptAsFailure: true },
    );
    expect(copiedBytes).toBeGreaterThan(10_000);
  });

  test('a crash at every single operation of a life with several rolls', async () => {
    const appends = Array.from({ length: 14 }, (_, at): readonly LogRecord[] => [
      { type: 'hard-state', group: at % 2, epoch: 1, state: Uint8Array.of(at) },
      entriesRecord(at + 1, new Uint8Array(300).fill(at % 3), at % 2),
      ...(at % 5 === 4
        ? [{ type: 'snapshot', group: at % 2, epoch: 1, index: at, reign: 1, discardsLog: false } as const]
        : []),
    ]);
    const whole = new StoppableDisk();
    const life = { appends, awaited: [true], isPowerLoss: true };
    await live(whole, { ...life, crashAt: Number.POSITIVE_INFINITY }, { ...small, before: [] });
    const operations = whole.operations;
    expect(operations).toBeGreaterThan(60);
    for (let crashAt = 1; crashAt <= operations; crashAt++) {
      for (let seed = 0; seed < 8; seed++)
        await liveAll([{ ...life, crashAt }], small, seed * 1_000 + crashAt);
    }
  });

  test('a crash at every operation of a life that goes from epoch to epoch and forgets the old ones', async () => {
    const appends = Array.from({ length: 6 }, (_, at): readonly (readonly LogRecord[])[] => {
      const epoch = at + 1;
      const group = at % 2;
      return [
        [
          { type: 'hard-state', group, epoch: 0, state: new Uint8Array(60).fill(epoch) },
          { type: 'snapshot', group, epoch, index: at * 10, reign: 0, discardsLog: false },
          { type: 'hard-state', group, epoch, state: new Uint8Array(200).fill(epoch) },
        ],
        [{ ...entriesRecord(at * 10 + 1, new Uint8Array(400).fill(at % 3), group), epoch } as LogRecord],
        epoch < 3 ? [] : [{ type: 'forget', group, epoch: epoch - 2 }],
      ];
    }).flat();
    const whole = new StoppableDisk();
    const life = { appends, awaited: [true, false, true], isPowerLoss: true };
    await live(whole, { ...life, crashAt: Number.POSITIVE_INFINITY }, { ...small, before: [] });
    for (let crashAt = 1; crashAt <= whole.operations; crashAt++) {
      for (let seed = 0; seed < 8; seed++) await liveAll([{ ...life, crashAt }], small, seed);
    }
  });

  test('a crash at every operation of a life in which resting groups are copied forward', async () => {
    const resting = [5, 6, 7].flatMap((group) => [
      [entriesRecord(1, new Uint8Array(60).fill(group), group)],
      [entriesRecord(2, new Uint8Array(60).fill(group), group), entriesRecord(1, Uint8Array.of(9), group)],
    ]);
    const busy = Array.from({ length: 12 }, (_, at): readonly LogRecord[] => [
      entriesRecord(at + 1, new Uint8Array(500).fill(at % 3)),
      { type: 'snapshot', group: 0, epoch: 1, index: at, reign: 1, discardsLog: false },
      ...(at === 6 ? [{ type: 'truncate', group: 6, epoch: 1, after: 1 } as const] : []),
    ]);
    const size = { segmentBytes: 1_024, pinnedSegmentsMax: 1 };
    const life = { appends: [...resting, ...busy], awaited: [true], isPowerLoss: true };
    const whole = new StoppableDisk();
    copiedBytes = 0;
    await live(whole, { ...life, crashAt: Number.POSITIVE_INFINITY }, { ...size, before: [] });
    expect(copiedBytes).toBeGreaterThan(500);
    for (let crashAt = 1; crashAt <= whole.operations; crashAt++) {
      for (let seed = 0; seed < 4; seed++) await liveAll([{ ...life, crashAt }], size, seed);
    }
  });

  test('a crash at every operation around a record that is larger than a segment', async () => {
    const appends = [300, 5_000, 300].map((bytes, at) => [
      entriesRecord(at + 1, new Uint8Array(bytes).fill(7)),
    ]);
    const life = { appends, awaited: [true], isPowerLoss: true };
    for (let crashAt = 1; crashAt <= 40; crashAt++) {
      for (let seed = 0; seed < 20; seed++) await liveAll([{ ...life, crashAt }], small, seed);
    }
  });
});
