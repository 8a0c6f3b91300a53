/** A snapshot transfer joins one life of a sender to one receiver: what another life sends is not part of it. */
import { type CodedError, type NodeId, seededRandom } from '@quorate/core';
import { faultyFileSystem, MemoryFileSystem, type SnapshotMeta, SnapshotStore } from '@quorate/storage';
import { expect, test } from 'vitest';
import type { LogIndex, Reign } from '../../src/protocol.ts';
import type { ReplicaMessage, SnapshotOffer } from '../../src/replica/message.ts';
import { SnapshotReceiver } from '../../src/replica/snapshot-receiver.ts';
import { SnapshotSender } from '../../src/replica/snapshot-sender.ts';

const [leader, lagging] = ['a', 'b'] as [NodeId, NodeId];
const clock = {
  nowMs: () => 0,
  wallMs: () => 0,
  after: () => ({ cancel: () => undefined }),
  defer: (run: () => void) => run(),
};

async function storeWith(index: number, filledWith: number, bytes: number): Promise<SnapshotStore> {
  const store = await openStore();
  const writer = await store.create({ group: 0, epoch: 1, index, reign: 4 });
  await writer.append(new Uint8Array(bytes).fill(filledWith));
  await writer.commit();
  return store;
}

const openStore = (): Promise<SnapshotStore> =>
  SnapshotStore.open({ fileSystem: new MemoryFileSystem().mount(), directory: '/snapshots' });

