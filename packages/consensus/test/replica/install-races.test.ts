/** Snapshots installed faster than the log syncs, or than the state restores: no file goes that is still needed. */
import { type ActorRef, type Clock, type NodeId, seededRandom } from '@quorate/core';
import { MemoryFileSystem, SnapshotStore, WriteAheadLog } from '@quorate/storage';
import { expect, test } from 'vitest';
import type { Effect, LogIndex, Protocol, ProtocolStatus, Reign } from '../../src/protocol.ts';
import { Epochs } from '../../src/replica/epochs.ts';
import { encodeOpen } from '../../src/replica/payload.ts';
import { Replica } from '../../src/replica/replica.ts';
import { ReplicatedState } from '../../src/replica/replicated-state.ts';
import { restoreSnapshot } from '../../src/replica/restore-snapshot.ts';
import { defineStateMachine } from '../../src/state-machine.ts';
import { firstEpoch } from './first-epoch.ts';

const machine = defineStateMachine<unknown, unknown, unknown>({ version: 1 }, () => ({
  apply: () => null,
  query: () => null,
  snapshot: () => null,
  restore: () => undefined,
}));

/** Emits whatever stands in `pending` at the next tick. */
function scripted(pending: Effect<unknown>[]): Protocol<unknown, unknown> {
  const status: ProtocolStatus = {
    role: 'follower',
    leader: undefined,
    reign: 1 as Reign,
    commitIndex: 0 as LogIndex,
    lastIndex: 0 as LogIndex,
    snapshotIndex: 0 as LogIndex,
  };
  return {
    name: 'scripted',
    start: () => ({}),
    step: (_state, input, _nowMs, effects) => {
      if (input.type === 'tick') effects.push(...pending.splice(0));
    },
    status: () => status,
    foundingHardState: () => new Uint8Array(0),
    committedFrom: () => undefined,
    encodeMessage: () => [],
    decodeMessage: () => undefined,
    inspect: () => {
      throw new Error('not inspected');
    },
  };
}

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const clock: Clock = {
  nowMs: () => 0,
  wallMs: () => 0,
  after: () => ({ cancel: () => undefined }),
  defer: (run) => void setImmediate(run),
};

const timing = { heartbeatMs: 50, electionTimeoutMs: [150, 300] } as const;

async function setUp() {
  const blocked = { paths: [] as { pattern: RegExp; kind: string }[], waiting: [] as (() => void)[] };
  const memory = new MemoryFileSystem({
    settle: ({ kind, path }) =>
      blocked.paths.some((one) => one.kind === kind && one.pattern.test(path))
        ? new Promise((resolve) => blocked.waiting.push(resolve))
        : Promise.resolve(),
  });
  const release = (): void => {
    blocked.paths = [];
    for (const go of blocked.waiting.splice(0)) go();
  };
  const fileSystem = memory.mount();
  const log = await WriteAheadLog.open({
    fileSystem,
    directory: '/log',
    clock: { defer: (run) => void setImmediate(run) },
    onFailure: (error) => failures.push(error),
  });
  const snapshots = await SnapshotStore.open({ fileSystem, directory: '/snapshots' });
  const pending: Effect<unknown>[] = [];
  const failures: unknown[] = [];
  const state = new ReplicatedState(machine, firstEpoch);
  const protocol = scripted(pending);
  const replica = new Replica({
    node: 'a' as NodeId,
    group: 0,
    clock,
    random: seededRandom(1),
    log,
    snapshots,
    state,
    restoredFrom: undefined,
    standsAt: undefined,
    snapshotEveryBytes: 1 << 30,
    snapshotChunkBytes: 256 * 1024,
    ...timing,
    uncommittedBytesMax: 1 << 20,
    mailboxDepth: () => 0,
    peer: () => ({ tell: () => undefined }) as unknown as ActorRef,
    warn: (_message, error) => failures.push(error),
    failed: (error) => failures.push(error),
    tryAlgorithm: async () => undefined,
    epochs: (ports) =>
      new Epochs(
        {
          ...ports,
          ...timing,
          node: 'a' as NodeId,
          group: 0,
          diskId: 'disk',
          clock,
          log,
          charter: { epoch: firstEpoch, standing: 'voter', trail: [], machineVersion: 1 },
          pageBytesMax: 1 << 20,
          protocolFor: async () => protocol,
          startProtocol: () => ({}),
        },
        protocol,
        {},
      ),
  });
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
  return { memory, blocked, release, install, state, failures };
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
