/** What a client believes of the cluster as a whole, with the replicas played by hand. */
import { type ActorContext, type ActorRef, type NodeId, seededRandom } from '@quorate/core';
import { expect, test } from 'vitest';
import { Client } from '../../src/cluster/client.ts';
import type { LogIndex, Reign } from '../../src/protocol.ts';
import type { ReplicaStatus } from '../../src/replica/message.ts';
import { decodeReplicaMessage, encodeClientMessage } from '../../src/replica/message-codec.ts';

const nodes = ['a', 'b', 'c'] as NodeId[];

/** A client with nobody behind its links; what replicas say to it is played by hand. */
function setUp() {
  const asked: string[] = [];
  let everySecond = (): void => undefined;
  const refOf = (node: NodeId): ActorRef => ({
    address: `${node}/replica`,
    tell: (wire) => void asked.push(`${decodeReplicaMessage(wire).type} ${node}`),
    ask: () => Promise.reject(new Error('nobody asks here')),
  });
  const client = new Client(
    {
      clock: {
        nowMs: () => 0,
        wallMs: () => 0,
        after: () => ({ cancel: () => undefined }),
        defer: () => undefined,
      },
      random: seededRandom(1),
      timers: {
        every: (_: number, run: () => void) => {
          everySecond = run;
        },
      },
    } as unknown as ActorContext,
    {
      nodes,
      replica: (_, node) => refOf(node),
      nonce: () => 'nonce',
      patienceMs: 600,
      backOffMs: 25,
    },
  );
  const hears = (node: string, role: ReplicaStatus['role']): void => {
    const failure = role === 'failed' ? { code: 'ERR_DISK_FULL' as const, message: 'full' } : undefined;
    const status: ReplicaStatus = {
      node: node as NodeId,
      role,
      leader: undefined,
      epoch: 1,
      algorithm: 'raft',
      acceptQuorum: undefined,
      members: nodes,
      reign: 1 as Reign,
      commitIndex: 0 as LogIndex,
      appliedIndex: 0 as LogIndex,
      position: 0,
      mailboxDepth: 0,
      failure,
    };
    void client.behavior().receive(encodeClientMessage({ type: 'status', status }), refOf(node as NodeId));
  };
  const refusal = (): Promise<unknown> =>
    Promise.race([
      client
        .session()
        .propose('x')
        .catch((error: unknown) => error),
      new Promise((resolve) => setImmediate(resolve, 'waits')),
    ]);

  return { client, asked, hears, refusal, everySecond: () => everySecond() };
}

test('whoever was told that a majority has failed goes on asking, and hears when it is back', async () => {
  const { client, asked, hears, refusal, everySecond } = setUp();
  hears('a', 'failed');
  hears('b', 'failed');
  await expect(client.session().propose('x')).rejects.toMatchObject({ code: 'ERR_DISK_FULL' });

  asked.length = 0;
  everySecond();
  expect(asked).toEqual(['watch-status a', 'watch-status b', 'watch-status c']);
  hears('a', 'follower');
  expect(await refusal()).toBe('waits');
});

test('a failure is one of the life that told of it: when its node is started anew, there is hope', async () => {
  const { client, hears, refusal } = setUp();
  hears('a', 'failed');
  hears('b', 'failed');
  client.nodeDown('a' as NodeId);
  expect(await refusal()).toMatchObject({ code: 'ERR_DISK_FULL' });
  client.nodeUp('a' as NodeId);
  expect(await refusal()).toBe('waits');
  // The word of another one does not bring the old failure back.
  hears('c', 'follower');
  expect(await refusal()).toBe('waits');
});
