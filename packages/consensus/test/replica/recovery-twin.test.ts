/**
 * Recovery above the log against a naive twin: groups that append, truncate, take and receive snapshots and go from
 * epoch to epoch on one real log, and restart at any moment. The twin keeps every record in a plain array and every
 * chosen word in another, forgets nothing, and works out anew each time what must be there.
 */
import { type NodeId, type Random, seededRandom } from '@quorate/core';
import { type LogRecord, MemoryFileSystem, SnapshotStore, WriteAheadLog } from '@quorate/storage';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Entry, LogIndex, Reign } from '../../src/protocol.ts';
import { type Charter, charterRecord, type EpochStretch, recoverCharter } from '../../src/replica/charter.ts';
import type { Epoch } from '../../src/replica/epoch.ts';
import { encodeBatch, encodeOpen, encodeStop } from '../../src/replica/payload.ts';
import { type Recovery, recoverState } from '../../src/replica/recover-state.ts';
import { ReplicatedState } from '../../src/replica/replicated-state.ts';
import { defaultSessionLimits } from '../../src/replica/session-table.ts';
import { firstEpoch } from './first-epoch.ts';
import { wordList } from './word-list.ts';

const groups = [0, 1, 2];
const at = (index: number): LogIndex => index as LogIndex;
type Place = { readonly epoch: number; readonly index: LogIndex; readonly reign: Reign };
const nobody: Place = { epoch: 0, index: at(0), reign: 0 as Reign };

/** What one step does; numbers are taken modulo what there is. */
interface Step {
  readonly group: number;
  readonly kind:
    | 'append'
    | 'truncate'
    | 'hard-state'
    | 'commit'
    | 'stop'
    | 'snapshot'
    | 'install'
    | 'skip'
    | 'restart';
  readonly n: number;
  readonly flag: boolean;
}

/** One group as its replica drives the log; what it knows is in memory, and lost with a restart. */
class Driver {
  readonly #run: Run;
  readonly group: number;
  epoch: Epoch = firstEpoch;
  trail: readonly EpochStretch[] = [];
  reign = 1;
  /** Of the present epoch: its log above its snapshot. */
  log: Entry[] = [];
  beginsAfter = 0;
  state = new ReplicatedState(wordList, firstEpoch);
  newest: Place = nobody;
  lastApplied: Place = nobody;

  constructor(run: Run, group: number) {
    this.#run = run;
    this.group = group;
  }

  get last(): number {
    return this.beginsAfter + this.log.length;
  }

  /** Entries with words that nobody ever said before; the very first one opens the session. */
  fresh(first: number, count: number): Entry[] {
    this.reign += 1;
    return Array.from({ length: count }, (_, more) => this.#entry(first + more, this.#word(first + more)));
  }

  #entry(index: number, payload: Uint8Array): Entry {
    return { index: at(index), reign: this.reign as Reign, timeMs: 5, payload };
  }

  #word(index: number): Uint8Array {
    if (index === 1) return encodeOpen(undefined, 'n');
    const batch = ++this.#run.batches;
    return encodeBatch({ session: 1, batch, acknowledgedBelow: 1 }, [`${this.group}: word ${batch}`]);
  }

  stopEntry(index: number): Entry {
    const { base: _, ...next } = this.#nextEpoch();
    this.reign += 1;
    return this.#entry(index, encodeStop(next, `stop ${index}`));
  }

  #nextEpoch(): Epoch {
    const number = this.state.epoch.number + 1;
    const members = (number % 2 === 0 ? ['a', 'b', 'c', 'd'] : ['a', 'b', 'c']) as NodeId[];
    return { ...firstEpoch, number, members, appointed: 'a' as NodeId };
  }

  records(entries: readonly Entry[]): LogRecord {
    return { type: 'entries', group: this.group, epoch: this.epoch.number, entries };
  }

  /** Applies what is chosen; the twin notes it too. Returns whether it ended the epoch. */
  apply(entry: Entry, epoch = this.state.epoch.number): boolean {
    const outcome = this.state.apply(entry);
    this.lastApplied = { epoch, index: entry.index, reign: entry.reign };
    this.#run.twin.chosen(this.group, this.lastApplied, this.state.ask('all') as string[]);
    return outcome.type === 'sealed';
  }

  async file(place: Place): Promise<void> {
    const writer = await this.#run.snapshots.create({ group: this.group, ...place });
    for await (const chunk of this.state.snapshot()) await writer.append(chunk);
    await writer.commit();
    this.newest = place;
  }

  charter(): Charter {
    return { epoch: this.epoch, standing: 'voter', trail: this.trail, machineVersion: 1 };
  }

  /** The records with which a replica enters the epoch that its state has come to. */
  enter(trail: readonly EpochStretch[], before: readonly LogRecord[], begin: Place | undefined): LogRecord[] {
    const { group } = this;
    this.epoch = this.state.epoch;
    this.trail = trail;
    this.log = [];
    const { base, number: epoch } = this.epoch;
    this.beginsAfter = begin?.index ?? base;
    const records = [charterRecord(group, this.charter()), ...before];
    if (begin === undefined) {
      records.push({ type: 'snapshot', group, epoch, index: base, reign: 0, discardsLog: true });
    }
    return [...records, { type: 'hard-state', group, epoch, state: Uint8Array.of(epoch, 77) }];
  }

  seal(): LogRecord[] {
    const { number } = this.epoch;
    return this.enter([...this.trail, { epoch: number, end: this.state.epoch.base }], [], undefined);
  }
}

