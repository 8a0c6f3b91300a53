/**
 * The naive twin of the log: records applied to plain objects, one after the other, with no file at all.
 * And what the tests of the log share: arbitrary records, a clock that only defers, a comparable form.
 */
import fc from 'fast-check';
import type { LogEntry, LogRecord, RecoveredLog } from '../src/index.ts';

interface TwinLog {
  hardState: string | undefined;
  snapshot: [index: number, reign: number];
  entries: Record<number, string>;
}

function describeEntry({ reign, timeMs, payload }: LogEntry): string {
  return `${reign}@${timeMs}:${Buffer.from(payload).toString('hex')}`;
}

/** What the records say, in a form that can be compared with {@link describeRecovered}. */
export function describeRecords(records: readonly LogRecord[]): string {
  const logs: Record<string, TwinLog> = {};
  for (const record of records) {
    const key = `${record.group}/${record.epoch}`;
    if (record.type === 'forget') {
      for (let epoch = 1; epoch <= record.epoch; epoch++) delete logs[`${record.group}/${epoch}`];
      continue;
    }
    logs[key] ??= { hardState: undefined, snapshot: [0, 0], entries: {} };
    applyNaively(logs[key], record);
  }
  return describe(logs);
}

function applyNaively(log: TwinLog, record: LogRecord): void {
  if (record.type === 'hard-state') log.hardState = Buffer.from(record.state).toString('hex');
  if (record.type === 'entries') {
    for (const entry of record.entries) log.entries[entry.index] = describeEntry(entry);
  }
  if (record.type === 'snapshot') {
    if (record.index >= log.snapshot[0]) log.snapshot = [record.index, record.reign];
    if (record.discardsLog) log.entries = {};
  }
  for (const index of Object.keys(log.entries).map(Number)) {
    if (record.type === 'truncate' && index > record.after) delete log.entries[index];
    if (index <= log.snapshot[0]) delete log.entries[index];
  }
}

/** What of `records` a caller may append after `before`: nothing for an epoch that was forgotten. */
export function permitted(before: readonly LogRecord[], records: readonly LogRecord[]): LogRecord[] {
  const all = [...before];
  for (const record of records) {
    const isForgotten = all.some(
      ({ type, group, epoch }) => type === 'forget' && group === record.group && epoch >= record.epoch,
    );
    if (!isForgotten || record.epoch === 0 || record.type === 'forget') all.push(record);
  }
  return all.slice(before.length);
}

export function describeRecovered(recovered: readonly RecoveredLog[]): string {
  const logs: Record<string, TwinLog> = {};
  for (const { group, epoch, hardState, snapshot, entries } of recovered) {
    logs[`${group}/${epoch}`] = {
      hardState: hardState && Buffer.from(hardState).toString('hex'),
      snapshot: [snapshot.index, snapshot.reign],
      entries: Object.fromEntries(entries.map((entry) => [entry.index, describeEntry(entry)])),
    };
  }
  return describe(logs);
}

function describe(logs: Record<string, TwinLog>): string {
  return JSON.stringify(Object.entries(logs).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export const promiseClock = {
  defer(run: () => void): void {
    void Promise.resolve().then(run);
  },
};

/** Lets everything that needs no time happen. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const place = { group: fc.integer({ min: 0, max: 1 }), epoch: fc.integer({ min: 0, max: 3 }) };
const index = fc.integer({ min: 1, max: 30 });

const arbitraryEntries = fc
  .array(
    fc.record({
      index,
      reign: fc.integer({ min: 1, max: 9 }),
      timeMs: fc.integer({ min: 0, max: 2_000_000_000_000 }),
      // Zeroes in payloads are what makes a torn write hard to tell from a whole one.
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.integer({ min: 0, max: 1_500 }).map((length) => new Uint8Array(length)),
        fc.integer({ min: 0, max: 1_500 }).map((length) => new Uint8Array(length).fill(length)),
      ),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((entries) => {
    const byIndex = new Map(entries.map((entry) => [entry.index, entry]));
    return [...byIndex.values()].sort((a, b) => a.index - b.index);
  });

export const arbitraryRecord: fc.Arbitrary<LogRecord> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ type: fc.constant('entries' as const), ...place, entries: arbitraryEntries }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('truncate' as const), ...place, after: fc.nat({ max: 30 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('hard-state' as const),
      ...place,
      state: fc.uint8Array({ maxLength: 30 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('snapshot' as const),
      ...place,
      index,
      reign: fc.integer({ min: 1, max: 9 }),
      discardsLog: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('forget' as const),
      group: place.group,
      epoch: fc.integer({ min: 1, max: 2 }),
    }),
  },
);

export function entriesRecord(index: number, payload: Uint8Array, group = 0): LogRecord {
  return { type: 'entries', group, epoch: 1, entries: [{ index, reign: 1, timeMs: 0, payload }] };
}
