/** What the papers ask of a replica beside its protocol: snapshots and clients, sentence by sentence. [Raft §7, fig. 13, §8] */
import { decodeValue, type NodeId } from '@quorate/core';
import { MemoryFileSystem, SnapshotStore, WriteAheadLog } from '@quorate/storage';
import { describe, expect, test } from 'vitest';
import type { Entry, LogIndex, Reign } from '../../src/protocol.ts';
import type { ReplicaMessage, SnapshotOffer } from '../../src/replica/message.ts';
import { encodeBatch, encodeOpen, encodeStop } from '../../src/replica/payload.ts';
import { ReplicatedState } from '../../src/replica/replicated-state.ts';
import { SnapshotKeeper, type SnapshotPlace } from '../../src/replica/snapshot-keeper.ts';
import { SnapshotReceiver } from '../../src/replica/snapshot-receiver.ts';
import { defineStateMachine } from '../../src/state-machine.ts';
import { firstEpoch } from './first-epoch.ts';

const leader = 'a' as NodeId;
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const counter = defineStateMachine<number, null, number>({ version: 1 }, () => {
  let sum = 0;
  return {
    apply: (add) => (sum += add),
    query: () => sum,
    snapshot: () => sum,
    restore: (saved) => {
      sum = saved as number;
    },
  };
});

function entry(index: number, payload: Uint8Array): Entry {
  return { index: index as LogIndex, reign: 1 as Reign, timeMs: 0, payload };
}

/** A state with an open session in which as many batches have been applied, each adding one. */
function stateAfter(batches: number): ReplicatedState {
  const state = new ReplicatedState(counter, firstEpoch);
  state.apply(entry(1, encodeOpen(undefined, 'n')));
  for (let batch = 1; batch <= batches; batch++) state.apply(entry(1 + batch, addOne(batch)));
  return state;
}

function addOne(batch: number): Uint8Array {
  return encodeBatch({ session: 1, batch, acknowledgedBelow: 1 }, [1]);
}

describe('[Raft fig. 13] the receiver of a snapshot', () => {
  const offer = (transfer: number, index: number, sizeBytes: number): SnapshotOffer => ({
    type: 'snapshot-offer',
    group: 0,
    transfer,
    epoch: 1,
    last: { index: index as LogIndex, reign: 1 as Reign },
    reign: 1 as Reign,
    brings: 1,
    leads: true,
    sizeBytes,
  });

  async function receiver() {
    const disk = new MemoryFileSystem();
    const snapshots = await SnapshotStore.open({ fileSystem: disk.mount(), directory: '/snapshots' });
    const answers: ReplicaMessage[] = [];
    const received: number[] = [];
    const receiving = new SnapshotReceiver({
      snapshots,
      send: (_, message) => answers.push(message),
      received: (_, { last }) => received.push(last.index),
      failed: (error) => {
        throw error;
      },
    });
    const files = () => disk.mount().list('/snapshots');
    return { snapshots, answers, received, receiving, files };
  }

  const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

  test('2. creates a new snapshot file with the first chunk, which does not count as one yet', async () => {
    const { receiving, files, snapshots } = await receiver();
    receiving.offered(leader, offer(1, 9, 4));
    await settled();
    receiving.chunk(leader, 1, 0, bytes(1, 2));
    await settled();
    expect(await files()).toHaveLength(1);
    expect(snapshots.latest(0)).toBeUndefined();
  });

  test('3. writes data into the file at the given offset, and none beside it', async () => {
    const { receiving, snapshots } = await receiver();
    receiving.offered(leader, offer(1, 9, 4));
    await settled();
    for (const [offset, chunk] of [
      [2, bytes(3, 4)],
      [0, bytes(1, 2)],
      [0, bytes(1, 2)],
      [2, bytes(3, 4)],
    ] as const) {
      receiving.chunk(leader, 1, offset, chunk);
      await settled();
    }
    const meta = snapshots.latest(0);
    expect(meta).toMatchObject({ index: 9, sizeBytes: 4 });
    const reader = await snapshots.reader(meta as NonNullable<typeof meta>);
    expect([...(await reader.read(0, 9))]).toEqual([1, 2, 3, 4]);
  });

  test('4. replies and waits for more as long as it is not done', async () => {
    const { receiving, answers, received } = await receiver();
    receiving.offered(leader, offer(1, 9, 4));
    await settled();
    receiving.chunk(leader, 1, 0, bytes(1, 2));
    await settled();
    expect(answers).toMatchObject([{ nextOffset: 0 }, { nextOffset: 2 }]);
    expect(received).toEqual([]);
    receiving.chunk(leader, 1, 2, bytes(3, 4));
    await settled();
    expect(answers.at(-1)).toMatchObject({ nextOffset: 4 });
    expect(received).toEqual([9]);
  });

  test('5. saves the file, and discards a partial snapshot with a smaller index', async () => {
    const { receiving, received, files, snapshots } = await receiver();
    receiving.offered(leader, offer(1, 9, 4));
    await settled();
    receiving.chunk(leader, 1, 0, bytes(1, 2));
    await settled();
    receiving.offered(leader, offer(2, 20, 1));
    await settled();
    receiving.chunk(leader, 2, 0, bytes(7));
    await settled();
    expect(received).toEqual([20]);
    expect(snapshots.latest(0)).toMatchObject({ index: 20 });
    expect(await files()).toHaveLength(1);
  });
});