/** All that was ever written and chosen, in arrays. */
class Twin {
  readonly #records: LogRecord[] = [];
  /** For each group, the words that are chosen up to each index. */
  readonly #words = new Map<
    number,
    Map<number, { readonly place: Place; readonly words: readonly string[] }>
  >();

  wrote(records: readonly LogRecord[]): void {
    this.#records.push(...records);
  }

  chosen(group: number, place: Place, words: readonly string[]): void {
    const of = this.#words.get(group) ?? new Map();
    this.#words.set(group, of.set(place.index, { place, words }));
  }

  check(group: number, charter: Charter, expected: Driver, found: Recovery): void {
    const { number, base } = charter.epoch;
    expect({ number, base, trail: charter.trail }).toEqual({
      number: expected.epoch.number,
      base: expected.epoch.base,
      trail: expected.trail,
    });
    expect(charter.epoch.members).toEqual(expected.epoch.members);

    const own = this.#replay(group, number);
    expect(found.recovered).toEqual(own);

    // The latest snapshot with a file behind it, of this epoch or of one that is still needed.
    const epochs = [number, ...charter.trail.map(({ epoch }) => epoch).reverse()];
    const files = epochs
      .map((epoch) => ({ epoch, ...this.#replay(group, epoch).snapshot }))
      .filter(({ reign }) => reign > 0);
    const [restoredFrom] = files;
    expect(found.restoredFrom).toEqual(restoredFrom);
    const reached = Math.max(restoredFrom?.index ?? 0, ...charter.trail.map(({ end }) => end));
    const known = this.#words.get(group)?.get(reached);
    expect(found.state.appliedIndex).toBe(reached);
    expect(found.state.ask('all')).toEqual(known?.words ?? []);
    expect(found.standsAt).toEqual(reached === 0 ? undefined : known?.place);
  }

  /** One epoch of one group, from the first record on. */
  #replay(group: number, epoch: number): Recovery['recovered'] {
    let hardState: Uint8Array | undefined;
    let snapshot = { index: at(0), reign: 0 as Reign };
    let entries: Entry[] = [];
    for (const record of this.#records) {
      if (record.group !== group || record.epoch !== epoch) continue;
      if (record.type === 'hard-state') hardState = record.state;
      if (record.type === 'truncate') entries = entries.filter(({ index }) => index <= record.after);
      if (record.type === 'entries') {
        for (const entry of record.entries as readonly Entry[]) {
          entries = [...entries.filter(({ index }) => index !== entry.index), entry];
        }
      }
      if (record.type === 'snapshot') {
        snapshot = { index: at(record.index), reign: record.reign as Reign };
        entries = record.discardsLog ? [] : entries.filter(({ index }) => index > record.index);
      }
    }
    return { hardState, snapshot, entries: entries.sort((one, other) => one.index - other.index) };
  }
}

/** The whole node: one log, one store, and a driver for each group. */
class Run {
  readonly disk = new MemoryFileSystem();
  readonly twin = new Twin();
  readonly seen = new Map<string, number>();
  batches = 0;
  log!: WriteAheadLog;
  snapshots!: SnapshotStore;
  #drivers: Driver[] = [];

  async live(steps: readonly Step[], random: Random): Promise<void> {
    await this.#open();
    for (const group of groups) {
      const driver = new Driver(this, group);
      this.#drivers.push(driver);
      await this.write([charterRecord(group, driver.charter())]);
    }
    for (const step of steps) {
      const driver = this.#drivers[step.group] as Driver;
      await this.#take(driver, step);
      if (step.kind === 'restart') await this.#restart(step.flag ? random : undefined);
    }
    await this.#restart(random);
  }

  async write(records: readonly LogRecord[]): Promise<void> {
    this.twin.wrote(records);
    await new Promise<void>((resolve) => this.log.append(records, resolve));
  }

  async #open(): Promise<void> {
    const fileSystem = this.disk.mount();
    this.log = await WriteAheadLog.open({
      fileSystem,
      directory: '/log',
      clock: { defer: (run) => void Promise.resolve().then(run) },
      segmentBytes: 1_024,
      pinnedSegmentsMax: 2,
      onFailure: (error) => {
        throw error;
      },
    });
    this.snapshots = await SnapshotStore.open({ fileSystem, directory: '/snapshots' });
  }

  /** What each driver knows is worked out from the disk again, after the twin has looked at it. */
  async #restart(powerLoss: Random | undefined): Promise<void> {
    if (powerLoss === undefined) this.disk.detach();
    else this.disk.crash(powerLoss);
    await this.#open();
    for (const driver of this.#drivers) {
      const { group } = driver;
      const charter = recoverCharter(this.log, group) as Charter;
      const { log, snapshots } = this;
      const found = await recoverState({
        group,
        charter,
        log,
        snapshots,
        machine: wordList,
        sessionLimits: defaultSessionLimits,
      });
      this.twin.check(group, charter, driver, found);
      driver.state = found.state;
      driver.newest = found.restoredFrom ?? nobody;
      driver.lastApplied = found.standsAt ?? nobody;
      driver.log = [...found.recovered.entries];
      driver.beginsAfter = found.recovered.snapshot.index;
      // The snapshot held the STOP, and the charter had not been written: it is now.
      if (found.state.epoch.number > charter.epoch.number) {
        this.note('one further than the charter');
        await this.write(driver.seal());
      }
    }
  }

