/** A replica whose protocol says what a test tells it to, on a real log in memory whose calls can be held up. */
import { type ActorRef, type Clock, type NodeId, seededRandom } from '@quorate/core';
import { MemoryFileSystem, SnapshotStore, WriteAheadLog } from '@quorate/storage';
import type { Effect, LogIndex, Protocol, ProtocolStatus, Reign, Role } from '../../src/protocol.ts';
import { Epochs } from '../../src/replica/epochs.ts';
import { Replica } from '../../src/replica/replica.ts';
import { ReplicatedState } from '../../src/replica/replicated-state.ts';
import { defineStateMachine } from '../../src/state-machine.ts';
import { firstEpoch } from './first-epoch.ts';

export const machine = defineStateMachine<unknown, unknown, unknown>({ version: 1 }, () => ({
  apply: () => null,
  query: () => null,
  snapshot: () => null,
  restore: () => undefined,
}));

/** Emits whatever stands in `pending` at the next tick. */
function scripted(pending: Effect<unknown>[], is: { role: Role }): Protocol<unknown, unknown> {
  const status = (): ProtocolStatus => ({
    role: is.role,
    leader: undefined,
    reign: 1 as Reign,
    commitIndex: 0 as LogIndex,
    lastIndex: 0 as LogIndex,
    snapshotIndex: 0 as LogIndex,
  });
  return {
    name: 'scripted',
    start: () => ({}),
    step: (_state, input, _nowMs, effects) => {
      if (input.type === 'tick') effects.push(...pending.splice(0));
    },
    status,
    foundingHardState: () => new Uint8Array(0),
    committedFrom: () => undefined,
    encodeMessage: () => [],
    decodeMessage: () => undefined,
    inspect: () => {
      throw new Error('not inspected');
    },
  };
}

export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const clock: Clock = {
  nowMs: () => 0,
  wallMs: () => 0,
  after: () => ({ cancel: () => undefined }),
  defer: (run) => void setImmediate(run),
};

const timing = { heartbeatMs: 50, electionTimeoutMs: [150, 300] } as const;

/** @param state what was found at the start */
export async function scriptedReplica(state = new ReplicatedState(machine, firstEpoch)) {
  const is: { role: Role } = { role: 'follower' };
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
  const protocol = scripted(pending, is);
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
  return { is, replica, memory, blocked, release, snapshots, pending, state, failures };
}
