/** What a node makes of the end of a peer's thread: a hint about the life that ended, and about no other. */
import {
  defineActor,
  loopbackLink,
  type NodeId,
  NodeRuntime,
  seededRandom,
  systemClock,
} from '@quorate/core';
import { MemoryFileSystem } from '@quorate/storage';
import { expect, onTestFinished, test } from 'vitest';
import { defaultTuning, defineStateMachine, nodeActorName, openNode, raft } from '../../src/index.ts';
import { encodeReplicaMessage } from '../../src/replica/message-codec.ts';

const [a, b] = ['a', 'b'] as [NodeId, NodeId];
const machine = defineStateMachine({ version: 1 }, () => ({
  apply: () => undefined,
  query: () => undefined,
  snapshot: () => undefined,
  restore: () => undefined,
}));

function runtimeOf(node: NodeId): NodeRuntime {
  const runtime = new NodeRuntime({ node, clock: systemClock, random: seededRandom(1) });
  onTestFinished(() => runtime.stop());
  return runtime;
}

/** Resolves when all that is here has been handled. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Node a, which has heard b in its life number 0; `hints` is what its protocol was told since. */
async function setUp() {
  const hints: string[] = [];
  const runtime = runtimeOf(a);
  const peer = runtimeOf(b);
  const link = () => loopbackLink(systemClock, (frame) => peer.receiveFrame(a, frame));
  runtime.attachLink(b, link(), 0);
  peer.attachLink(
    a,
    loopbackLink(systemClock, (frame) => runtime.receiveFrame(b, frame)),
    0,
  );
  const node = defineActor<unknown, void>((context) =>
    openNode(context, {
      clusterId: 'one',
      fileSystem: new MemoryFileSystem(),
      directory: '/a',
      machine,
      epoch: { number: 1, algorithm: 'raft', acceptQuorum: undefined, members: [a, b] },
      loadProtocol: async () => ({
        ...raft,
        step(state, input, nowMs, effects) {
          if (input.type === 'peer-down' || input.type === 'peer-silent') hints.push(input.type);
          raft.step(state as never, input as never, nowMs, effects as never);
        },
      }),
      tuning: { ...defaultTuning, electionTimeoutMs: [60_000, 120_000] },
    }),
  );
  runtime.spawn(nodeActorName, node);
  await runtime.started(nodeActorName);
  peer.spawn(
    nodeActorName,
    defineActor(() => ({ receive: () => undefined })),
  );
  const speaker = defineActor<unknown, void>((context) => {
    context.actor('a/replica-0').tell(encodeReplicaMessage({ type: 'watch-status' }));
    return { receive: () => undefined };
  });
  peer.spawn('replica-0', speaker);
  await settled();
  expect(hints).toEqual([]);
  return { runtime, hints, link };
}

test('the end of a thread is a hint to the protocol', async () => {
  const { runtime, hints } = await setUp();
  runtime.peerEnded(b, 'test');
  await settled();
  expect(hints).toEqual(['peer-down']);
});

test('a thread that ended, and whose node is in its next life by the time of the news, was only away', async () => {
  const { runtime, hints, link } = await setUp();
  runtime.peerEnded(b, 'test');
  runtime.attachLink(b, link(), 1);
  await settled();
  expect(hints).toEqual(['peer-silent']);
});

test('a link that is lost is no hint at all', async () => {
  const { runtime, hints } = await setUp();
  runtime.detachLink(b, 'test');
  await settled();
  expect(hints).toEqual([]);
});