describe('[Raft §7] a server that takes a snapshot', () => {
  async function keeper(state: ReplicatedState, everyBytes = 10) {
    const disk = new MemoryFileSystem();
    const fileSystem = disk.mount();
    const log = await WriteAheadLog.open({
      fileSystem,
      directory: '/log',
      clock: { defer: (run) => setImmediate(run) },
      onFailure: (error) => {
        throw error;
      },
    });
    const snapshots = await SnapshotStore.open({ fileSystem, directory: '/snapshots' });
    const seen: string[] = [];
    const keeping = new SnapshotKeeper({
      group: 0,
      state,
      snapshots,
      log,
      countsFrom: undefined,
      standsAt: undefined,
      everyBytes,
      taken: ({ index }) => seen.push(`taken ${index}, file of ${snapshots.latest(0)?.index}`),
      compacted: ({ index }) => seen.push(`forgets up to ${index}`),
      warn: (message) => seen.push(message),
    });
    return { keeping, seen, snapshots };
  }

  const place = (index: number): SnapshotPlace => ({
    epoch: 1,
    index: index as LogIndex,
    reign: 1 as Reign,
  });

  test('takes one when the log reaches a fixed size in bytes', async () => {
    const { keeping, seen } = await keeper(stateAfter(3));
    keeping.applied(place(2), 9);
    keeping.takeIfDue();
    await settled();
    expect(seen).toEqual([]);
    keeping.applied(place(3), 1);
    keeping.takeIfDue();
    await settled();
    expect(seen).toEqual(['taken 3, file of 3']);
  });

  test('deletes log entries once it has completed writing a snapshot, and not before', async () => {
    const { keeping, seen } = await keeper(stateAfter(8));
    for (const index of [3, 5, 8]) {
      keeping.applied(place(index), 10);
      keeping.takeIfDue();
      await settled();
    }
    // Back to the snapshot before, so that who lags a little is sent entries.
    expect(seen).toEqual([
      'taken 3, file of 3',
      'taken 5, file of 5',
      'forgets up to 3',
      'taken 8, file of 8',
      'forgets up to 5',
    ]);
  });

  test('accepts new updates without impacting the snapshot being written', async () => {
    const state = stateAfter(3);
    const { keeping, snapshots } = await keeper(state);
    keeping.applied(place(4), 10);
    keeping.takeIfDue();
    state.apply(entry(5, addOne(4)));
    await settled();
    const meta = snapshots.latest(0);
    const reader = await snapshots.reader(meta as NonNullable<typeof meta>);
    const restored = new ReplicatedState(counter, firstEpoch);
    const content = await reader.read(0, reader.sizeBytes);
    await restored.restore(
      (async function* () {
        yield content;
      })(),
    );
    expect(restored.ask(null)).toBe(3);
    expect(state.ask(null)).toBe(4);
  });
});