  note(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  async #take(driver: Driver, step: Step): Promise<void> {
    const { group, state } = driver;
    const epoch = driver.epoch.number;
    const { n, flag } = step;
    switch (step.kind) {
      case 'append': {
        const entries = driver.fresh(driver.last + 1, 1 + (n % 4));
        driver.log.push(...entries);
        return this.write([driver.records(entries)]);
      }
      case 'truncate': {
        const open = driver.last - Math.max(state.appliedIndex, driver.beginsAfter);
        if (open <= 0) return;
        const after = driver.last - 1 - (n % open);
        driver.log.length = after - driver.beginsAfter;
        const anew = flag ? driver.fresh(after + 1, 1 + (n % 3)) : [];
        driver.log.push(...anew);
        this.note('truncated');
        const cut: LogRecord = { type: 'truncate', group, epoch, after };
        return this.write(flag ? [cut, driver.records(anew)] : [cut]);
      }
      case 'hard-state':
        return this.write([{ type: 'hard-state', group, epoch, state: Uint8Array.of(n % 256, epoch) }]);
      case 'commit':
        return this.#commit(driver, Math.min(driver.last, state.appliedIndex + 1 + (n % 5)), step);
      case 'stop': {
        const entries = [driver.stopEntry(driver.last + 1), ...driver.fresh(driver.last + 2, n % 3)];
        driver.log.push(...entries);
        return this.write([driver.records(entries)]);
      }
      case 'snapshot':
        return this.#snapshot(driver);
      case 'install':
        return this.#install(driver, step);
      case 'skip':
        return this.#skip(driver, step);
      case 'restart':
        return;
    }
  }

