/**
 * Recovery: the state is the newest snapshot, the earlier epochs up to their STOPs, and nothing beyond them; the
 * present epoch's protocol begins with what it knew.
 */
import type { NodeId } from '@quorate/core';
import { MemoryFileSystem, type RecoveredLog, SnapshotStore, type WriteAheadLog } from '@quorate/storage';
import { describe, expect, test } from 'vitest';
import type { Entry, LogIndex, Reign } from '../../src/protocol.ts';
import type { Charter } from '../../src/replica/charter.ts';
import type { Epoch } from '../../src/replica/epoch.ts';
import { encodeBatch, encodeOpen, encodeStop } from '../../src/replica/payload.ts';
import { recoverState } from '../../src/replica/recover-state.ts';
import { ReplicatedState } from '../../src/replica/replicated-state.ts';
import { defaultSessionLimits } from '../../src/replica/session-table.ts';
import { firstEpoch } from './first-epoch.ts';
import { wordList } from './word-list.ts';

const at = (index: number): LogIndex => index as LogIndex;
let batches = 0;
const entry = (index: number, payload: Uint8Array): Entry => ({
  index: at(index),
  reign: 1 as Reign,
  timeMs: 5,
  payload,
});
const word = (index: number, text: string): Entry => {
  batches += 1;
  return entry(index, encodeBatch({ session: 1, batch: batches, acknowledgedBelow: 1 }, [text]));
};
const open = entry(1, encodeOpen(undefined, 'n'));
const epoch = (number: number, base: number): Epoch => ({
  ...firstEpoch,
  number,
  base: at(base),
  appointed: number === 1 ? undefined : ('a' as NodeId),
});
const stop = (index: number, number: number): Entry => {
  const { base: _, ...next } = epoch(number, index);
  return entry(index, encodeStop(next, `stop ${number}`));
};
const found = (of: Partial<RecoveredLog> & { readonly epoch: number }): RecoveredLog => ({
  group: 0,
  hardState: undefined,
  snapshot: { index: 0, reign: 0 },
  entries: [],
  ...of,
});

function recover(
  charter: Pick<Charter, 'epoch' | 'trail'>,
  recovered: readonly RecoveredLog[],
  snapshots?: SnapshotStore,
) {
  return openStore(snapshots).then((store) =>
    recoverState({
      group: 0,
      charter: { standing: 'voter', machineVersion: 1, ...charter },
      log: { recovered } as unknown as WriteAheadLog,
      snapshots: store,
      machine: wordList,
      sessionLimits: defaultSessionLimits,
    }),
  );
}

async function openStore(known?: SnapshotStore): Promise<SnapshotStore> {
  if (known !== undefined) return known;
  return SnapshotStore.open({ fileSystem: new MemoryFileSystem(), directory: '/snapshots' });
}

/** A store with one snapshot: of a state that has applied these entries, all of one epoch. */
async function snapshotOf(entries: readonly Entry[], number: number): Promise<SnapshotStore> {
  const store = await openStore();
  const state = new ReplicatedState(wordList, epoch(number, 0), defaultSessionLimits);
  for (const one of entries) state.apply(one);
  const writer = await store.create({ group: 0, epoch: number, index: state.appliedIndex, reign: 1 });
  for await (const chunk of state.snapshot()) await writer.append(chunk);
  await writer.commit();
  return store;
}

const trail = [{ epoch: 1, end: at(3) }];