/** One life of the sending replica; what it sends is kept until `passOn` delivers it. */
function life(snapshots: SnapshotStore): {
  readonly sender: SnapshotSender;
  readonly sent: ReplicaMessage[];
} {
  const sent: ReplicaMessage[] = [];
  const sender = new SnapshotSender({
    group: 0,
    clock,
    standingAt: () => ({ brings: 1, reign: 4 as Reign, leads: true }),
    snapshots,
    firstTransfer: 1,
    chunkBytes: 256 * 1024,
    retryAfterMs: 10,
    send: (_, message) => sent.push(message),
    done: () => undefined,
  });
  return { sender, sent };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function untilQuiet(
  from: ReturnType<typeof life>,
  receiver: SnapshotReceiver,
  answers: ReplicaMessage[],
  deliveriesMax = 1_000,
): Promise<void> {
  for (let delivered = 0; delivered < deliveriesMax; ) {
    for (let turn = 0; turn < 20; turn++) await settled();
    const message = from.sent.shift();
    const answer = answers.shift();
    if (message === undefined && answer === undefined) return;
    if (message !== undefined) delivered += 1;
    if (message?.type === 'snapshot-offer') receiver.offered(leader, message);
    if (message?.type === 'snapshot-chunk')
      receiver.chunk(leader, message.transfer, message.offset, message.chunk);
    if (answer?.type === 'snapshot-progress')
      from.sender.progress(lagging, answer.transfer, answer.nextOffset);
  }
}

test('a sender that died in the middle and came back with a newer snapshot does not finish the old one', async () => {
  const received: SnapshotOffer[] = [];
  const answers: ReplicaMessage[] = [];
  const store = await openStore();
  const receiver = new SnapshotReceiver({
    snapshots: store,
    send: (_, message) => answers.push(message),
    received: (_, offer) => received.push(offer),
    failed: (error) => {
      throw error;
    },
  });
  // The first life sends its snapshot at 100, filled with ones, and dies after the first chunk.
  const first = life(await storeWith(100, 1, 600_000));
  first.sender.start(lagging);
  await untilQuiet(first, receiver, answers, 2);
  answers.length = 0;
  // The second life has one at 200, filled with twos.
  const second = life(await storeWith(200, 2, 900_000));
  second.sender.start(lagging);
  await untilQuiet(second, receiver, answers);

  expect(received.map(({ last }) => last.index)).toEqual([200 as LogIndex]);
  const meta = store.latest(0) as SnapshotMeta;
  const reader = await store.reader(meta);
  const values = new Set<number>();
  for (let offset = 0; offset < reader.sizeBytes; offset += 65_536)
    for (const byte of await reader.read(offset, 65_536)) values.add(byte);
  expect([...values]).toEqual([meta.index === 100 ? 1 : 2]);
});

test('a sender that died does not keep others from sending for ever, whatever reign it had promised', async () => {
  const received: SnapshotOffer[] = [];
  const answers: ReplicaMessage[] = [];
  const receiver = new SnapshotReceiver({
    snapshots: await openStore(),
    send: (_, message) => answers.push(message),
    received: (_, offer) => received.push(offer),
    failed: (error) => {
      throw error;
    },
  });
  // In Multi-Paxos an acceptor that no leader obeys may have promised more than the leader rules under.
  const dead = life(await storeWith(100, 1, 600_000));
  dead.sender.start(lagging);
  await untilQuiet(dead, receiver, answers, 2);
  answers.length = 0;
  const alive: ReplicaMessage[] = [];
  let now = 0;
  const sender = new SnapshotSender({
    group: 0,
    standingAt: () => ({ brings: 1, reign: 4 as Reign, leads: true }),
    clock: { ...clock, nowMs: () => now },
    snapshots: await storeWith(200, 2, 600_000),
    firstTransfer: 1,
    chunkBytes: 256 * 1024,
    retryAfterMs: 10,
    send: (_, message) => alive.push(message),
    done: () => undefined,
  });
  for (let attempt = 0; attempt < 20 && received.length === 0; attempt++) {
    sender.start(lagging);
    for (let tick = 0; tick < 25; tick++) {
      now += 10;
      sender.tick(now);
      for (let turn = 0; turn < 20; turn++) await settled();
      for (const message of alive.splice(0)) {
        if (message.type === 'snapshot-offer') receiver.offered('c' as NodeId, message);
        if (message.type === 'snapshot-chunk')
          receiver.chunk('c' as NodeId, message.transfer, message.offset, message.chunk);
      }
      for (let turn = 0; turn < 20; turn++) await settled();
      for (const answer of answers.splice(0))
        if (answer.type === 'snapshot-progress') sender.progress(lagging, answer.transfer, answer.nextOffset);
    }
  }
  expect(received.map(({ last }) => last.index)).toEqual([200 as LogIndex]);
});

test('of two living senders of the same reign one gets to the end, however often the other offers', async () => {
  const received: SnapshotOffer[] = [];
  const answers: { readonly to: NodeId; readonly message: ReplicaMessage }[] = [];
  const receiver = new SnapshotReceiver({
    snapshots: await openStore(),
    send: (to, message) => answers.push({ to, message }),
    received: (_, offer) => received.push(offer),
    failed: (error) => {
      throw error;
    },
  });
  let now = 0;
  const onTheWay: { readonly from: NodeId; readonly message: ReplicaMessage }[] = [];
  const senders = new Map<NodeId, SnapshotSender>();
  for (const from of ['c', 'd'] as NodeId[]) {
    const sender = new SnapshotSender({
      group: 0,
      standingAt: () => ({ brings: 1, reign: 4 as Reign, leads: true }),
      clock: { ...clock, nowMs: () => now },
      snapshots: await storeWith(200, 2, 100_000),
      firstTransfer: 1,
      chunkBytes: 10_000,
      retryAfterMs: 10,
      send: (_, message) => onTheWay.push({ from, message }),
      done: () => undefined,
    });
    senders.set(from, sender);
    sender.start(lagging);
  }
  // A message takes three milliseconds, so that a transfer takes longer than a sender waits for an answer.
  for (let step = 0; step < 200 && received.length === 0; step++) {
    now += 3;
    for (const sender of senders.values()) sender.tick(now);
    for (let turn = 0; turn < 20; turn++) await settled();
    for (const { from, message } of onTheWay.splice(0)) {
      if (message.type === 'snapshot-offer') receiver.offered(from, message);
      if (message.type === 'snapshot-chunk')
        receiver.chunk(from, message.transfer, message.offset, message.chunk);
      for (let turn = 0; turn < 20; turn++) await settled();
    }
    for (const { to, message } of answers.splice(0)) {
      if (message.type === 'snapshot-progress')
        senders.get(to)?.progress(lagging, message.transfer, message.nextOffset);
    }
  }
  expect(received.map(({ last }) => last.index)).toEqual([200 as LogIndex]);
});

test.each(['create', 'write', 'datasync', 'rename'] as const)(
  'scenario 39: a disk that is full at the %s of what is received leaves nothing behind, and the next try succeeds',
  async (kind) => {
    const memory = new MemoryFileSystem();
    const disk = faultyFileSystem(memory.mount(), { random: seededRandom(1) });
    const store = await SnapshotStore.open({ fileSystem: disk, directory: '/snapshots' });
    const failures: string[] = [];
    const received: number[] = [];
    const answers: ReplicaMessage[] = [];
    const receiver = new SnapshotReceiver({
      snapshots: store,
      send: (_, message) => answers.push(message),
      received: (_, { last }) => received.push(last.index),
      failed: (error) => failures.push((error as CodedError).code),
    });
    const bytes = 300_000;
    const snapshots = await storeWith(9, 3, bytes);
    for (let attempt = 1; attempt <= 3; attempt++) {
      disk.set({ fail: { errno: 'ENOSPC', on: [kind] } });
      const from = life(snapshots);
      from.sender.start(lagging);
      await untilQuiet(from, receiver, answers);
      expect(failures).toEqual(new Array(attempt).fill('ERR_DISK_FULL'));
      expect(memory.paths()).toEqual([]);
      expect(store.latest(0)).toBeUndefined();
    }
    disk.set({});
    const from = life(snapshots);
    from.sender.start(lagging);
    await untilQuiet(from, receiver, answers);
    expect(received).toEqual([9]);
    expect(store.latest(0)).toMatchObject({ index: 9, sizeBytes: bytes });
    expect(memory.paths()).toHaveLength(1);
  },
);