  async #commit(driver: Driver, upTo: number, { n, flag }: Step): Promise<void> {
    for (const entry of driver.log.filter(
      ({ index }) => index > driver.state.appliedIndex && index <= upTo,
    )) {
      if (!driver.apply(entry)) continue;
      this.note('sealed');
      // A snapshot may be taken right there, and the power may fail before the charter is written.
      if (flag) await this.#snapshot(driver);
      if (flag && n % 2 === 0) return this.#restart(undefined);
      return this.write(driver.seal());
    }
  }

  /** Of all that is applied, if that is news. Its place may lie at the end of the epoch before. */
  async #snapshot(driver: Driver): Promise<void> {
    const { group, lastApplied: place } = driver;
    if (place.index <= driver.newest.index) return;
    await driver.file(place);
    const { epoch, index, reign } = place;
    await this.write([{ type: 'snapshot', group, epoch, index, reign, discardsLog: false }]);
    if (epoch === driver.epoch.number) {
      driver.log = driver.log.filter((entry) => entry.index > index);
      driver.beginsAfter = index;
      await this.#shortenTrail(driver);
    } else this.note('snapshot at a STOP');
    await this.snapshots.prune({ group, epoch, index });
    this.note('snapshot');
  }

  async #shortenTrail(driver: Driver): Promise<void> {
    if (driver.trail.length === 0 || driver.state.epoch.number !== driver.epoch.number) return;
    const { group } = driver;
    driver.trail = [];
    const forget: LogRecord = { type: 'forget', group, epoch: driver.epoch.number - 1 };
    await this.write([charterRecord(group, driver.charter()), forget]);
    this.note('trail shortened');
  }

  /** Another member's snapshot of this epoch: of a prefix of the log here, or in its place. */
  async #install(driver: Driver, { n, flag }: Step): Promise<void> {
    const { group, state } = driver;
    if (state.epoch.number !== driver.epoch.number) return;
    const ahead = driver.log.filter(({ index }) => index > state.appliedIndex);
    const isOfOurs = flag && ahead.length > 0 && ahead.every(({ payload }) => payload[0] !== 3);
    const entries = isOfOurs
      ? ahead.slice(0, 1 + (n % ahead.length))
      : driver.fresh(state.appliedIndex + 1, 1 + (n % 6));
    for (const entry of entries) driver.apply(entry);
    const { epoch, index, reign } = driver.lastApplied;
    await driver.file(driver.lastApplied);
    driver.log = isOfOurs ? driver.log.filter((entry) => entry.index > index) : [];
    driver.beginsAfter = index;
    this.note(isOfOurs ? 'installed over our log' : 'installed in place of our log');
    await this.write([
      { type: 'snapshot', group, epoch, index, reign, discardsLog: !isOfOurs },
      { type: 'hard-state', group, epoch, state: Uint8Array.of(n % 256, 9) },
    ]);
    await this.#shortenTrail(driver);
    await this.snapshots.prune({ group, epoch, index });
  }

  /** A snapshot of a later epoch, taken in it or at the STOP that ends it. */
  async #skip(driver: Driver, { n, flag }: Step): Promise<void> {
    const { group, state } = driver;
    if (state.epoch.number !== driver.epoch.number) return;
    const from = driver.epoch.number;
    for (let more = 1 + (n % 2); more > 0; more--) {
      for (const entry of driver.fresh(state.appliedIndex + 1, 1 + (n % 2))) driver.apply(entry);
      driver.apply(driver.stopEntry(state.appliedIndex + 1));
    }
    if (flag) for (const entry of driver.fresh(state.appliedIndex + 1, 1 + (n % 3))) driver.apply(entry);
    const place = driver.lastApplied;
    await driver.file(place);
    const isAtStop = place.epoch !== state.epoch.number;
    const trail = isAtStop ? [{ epoch: place.epoch, end: state.epoch.base }] : [];
    const passed = Math.min(from, place.epoch - 1);
    const forget: LogRecord[] = passed >= 1 ? [{ type: 'forget', group, epoch: passed }] : [];
    const arrival: LogRecord = { type: 'snapshot', group, ...place, discardsLog: true };
    this.note(isAtStop ? 'skipped to a STOP' : 'skipped into an epoch');
    await this.write(driver.enter(trail, [...forget, arrival], isAtStop ? undefined : place));
    await this.snapshots.prune({ group, epoch: place.epoch, index: place.index });
  }
}

const kind = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('append' as const, 'commit' as const) },
  { weight: 4, arbitrary: fc.constantFrom('truncate' as const, 'hard-state' as const, 'snapshot' as const) },
  { weight: 4, arbitrary: fc.constantFrom('stop' as const, 'restart' as const) },
  { weight: 1, arbitrary: fc.constantFrom('install' as const, 'skip' as const) },
);
const step: fc.Arbitrary<Step> = fc.record({
  group: fc.constantFrom(...groups),
  kind,
  n: fc.nat({ max: 1_000 }),
  flag: fc.boolean(),
});

test('what a replica recovers is what a twin works out from every record ever written', async () => {
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), fc.integer(), async (steps, seed) => {
      const run = new Run();
      await run.live(steps, seededRandom(seed));
      for (const [what, times] of run.seen) seen.set(what, (seen.get(what) ?? 0) + times);
    }),
    { numRuns: 150, interruptAfterTimeLimit: 45_000, markInterruptAsFailure: true },
  );
  // Each of these has happened, over all runs, several times.
  const all = [
    'truncated',
    'sealed',
    'snapshot',
    'snapshot at a STOP',
    'one further than the charter',
    'trail shortened',
    'installed over our log',
    'installed in place of our log',
    'skipped to a STOP',
    'skipped into an epoch',
  ];
  expect(all.filter((what) => (seen.get(what) ?? 0) < 5)).toEqual([]);
});
