/**
 * Recovery of a replica: from the newest snapshot over the epochs after it to where its present epoch begins.
 *
 * What an earlier epoch chose up to its STOP is final, so those entries are applied before the present protocol
 * starts. The log keeps them until a snapshot of the present epoch is durable.
 */
import { invariant } from '@quorate/core';
import type { RecoveredLog, SnapshotStore, WriteAheadLog } from '@quorate/storage';
import type { Entry, LogIndex, RecoveredState, Reign } from '../protocol.ts';
import type { StateMachineDefinition } from '../state-machine.ts';
import type { Charter } from './charter.ts';
import { ReplicatedState } from './replicated-state.ts';
import { restoreSnapshot } from './restore-snapshot.ts';
import type { SessionLimits } from './session-table.ts';
import type { SnapshotPlace } from './snapshot-keeper.ts';

export interface Recovery {
  readonly state: ReplicatedState;
  /** The snapshot that the state was restored from. */
  readonly restoredFrom: SnapshotPlace | undefined;
  /** The last entry that is in the state; undefined while it is blank. */
  readonly standsAt: SnapshotPlace | undefined;
  /** What the present epoch's protocol knew. */
  readonly recovered: RecoveredState;
}

/** @throws CodedError ERR_LOG_CORRUPT, ERR_DISK_FAILED, ERR_FOREIGN_DATA */
export async function recoverState(found: {
  readonly group: number;
  readonly charter: Charter;
  readonly log: WriteAheadLog;
  readonly snapshots: SnapshotStore;
  readonly machine: StateMachineDefinition;
  readonly sessionLimits: SessionLimits;
}): Promise<Recovery> {
  const { group, charter, log, snapshots, machine, sessionLimits } = found;
  const logs = new Map(
    log.recovered.filter((recovered) => recovered.group === group).map((of) => [of.epoch, of]),
  );
  const begin = charter.trail.length === 0 ? charter.epoch : firstEpoch(charter);
  const state = new ReplicatedState(machine, begin, sessionLimits);
  const restoredFrom = newestSnapshot(charter, logs);
  if (restoredFrom !== undefined) await restoreSnapshot(snapshots, { group, ...restoredFrom }, state);
  let standsAt = restoredFrom;
  for (const { epoch, end } of charter.trail) {
    for (const entry of (logs.get(epoch)?.entries ?? []) as readonly Entry[]) {
      if (entry.index <= state.appliedIndex || entry.index > end) continue;
      state.apply(entry);
      standsAt = { epoch, index: entry.index, reign: entry.reign };
    }
    invariant(state.appliedIndex >= end, `epoch ${epoch} is held up to its end, ${end}`);
  }
  // One further, when the snapshot holds the STOP and the crash came before the next charter was written.
  const isAhead = state.epoch.number === charter.epoch.number + 1 && restoredFrom !== undefined;
  invariant(
    isAhead || state.epoch.number === charter.epoch.number,
    'the state stands where the present epoch begins',
  );
  return { state, restoredFrom, standsAt, recovered: recoveredIn(logs.get(charter.epoch.number)) };
}

/** Of the present epoch, or of the latest before it that has one. */
function newestSnapshot(
  { epoch, trail }: Charter,
  logs: ReadonlyMap<number, RecoveredLog>,
): SnapshotPlace | undefined {
  for (const number of [epoch.number, ...trail.map((stretch) => stretch.epoch).reverse()]) {
    const snapshot = logs.get(number)?.snapshot;
    // Without a reign it is no file, but the place where an epoch's log begins.
    if (snapshot === undefined || snapshot.reign === 0) continue;
    return { epoch: number, index: snapshot.index as LogIndex, reign: snapshot.reign as Reign };
  }
  return undefined;
}

/** The number is all that the state needs of an epoch that its own entries end. */
function firstEpoch({ epoch, trail }: Charter): Charter['epoch'] {
  return { ...epoch, number: trail[0]?.epoch ?? epoch.number, base: 0 as LogIndex, appointed: undefined };
}

function recoveredIn(found: RecoveredLog | undefined): RecoveredState {
  if (found === undefined) {
    return { hardState: undefined, snapshot: { index: 0 as LogIndex, reign: 0 as Reign }, entries: [] };
  }
  const { hardState, snapshot, entries } = found;
  for (const { index } of entries) {
    invariant(index > snapshot.index, 'recovered entries stand above the snapshot');
  }
  return {
    hardState,
    snapshot: { index: snapshot.index as LogIndex, reign: snapshot.reign as Reign },
    entries: entries as readonly Entry[],
  };
}
