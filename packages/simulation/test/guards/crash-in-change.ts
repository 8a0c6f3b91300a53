/** Guards of a change of the epoch that go red when the power fails in one of a node's writes, as they all do there. */
import { method, type Removal, rule } from './removal.ts';

export interface PlantedCrashGuard {
  readonly guard: string;
  readonly removals: readonly Removal[];
  readonly red: RegExp;
}

interface WrittenRecord {
  readonly type: string;
  readonly epoch: number;
}

const append = (
  spoil: (
    original: (records: readonly WrittenRecord[], durable: () => void) => void,
    records: readonly WrittenRecord[],
    durable: () => void,
  ) => void,
): Removal =>
  method(
    'storage/src/wal.ts#WriteAheadLog#append',
    (original) => (self, records, durable) =>
      spoil((what, then) => original.call(self, what, then), records, durable),
  );
/** Charters stand under epoch 0. */
const hasCharter = (records: readonly WrittenRecord[]): boolean => records.some(({ epoch }) => epoch === 0);

export const plantedCrashGuards: readonly PlantedCrashGuard[] = [
  {
    guard: 'every record carries its epoch; all carry the first',
    removals: [
      append((original, records, durable) =>
        original(
          records.map((record) => ({ ...record, epoch: Math.min(record.epoch, 1) })),
          durable,
        ),
      ),
    ],
    red: /is open again/,
  },
  {
    guard: 'every message is for its epoch; for any',
    removals: [method('consensus/src/replica/epochs.ts#Epochs#runOf', () => (self) => self.run)],
    red: /all are in one epoch/,
  },
  {
    guard: 'nobody speaks in an epoch before its charter is durable; it does',
    removals: [
      append((original, records, durable) => {
        original(records, hasCharter(records) ? () => undefined : durable);
        if (hasCharter(records)) queueMicrotask(durable);
      }),
    ],
    red: /went from epoch 2 back to 1/,
  },
  {
    guard: 'the charter wins over the start options; it is not read',
    removals: [rule('consensus/src/replica/charter.ts#recoverCharter', () => () => undefined)],
    red: /went from epoch 2 back to 1/,
  },
  {
    guard: 'the charter names the earlier epochs that the state is built from; it names none',
    removals: [
      rule(
        'consensus/src/replica/charter.ts#charterRecord',
        (original) => (group, charter) => original(group, { ...charter, trail: [] }),
      ),
    ],
    red: /applied after 0/,
  },
  {
    guard: 'charter and founding are one write; they are two',
    removals: [
      append((original, records, durable) => {
        if (!hasCharter(records)) original(records, durable);
        else original(records.slice(0, 1), () => original(records.slice(1), durable));
      }),
    ],
    red: /beyond its commit 0/,
  },
];
