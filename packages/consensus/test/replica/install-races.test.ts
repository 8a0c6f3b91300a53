/** Snapshots installed faster than the log syncs, or than the state restores: no file goes that is still needed. */

import type { NodeId } from '@quorate/core';
import { SnapshotStore, WriteAheadLog } from '@quorate/storage';
import { expect, test } from 'vitest';
import type { Entry, LogIndex, Reign } from '../../src/protocol.ts';
import { encodeOpen, encodeStop } from '../../src/replica/payload.ts';
import { ReplicatedState } from '../../src/replica/replicated-state.ts';
import { restoreSnapshot } from '../../src/replica/restore-snapshot.ts';
import { firstEpoch } from './first-epoch.ts';
import { machine, scriptedReplica, settled } from './scripted-replica.ts';

async function setUp() {
  const parts = await scriptedReplica();
  const { replica, snapshots, pending } = parts;
  for (const index of [10, 20, 30, 40]) {
    const source = new ReplicatedState(machine, firstEpoch);
    for (let at = 1; at <= index; at++) {
      source.apply({
        index: at as LogIndex,
        reign: 1 as Reign,
        timeMs: 0,
        payload: encodeOpen(undefined, `n${at}`),
      });
    }
    const writer = await snapshots.create({ group: 0, epoch: 1, index, reign: 1 });
    for await (const chunk of source.snapshot()) await writer.append(chunk);
    await writer.commit();
  }
  let mark = 0;
  const install = (index: number): void => {
    mark += 1;
    pending.push({
      type: 'install',
      mark,
      snapshot: { index: index as LogIndex, reign: 1 as Reign },
      discardsLog: true,
      thenSend: [],
    });
    replica.tick();
  };
  return { ...parts, install };
}

test('a snapshot that the durable log counts from is not pruned before the log counts from a later one', async () => {
  const { memory, blocked, release, install } = await setUp();
  blocked.paths = [{ kind: 'datasync', pattern: /^\/log\// }];
  install(10);
  await settled();
  install(20);
  install(30);
  await settled();
  // The first record becomes durable; those of 20 and 30 hang in the next commit when the process dies.
  const [first] = blocked.waiting.splice(0);
  first?.();
  await settled();
  // Whatever is not synced is gone; what removed a file may have reached the disk.
  memory.crash({ chance: () => false, next: () => 0.99, below: () => 1, fork: () => undefined } as never);
  release();

  const fileSystem = memory.mount();
  const log = await WriteAheadLog.open({
    fileSystem,
    directory: '/log',
    clock: { defer: (run) => void setImmediate(run) },
    onFailure: () => undefined,
  });
  const snapshots = await SnapshotStore.open({ fileSystem, directory: '/snapshots' });
  const [recovered] = log.recovered;
  const position = { group: 0, epoch: 1, index: 0, reign: 0, ...recovered?.snapshot };
  expect(position.index).toBe(10);
  await restoreSnapshot(snapshots, position, new ReplicatedState(machine, firstEpoch));
});

test('installs that wait for a slow restore do not fail for files that a later one made superfluous', async () => {
  const { blocked, release, install, state, failures } = await setUp();
  blocked.paths = [{ kind: 'read', pattern: /0-1-10-1\.snap$/ }];
  for (const index of [10, 20, 30, 40]) {
    install(index);
    await settled();
  }
  release();
  await settled();
  expect(failures).toEqual([]);
  expect(state.appliedIndex).toBe(40);
});

const entryAt = (index: number, payload: Uint8Array): Entry => ({
  index: index as LogIndex,
  reign: 1 as Reign,
  timeMs: 0,
  payload,
});

/** A state that has applied the STOP of the first epoch, at 3. */
function stateAtStop(): ReplicatedState {
  const state = new ReplicatedState(machine, firstEpoch);
  const next = { ...firstEpoch, number: 2, appointed: 'a' as NodeId };
  state.apply(entryAt(1, encodeOpen(undefined, 'one')));
  state.apply(entryAt(2, encodeOpen(undefined, 'two')));
  expect(state.apply(entryAt(3, encodeStop(next, 'stop')))).toMatchObject({ type: 'sealed' });
  return state;
}

const behindTheStop = entryAt(4, encodeOpen(undefined, 'behind the STOP'));

test('what is chosen behind a STOP is not applied when the STOP comes in a snapshot', async () => {
  const { replica, snapshots, pending, state, failures } = await scriptedReplica();
  const writer = await snapshots.create({ group: 0, epoch: 1, index: 3, reign: 1 });
  for await (const chunk of stateAtStop().snapshot()) await writer.append(chunk);
  await writer.commit();
  const snapshot = { index: 3 as LogIndex, reign: 1 as Reign };
  pending.push({ type: 'install', mark: 1, snapshot, discardsLog: false, thenSend: [] });
  pending.push({ type: 'committed', entries: [behindTheStop] });
  replica.tick();
  await settled();
  expect(failures).toEqual([]);
  expect(state).toMatchObject({ appliedIndex: 3, epoch: { number: 2, base: 3 } });
  expect(replica.run.epoch.number).toBe(2);
});

test('what is chosen behind a STOP is not applied when the STOP is in the state that is found at the start', async () => {
  const { replica, pending, state, failures } = await scriptedReplica(stateAtStop());
  pending.push({ type: 'committed', entries: [behindTheStop] });
  replica.tick();
  await settled();
  expect(failures).toEqual([]);
  expect(state.appliedIndex).toBe(3);
  expect(replica.run.epoch.number).toBe(2);
});
