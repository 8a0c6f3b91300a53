/** What a client believes of the cluster as a whole, with the replicas played by hand. */
import { type ActorContext, type ActorRef, type NodeId, seededRandom } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { Client } from '../../src/cluster/client.ts';
import type { LogIndex, Reign } from '../../src/protocol.ts';
import type { ClientMessage, EpochChange, ReplicaMessage, ReplicaStatus } from '../../src/replica/message.ts';
import { decodeReplicaMessage, encodeClientMessage } from '../../src/replica/message-codec.ts';

const nodes = ['a', 'b', 'c'] as NodeId[];

/** A client with nobody behind its links; what replicas say to it is played by hand. */
function setUp() {
  const asked: string[] = [];
  const told: ReplicaMessage[] = [];
  const timers: { readonly atMs: number; readonly run: () => void }[] = [];
  let nowMs = 0;
  let everySecond = (): void => undefined;
  const refOf = (node: NodeId): ActorRef => ({
    address: `${node}/replica`,
    tell: (wire) => {
      const message = decodeReplicaMessage(wire);
      told.push(message);
      asked.push(`${message.type} ${node}`);
    },
    ask: () => Promise.reject(new Error('nobody asks here')),
  });
  const client = new Client(
    {
      clock: {
        nowMs: () => nowMs,
        wallMs: () => 0,
        after: (delayMs: number, run: () => void) => {
          const timer = { atMs: nowMs + delayMs, run };
          timers.push(timer);
          return { cancel: () => void timers.splice(timers.indexOf(timer), 1) };
        },
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
  const hears = (node: string, role: ReplicaStatus['role'], news: Partial<ReplicaStatus> = {}): void => {
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
      ...news,
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

  /** A replica answers the newest request. */
  const answers = (node: string, answer: (request: number) => ClientMessage): void => {
    const request = told.findLast((message) => 'request' in message);
    if (request === undefined || !('request' in request)) throw new Error('nothing was asked');
    void client.behavior().receive(encodeClientMessage(answer(request.request)), refOf(node as NodeId));
  };
  const pass = (timeMs: number): void => {
    for (const endMs = nowMs + timeMs; nowMs < endMs; ) {
      nowMs += 10;
      for (const timer of timers.filter(({ atMs }) => atMs <= nowMs)) {
        timers.splice(timers.indexOf(timer), 1);
        timer.run();
      }
      if (nowMs % 1_000 === 0) everySecond();
    }
  };
  return { client, asked, told, hears, answers, pass, refusal, everySecond: () => everySecond() };
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

describe('a change of epoch', () => {
  const change: EpochChange = {
    fromEpoch: 1,
    algorithm: 'raft',
    acceptQuorum: undefined,
    members: [...nodes, 'd' as NodeId],
    renewed: [],
  };

  test.each([
    [5_000, 4_400],
    [1_000, 750],
    [1, 1],
  ])(
    'of %s ms leaves its leader %s for those who join, so that its word comes in time',
    (timeoutMs, withinMs) => {
      const { client, told, hears } = setUp();
      hears('a', 'leader', { leader: 'a' as NodeId });
      client.reconfigure(change, { timeoutMs }).catch(() => undefined);
      expect(told.at(-1)).toMatchObject({ type: 'reconfigure', withinMs });
    },
  );

  test('is ERR_NO_QUORUM by the word of its leader, who says it before the deadline', async () => {
    const { client, hears, answers, pass } = setUp();
    hears('a', 'leader', { leader: 'a' as NodeId });
    const changed = client.reconfigure(change, { timeoutMs: 500 });
    pass(380);
    const [code, message] = ['ERR_NO_QUORUM', 'd did not catch up in time'] as const;
    answers('a', (request) => ({
      type: 'refused',
      request,
      code,
      message,
      leader: undefined,
      isFinal: true,
    }));
    pass(1_000);
    await expect(changed).rejects.toMatchObject({ code, message });
  });

  test('is ERR_OUTCOME_UNKNOWN at the deadline when its leader says nothing', async () => {
    const { client, hears, pass } = setUp();
    hears('a', 'leader', { leader: 'a' as NodeId });
    const changed = client.reconfigure(change, { timeoutMs: 500 });
    pass(1_000);
    await expect(changed).rejects.toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN' });
  });
});

describe('an epoch is established', () => {
  /** Whether it is known by now. */
  const isKnown = (waiting: Promise<void>): Promise<unknown> =>
    Promise.race([
      waiting.then(
        () => 'established',
        (error: { code: string }) => error.code,
      ),
      new Promise((resolve) => setImmediate(resolve, 'waits')),
    ]);
  const second = { epoch: 2, leader: 'a' as NodeId };

  test('when a majority of its members is in it', async () => {
    const { client, hears } = setUp();
    const established = client.establishedIn(2, 60_000);
    hears('a', 'leader', second);
    hears('b', 'follower');
    expect(await isKnown(established)).toBe('waits');
    hears('b', 'follower', second);
    expect(await isKnown(established)).toBe('established');
  });

  test("not by one who bears a member's name and only learns: it may hold nothing of it yet", async () => {
    const { client, hears, pass } = setUp();
    const established = client.establishedIn(2, 2_000);
    hears('a', 'leader', second);
    hears('b', 'learner', second);
    expect(await isKnown(established)).toBe('waits');
    pass(3_000);
    expect(await isKnown(established)).toBe('ERR_OUTCOME_UNKNOWN');
  });

  test('or a node is in it, voice or none, by its own word in its present life', async () => {
    const { client, hears } = setUp();
    hears('b', 'follower', second);
    client.nodeUp('b' as NodeId);
    const heard = client.heardIn('b' as NodeId, 60_000);
    hears('b', 'learner');
    expect(await isKnown(heard)).toBe('waits');
    hears('b', 'learner', second);
    expect(await isKnown(heard)).toBe('established');
  });

  test.each([
    ['leaderIn', (client: Client, signal: AbortSignal) => client.leaderIn(2, 60_000, signal)],
    ['heardIn', (client: Client, signal: AbortSignal) => client.heardIn(nodes[1] as NodeId, 60_000, signal)],
    ['establishedIn', (client: Client, signal: AbortSignal) => client.establishedIn(2, 60_000, signal)],
  ])('or nobody wants to know any more: %s lets go, and nothing is asked for it', async (_, wait) => {
    const { client, asked, hears, everySecond } = setUp();
    hears('a', 'leader', { leader: 'a' as NodeId });
    const controller = new AbortController();
    const waiting = wait(client, controller.signal);
    asked.length = 0;
    everySecond();
    expect(asked).toEqual(['watch-status a', 'watch-status b', 'watch-status c']);
    expect(await isKnown(waiting)).toBe('waits');
    controller.abort();
    asked.length = 0;
    everySecond();
    expect(asked).toEqual([]);
    expect(await isKnown(waiting)).toMatch(/^ERR_/);
  });

  test('or never, when the client has stopped', async () => {
    const { client } = setUp();
    const before = client.leaderIn(0, 60_000);
    client.stop();
    expect(await isKnown(before)).toBe('ERR_STOPPED');
    expect(await isKnown(client.leaderIn(0, 60_000))).toBe('ERR_STOPPED');
    expect(await isKnown(client.establishedIn(2, 60_000))).toBe('ERR_STOPPED');
  });
});
