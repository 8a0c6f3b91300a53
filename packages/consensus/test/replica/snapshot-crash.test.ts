/**
 * A snapshot's file and the record of it in the log are two writes: the power fails, or the disk runs full, at every
 * operation of a life that takes snapshots, with the real log, store and keeper. What was acknowledged is there after
 * the restart, in the state or in the log behind it, whichever of the two writes had happened.
 */
import { type CodedError, type Random, seededRandom } from '@quorate/core';
import {
  type FaultErrno,
  type FaultyFileSystem,
  faultyFileSystem,
  MemoryFileSystem,
  SnapshotStore,
  WriteAheadLog,
} from '@quorate/storage';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Entry, LogIndex, Reign } from '../../src/protocol.ts';
import { encodeBatch, encodeOpen } from '../../src/replica/payload.ts';
import { recoverState } from '../../src/replica/recover-state.ts';
import { defaultSessionLimits } from '../../src/replica/session-table.ts';
import { SnapshotKeeper } from '../../src/replica/snapshot-keeper.ts';
import { firstEpoch } from './first-epoch.ts';
import { wordList } from './word-list.ts';

/** The words of a whole run; word `at` is in entry `at + 2`, behind the opening of the session. */
const words = Array.from({ length: 16 }, (_, at) => `word ${at} ${'x'.repeat(60)}`);
const entryAt = (index: number): Entry => ({
  index: index as LogIndex,
  reign: 1 as Reign,
  timeMs: 5,
  payload:
    index === 1
      ? encodeOpen(undefined, 'n')
      : encodeBatch({ session: 1, batch: index - 1, acknowledgedBelow: 1 }, [words[index - 2]]),
});
const snapshotEveryBytes = 400;

/** A disk that stands still, or runs full, from a given operation on. */
class StrickenDisk {
  operations = 0;
  strikeAt = Number.POSITIVE_INFINITY;
  how: 'stands still' | FaultErrno = 'stands still';
  faulty: FaultyFileSystem | undefined;
  readonly memory = new MemoryFileSystem({
    settle: () => {
      if (++this.operations < this.strikeAt) return Promise.resolve();
      if (this.how === 'stands still') return new Promise(() => undefined);
      this.faulty?.set({ fail: { errno: this.how } });
      return Promise.resolve();
    },
  });

  /** For a new process; the disk is well. */
  mount(): FaultyFileSystem {
    this.operations = 0;
    this.strikeAt = Number.POSITIVE_INFINITY;
    this.faulty = faultyFileSystem(this.memory.mount(), { random: seededRandom(this.operations) });
    return this.faulty;
  }

  get files(): readonly string[] {
    return this.memory.paths().filter((path) => path.startsWith('/snapshots/'));
  }
}