describe('a replica in its first epoch', () => {
  test('without anything is blank', async () => {
    const { state, restoredFrom, standsAt, recovered } = await recover({ epoch: epoch(1, 0), trail: [] }, []);
    expect({ applied: state.appliedIndex, restoredFrom, standsAt }).toEqual({ applied: 0 });
    expect(recovered).toEqual({ hardState: undefined, snapshot: { index: 0, reign: 0 }, entries: [] });
  });

  test('leaves its entries to its protocol, which alone knows what is committed', async () => {
    const entries = [open, word(2, 'x')];
    const hardState = Uint8Array.of(7);
    const { state, recovered } = await recover({ epoch: epoch(1, 0), trail: [] }, [
      found({ epoch: 1, hardState, entries }),
    ]);
    expect(state.appliedIndex).toBe(0);
    expect(recovered).toEqual({ hardState, snapshot: { index: 0, reign: 0 }, entries });
  });

  test('begins with its snapshot', async () => {
    const snapshots = await snapshotOf([open, word(2, 'x'), word(3, 'y')], 1);
    const { state, restoredFrom, standsAt } = await recover(
      { epoch: epoch(1, 0), trail: [] },
      [found({ epoch: 1, snapshot: { index: 3, reign: 1 } })],
      snapshots,
    );
    expect(state.ask('all')).toEqual(['x', 'y']);
    expect(restoredFrom).toEqual({ epoch: 1, index: 3, reign: 1 });
    expect(standsAt).toEqual(restoredFrom);
  });
});

describe('a replica in a later epoch', () => {
  test('builds its state from the epochs before, each up to its STOP and no further', async () => {
    const before = found({ epoch: 1, entries: [open, word(2, 'x'), stop(3, 2), word(4, 'never')] });
    const present = found({ epoch: 2, snapshot: { index: 3, reign: 0 }, entries: [word(4, 'later')] });
    const { state, standsAt, recovered } = await recover({ epoch: epoch(2, 3), trail }, [before, present]);
    expect(state.ask('all')).toEqual(['x']);
    expect({ applied: state.appliedIndex, epoch: state.epoch.number }).toEqual({ applied: 3, epoch: 2 });
    expect(standsAt).toEqual({ epoch: 1, index: 3, reign: 1 });
    expect(recovered.snapshot).toEqual({ index: 3, reign: 0 });
    expect(recovered.entries).toEqual(present.entries);
  });

  test('goes through all of them in their order', async () => {
    const one = found({ epoch: 1, entries: [open, word(2, 'x'), stop(3, 2)] });
    const two = found({ epoch: 2, entries: [word(4, 'y'), stop(5, 3)] });
    const { state } = await recover({ epoch: epoch(3, 5), trail: [...trail, { epoch: 2, end: at(5) }] }, [
      two,
      one,
    ]);
    expect(state.ask('all')).toEqual(['x', 'y']);
    expect({ applied: state.appliedIndex, epoch: state.epoch.number }).toEqual({ applied: 5, epoch: 3 });
  });

  test('takes the latest snapshot that it has, and only what comes after it', async () => {
    const history = [open, word(2, 'x')];
    const snapshots = await snapshotOf(history, 1);
    const before = found({ epoch: 1, snapshot: { index: 2, reign: 1 }, entries: [stop(3, 2)] });
    const present = found({ epoch: 2, snapshot: { index: 3, reign: 0 } });
    const { state, restoredFrom, standsAt } = await recover(
      { epoch: epoch(2, 3), trail },
      [before, present],
      snapshots,
    );
    expect(state.ask('all')).toEqual(['x']);
    expect(restoredFrom).toEqual({ epoch: 1, index: 2, reign: 1 });
    expect(standsAt).toEqual({ epoch: 1, index: 3, reign: 1 });
  });

  test('that does not hold an earlier epoch up to its end does not start', async () => {
    const short = found({ epoch: 1, entries: [open, word(2, 'x')] });
    await expect(recover({ epoch: epoch(2, 3), trail }, [short])).rejects.toThrow(
      'epoch 1 is held up to its end, 3',
    );
  });

  test('whose snapshot holds the STOP already is one further, when the charter is not', async () => {
    const snapshots = await snapshotOf([open, word(2, 'x'), stop(3, 2)], 1);
    const { state } = await recover(
      { epoch: epoch(1, 0), trail: [] },
      [found({ epoch: 1, snapshot: { index: 3, reign: 1 } })],
      snapshots,
    );
    expect(state.epoch).toMatchObject({ number: 2, base: 3 });
  });
});

test('a snapshot that is named and is not there stops the replica: it never begins with less', async () => {
  const named = found({ epoch: 1, snapshot: { index: 3, reign: 1 } });
  await expect(recover({ epoch: epoch(1, 0), trail: [] }, [named])).rejects.toMatchObject({
    code: 'ERR_DISK_FAILED',
  });
});