describe('[Raft §7] a snapshot also includes', () => {
  const second = {
    ...firstEpoch,
    number: 2,
    algorithm: 'multi-paxos',
    acceptQuorum: 2,
    members: ['a', 'c', 'd'] as NodeId[],
    disks: new Map([['d' as NodeId, 'its disk']]),
    appointed: 'c' as NodeId,
  };

  async function restoredFrom(state: ReplicatedState): Promise<ReplicatedState> {
    const restored = new ReplicatedState(counter, firstEpoch);
    await restored.restore(state.snapshot());
    return restored;
  }

  test('the latest configuration in the log as of last included index', async () => {
    const state = stateAfter(2);
    const { base: _, ...next } = second;
    state.apply(entry(4, encodeStop(next, 'stop')));
    const restored = await restoredFrom(state);
    expect(restored.epoch).toEqual({ ...second, base: 4 });
    // And it is whoever restored it that knows which command ends this one.
    const third = { ...next, number: 3, members: ['a'] as NodeId[], acceptQuorum: undefined };
    expect(restored.apply(entry(5, encodeStop(third, 'again')))).toMatchObject({ type: 'sealed' });
    expect(restored.epoch).toMatchObject({ number: 3, members: ['a'], base: 5 });
  });

  test('no configuration that comes after it', async () => {
    const state = stateAfter(2);
    const { base: _, ...next } = second;
    const restored = restoredFrom(state);
    state.apply(entry(4, encodeStop(next, 'stop')));
    expect((await restored).epoch).toEqual(firstEpoch);
    expect(state.epoch.number).toBe(2);
  });

  test('the last included index, up to which its state has applied', async () => {
    const restored = await restoredFrom(stateAfter(5));
    expect(restored.appliedIndex).toBe(6);
    expect(() => restored.apply(entry(6, addOne(9)))).toThrow('applied after 6');
  });
});

describe('[Raft fig. 2] lastApplied', () => {
  test('is initialized to 0 and increases one by one: no entry is left out, and none applied twice', () => {
    const state = new ReplicatedState(counter, firstEpoch);
    expect(state.appliedIndex).toBe(0);
    expect(() => state.apply(entry(2, addOne(1)))).toThrow('entry 2 applied after 0');
    state.apply(entry(1, encodeOpen(undefined, 'n')));
    for (const [index, batch] of [
      [2, 1],
      [3, 2],
      [4, 2],
    ] as const) {
      state.apply(entry(index, addOne(batch)));
      expect(state.appliedIndex).toBe(index);
    }
    expect(() => state.apply(entry(4, addOne(2)))).toThrow('entry 4 applied after 4');
    expect(state.ask(null)).toBe(2);
  });
});

describe('[Raft §8] a command that was executed already', () => {
  const resultsOf = (state: ReplicatedState, index: number, payload: Uint8Array): unknown => {
    const applied = state.apply(entry(index, payload));
    return applied.type === 'batch' && applied.results !== undefined ? decodeValue(applied.results) : applied;
  };

  test('is responded to without re-executing the request', () => {
    const state = stateAfter(2);
    expect(resultsOf(state, 4, addOne(2))).toEqual([[2], null]);
    expect(state.ask(null)).toBe(2);
  });

  test('is known with its response to who was brought along by a snapshot', async () => {
    const restored = new ReplicatedState(counter, firstEpoch);
    await restored.restore(stateAfter(2).snapshot());
    expect(resultsOf(restored, 4, addOne(2))).toEqual([[2], null]);
    expect(resultsOf(restored, 5, addOne(3))).toEqual([[3], null]);
  });
});

describe('[PaxosSimple §3] a server executes', () => {
  test('a special no-op command, which leaves the state unchanged', () => {
    const [filled, plain] = [stateAfter(2), stateAfter(2)];
    expect(filled.apply(entry(4, new Uint8Array(0)))).toEqual({ type: 'nothing' });
    expect({ sum: filled.ask(null), position: filled.position }).toEqual({
      sum: plain.ask(null),
      position: plain.position,
    });
  });

  test('the chosen commands in their order, so that all servers that execute the same ones end in the same state', () => {
    const [one, other] = [stateAfter(5), stateAfter(5)];
    expect(one.stateHash()).toBe(other.stateHash());
    expect(() => one.apply(entry(8, addOne(7)))).toThrow('entry 8 applied after 6');
  });
});