const settled = async (turns = 6): Promise<void> => {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** One process on the disk: recovered, and ready to go on. */
async function start(disk: StrickenDisk) {
  const fileSystem = disk.mount();
  const failures: CodedError[] = [];
  const log = await WriteAheadLog.open({
    fileSystem,
    directory: '/log',
    clock: { defer: (run) => void Promise.resolve().then(run) },
    segmentBytes: 1_024,
    onFailure: (error) => failures.push(error),
  });
  const snapshots = await SnapshotStore.open({ fileSystem, directory: '/snapshots' });
  const found = disk.files;
  const { state, restoredFrom, standsAt, recovered } = await recoverState({
    group: 0,
    charter: { epoch: firstEpoch, standing: 'voter', trail: [], machineVersion: 1 },
    log,
    snapshots,
    machine: wordList,
    sessionLimits: defaultSessionLimits,
  });
  const warnings: string[] = [];
  const keeper = new SnapshotKeeper({
    group: 0,
    state,
    snapshots,
    log,
    countsFrom: restoredFrom,
    standsAt,
    everyBytes: snapshotEveryBytes,
    taken: () => undefined,
    compacted: () => undefined,
    warn: (message, error) => warnings.push(`${message}: ${(error as CodedError).code}`),
  });
  const apply = (entry: Entry): void => {
    state.apply(entry);
    const { index, reign } = entry;
    keeper.applied({ epoch: 1, index, reign }, entry.payload.byteLength);
    keeper.takeIfDue();
  };
  // All that is in this log was committed: it is the log of one member alone.
  for (const entry of recovered.entries) if (entry.index > state.appliedIndex) apply(entry);
  return { log, snapshots, found, state, keeper, failures, warnings, apply };
}

type Process = Awaited<ReturnType<typeof start>>;

function held(process: Process): readonly string[] {
  return process.state.appliedIndex === 0 ? [] : (process.state.ask('all') as string[]);
}

/** Goes on appending, each word once the one before is durable and applied; resolves early when the disk ends it. */
async function goOn(process: Process, upTo: number, acknowledged: (index: number) => void): Promise<void> {
  const { log, state, apply } = process;
  while (state.appliedIndex < upTo) {
    const entry = entryAt(state.appliedIndex + 1);
    await new Promise<void>((resolve) =>
      log.append([{ type: 'entries', group: 0, epoch: 1, entries: [entry] }], resolve),
    );
    acknowledged(entry.index);
    apply(entry);
    await settled(1);
  }
}

/** How many operations a life with no strike takes. */
async function wholeLife(): Promise<number> {
  const disk = new StrickenDisk();
  const process = await start(disk);
  await goOn(process, 12, () => undefined);
  await settled();
  return disk.operations;
}

interface Seen {
  fileAlone: number;
  fileAndRecord: number;
}

/** Lives until operation `at`, ends so, and checks the restart, a second life on what was left, and its restart. */
async function strike(
  at: number,
  how: StrickenDisk['how'],
  end: { readonly random: Random; readonly isPowerLoss: boolean },
  seen: Seen,
): Promise<Process> {
  const disk = new StrickenDisk();
  const first = await start(disk);
  disk.how = how;
  disk.strikeAt = at;
  let last = 0;
  void goOn(first, 12, (index) => {
    last = index;
  });
  for (let turn = 0; turn < 200 && disk.operations < at; turn++) await settled(1);
  await settled();
  if (end.isPowerLoss) disk.memory.crash(end.random);
  else disk.memory.detach();

  const second = await start(disk);
  const named = second.log.recovered[0]?.snapshot.index ?? 0;
  const newest = second.found.reduce((highest, path) => Math.max(highest, Number(path.split('-')[2])), 0);
  if (newest > named) seen.fileAlone++;
  else if (newest > 0) seen.fileAndRecord++;
  expect(newest).toBeGreaterThanOrEqual(named);
  expect(second.found.filter((path) => path.endsWith('.tmp'))).toEqual([]);
  expect(held(second)).toEqual(words.slice(0, Math.max(0, second.state.appliedIndex - 1)));
  expect(second.state.appliedIndex).toBeGreaterThanOrEqual(last);

  // It goes on over whatever was left, and takes snapshots of the same places anew.
  await goOn(second, words.length + 1, () => undefined);
  await settled();
  expect(second.warnings).toEqual([]);
  disk.memory.crash(end.random);
  const third = await start(disk);
  expect(held(third)).toEqual(words);
  expect(third.log.recovered[0]?.snapshot.index).toBeGreaterThan(8);
  return first;
}

describe('scenario 36: the power fails between a snapshot and the record of it', () => {
  test('and at every other operation of a life: the state and the log behind it have all that was acknowledged', async () => {
    const operations = await wholeLife();
    expect(operations).toBeGreaterThan(60);
    const seen: Seen = { fileAlone: 0, fileAndRecord: 0 };
    for (let at = 1; at <= operations; at++) {
      for (let seed = 0; seed < 3; seed++) {
        await strike(
          at,
          'stands still',
          { random: seededRandom(seed * 1_000 + at), isPowerLoss: seed < 2 },
          seen,
        );
      }
    }
    // Both sides of it have happened, often.
    expect(Math.min(seen.fileAlone, seen.fileAndRecord)).toBeGreaterThan(8);
  });
});

describe('scenario 39: the disk runs full', () => {
  test('at any operation of a life: nothing acknowledged is lost, and with space again it goes on', async () => {
    const operations = await wholeLife();
    const seen: Seen = { fileAlone: 0, fileAndRecord: 0 };
    let byLog = 0;
    let bySnapshot = 0;
    for (let at = 1; at <= operations; at++) {
      const end = { random: seededRandom(at), isPowerLoss: at % 2 === 0 };
      const { failures, warnings } = await strike(at, 'ENOSPC', end, seen);
      if (failures.length > 0) byLog++;
      if (warnings.length > 0) bySnapshot++;
      expect(failures.every(({ code }) => code === 'ERR_DISK_FULL')).toBe(true);
      expect(warnings.every((warning) => /could not be written: ERR_DISK_FULL$/.test(warning))).toBe(true);
    }
    // What the node stops of, and what it goes on without.
    expect(byLog).toBeGreaterThan(operations / 2);
    expect(bySnapshot).toBeGreaterThan(5);
  });

  let disk: StrickenDisk;
  let process: Process;

  beforeEach(async () => {
    disk = new StrickenDisk();
    process = await start(disk);
    // Up to a first snapshot, and to just before a second one.
    await goOn(process, 9, () => undefined);
    await settled();
  });

  test.each(['create', 'write', 'datasync', 'rename', 'sync-directory'] as const)(
    'for a snapshot alone, at its %s: the one before stays, nothing is left over, and the next one is taken',
    async (kind) => {
      const { keeper, snapshots, state, log } = process;
      const before = snapshots.latest(0);
      expect(before?.index).toBeGreaterThan(0);
      disk.faulty?.set({ fail: { errno: 'ENOSPC', on: [kind], times: 1 } });
      keeper.want();
      await settled(30);
      expect(process.warnings).toEqual([
        `the snapshot at ${state.appliedIndex} could not be written: ERR_DISK_FULL`,
      ]);
      expect(snapshots.latest(0)).toEqual(before);
      expect(keeper.newest?.index).toBe(before?.index);
      expect(disk.files.filter((path) => path.endsWith('.tmp'))).toEqual([]);
      expect(log.status.failure).toBeUndefined();

      // Nothing was lost by that: what the log holds goes on from the snapshot before.
      disk.memory.detach();
      const again = await start(disk);
      expect(again.log.recovered[0]?.snapshot.index).toBe(before?.index);
      expect(held(again)).toEqual(words.slice(0, 8));
      // And the next one is taken, once as much again was applied.
      await goOn(again, 14, () => undefined);
      await settled();
      expect(again.snapshots.latest(0)?.index).toBeGreaterThan(9);
    },
  );
});
