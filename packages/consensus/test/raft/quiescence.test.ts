/** Quiescence: an idle group sends nothing, and wakes for everything that matters. */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { type ClusterSettings, ProtocolCluster } from '../../src/conformance/cluster.ts';
import type { RaftMessage } from '../../src/raft/message.ts';
import { type RaftState, raft } from '../../src/raft/raft.ts';
import { appendOf, LoneServer } from './lone-server.ts';

type Settings = Partial<ClusterSettings<RaftState, RaftMessage>>;
type Cluster = ProtocolCluster<RaftState, RaftMessage>;

function clusterOf(nodes: number, settings: Settings = {}): Cluster {
  const network = { delayMs: [0.5, 1] } as const;
  const options = { quiesces: true, leaseMs: 100 };
  return new ProtocolCluster<RaftState, RaftMessage>({
    protocol: raft,
    nodes,
    network,
    options,
    ...settings,
  });
}

/** The messages that leave any node in `durationMs`. */
function sentWithin(cluster: Cluster, durationMs: number): number {
  let sent = 0;
  cluster.onEffect = (_, effect) => {
    if (effect.type === 'send') sent += 1;
    if (effect.type === 'persist') sent += effect.thenSend.length;
  };
  cluster.run(durationMs);
  cluster.onEffect = () => {};
  return sent;
}

/** A group that has fallen silent, with one entry committed besides the leader's no-op. */
function silentCluster(nodes = 3, settings: Settings = {}): Cluster {
  const cluster = clusterOf(nodes, settings);
  cluster.elect('n1');
  cluster.propose('n1', 'x');
  cluster.run(500);
  expect(sentWithin(cluster, 10_000)).toBe(0);
  return cluster;
}

function tellOthers(cluster: Cluster, type: 'peer-silent' | 'peer-down', peer: string): void {
  for (const member of cluster.members) {
    if (member !== peer && cluster.isUp(member)) cluster.input(member, { type, peer: peer as NodeId });
  }
}

describe('an idle group', () => {
  test('sends nothing at all, and keeps its leader', () => {
    const cluster = silentCluster();
    const { reign, commitIndex } = cluster.status('n1');
    for (const id of cluster.members) {
      expect(cluster.status(id)).toMatchObject({ leader: 'n1', reign, commitIndex });
      expect(cluster.committedTexts(id)).toEqual(['x']);
    }
  });

  test('of one falls silent too', () => {
    expect(silentCluster(1).leader()).toBe('n1');
  });

  test('that may not quiesce goes on with its heartbeats', () => {
    const cluster = clusterOf(3, { options: {} });
    cluster.elect('n1');
    cluster.run(500);
    expect(sentWithin(cluster, 1_000)).toBeGreaterThan(30);
  });

  test('waits for the one that does not hold the whole log', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.run(100);
    cluster.hold = ({ message, to }) => to === 'n3' && message.type === 'append';
    cluster.propose('n1', 'x');
    let asked = 0;
    cluster.onEffect = (_, effect) => {
      if (effect.type === 'send' && effect.message.type === 'pre-vote-request') asked += 1;
    };
    cluster.run(2_000);
    // It goes on with its heartbeats, and is not woken again and again by the one that has none.
    expect(asked).toBe(0);
    expect(sentWithin(cluster, 1_000)).toBeGreaterThan(30);
    cluster.hold = () => false;
    cluster.run(600);
    expect(cluster.committedTexts('n3')).toEqual(['x']);
    expect(sentWithin(cluster, 10_000)).toBe(0);
  });

  test('waits for the one that has not answered the last round', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.run(100);
    cluster.hold = ({ message, from }) => from === 'n3' && message.type === 'heartbeat-reply';
    cluster.run(1_000);
    expect(sentWithin(cluster, 1_000)).toBeGreaterThan(10);
  });

  test('waits for nobody whose node is known to be gone, however often that is said', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.crash('n3');
    cluster.propose('n1', 'x');
    cluster.run(1_000);
    expect(sentWithin(cluster, 1_000)).toBeGreaterThan(10);
    tellOthers(cluster, 'peer-silent', 'n3');
    cluster.run(500);
    tellOthers(cluster, 'peer-silent', 'n3');
    expect(sentWithin(cluster, 5_000)).toBe(0);
    cluster.restart('n3');
    cluster.run(1_000);
    expect(cluster.committedTexts('n3')).toEqual(['x']);
    expect(cluster.leader()).toBe('n1');
    expect(cluster.safety.leaderOfReign.size).toBe(1);
    expect(sentWithin(cluster, 5_000)).toBe(0);
  });

  test('does not fall silent without a majority: its leader steps down', () => {
    const cluster = clusterOf(5);
    cluster.elect('n1');
    cluster.run(100);
    for (const id of ['n3', 'n4', 'n5']) {
      cluster.crash(id);
      cluster.input('n1', { type: 'peer-down', peer: id as NodeId });
    }
    cluster.run(500);
    expect(cluster.status('n1').role).not.toBe('leader');
  });

  test('falls silent over lossy links too, and elects nobody else for that', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = clusterOf(3, {
        seed,
        network: { delayMs: [0.5, 1], lossChance: 0.3, duplicateChance: 0.3 },
      });
      cluster.elect('n1');
      expect(cluster.runUntil(() => sentWithin(cluster, 2_000) === 0, 60_000)).toBe(true);
    }
  });
});

describe('a silent group', () => {
  test('takes a proposal as if it had never slept', () => {
    const cluster = silentCluster();
    expect(cluster.propose('n1', 'y').type).toBe('accepted');
    cluster.run(60);
    for (const id of cluster.members) expect(cluster.committedTexts(id)).toEqual(['x', 'y']);
    cluster.run(10_000);
    expect(cluster.safety.leaderOfReign.size).toBe(1);
  });

  test('has no lease left: a read asks a majority', () => {
    const cluster = silentCluster();
    const read = cluster.read('n1', { mayUseLease: true });
    expect(cluster.readOutcome(read)).toBe('waiting');
    cluster.run(10);
    expect(cluster.readOutcome(read)).toBe(cluster.status('n1').commitIndex);
  });

  test('whose leader was replaced meanwhile answers no reads, and finds out', () => {
    const cluster = silentCluster();
    cluster.partition(['n1'], ['n2', 'n3']);
    tellOthers(cluster, 'peer-silent', 'n1');
    expect(cluster.runUntil(() => ['n2', 'n3'].includes(cluster.leader() ?? ''), 500)).toBe(true);
    cluster.propose(cluster.leader() ?? '', 'y');
    cluster.run(50);
    const read = cluster.read('n1', { mayUseLease: true });
    cluster.run(400);
    expect(cluster.readOutcome(read)).toBe('refused');
    expect(cluster.status('n1').role).not.toBe('leader');
  });

  test('whose leader hears that the others are silent learns that it is cut off', () => {
    const cluster = silentCluster();
    cluster.partition(['n1'], ['n2', 'n3']);
    for (const peer of ['n2', 'n3']) cluster.input('n1', { type: 'peer-silent', peer: peer as NodeId });
    cluster.run(400);
    expect(cluster.status('n1').role).not.toBe('leader');
  });

  test.each(['peer-silent', 'peer-down'] as const)('elects another when told of its leader: %s', (type) => {
    const cluster = silentCluster(5);
    cluster.crash('n1');
    cluster.run(5_000);
    expect(cluster.leader()).toBeUndefined();
    tellOthers(cluster, type, 'n1');
    expect(cluster.runUntil(() => cluster.leader() === 'n2', 25)).toBe(true);
  });

  test('elects another when someone looks for its dead leader, told or not', () => {
    const cluster = silentCluster();
    cluster.crash('n1');
    cluster.run(1_000);
    expect(cluster.propose('n2', 'y')).toEqual({ type: 'refused', reason: 'not-leader' });
    expect(cluster.runUntil(() => cluster.leader() !== undefined, 1_000)).toBe(true);
  });

  test('does not believe that its leader is silent when it has just heard it', () => {
    const cluster = silentCluster();
    cluster.propose('n1', 'y');
    cluster.run(10);
    tellOthers(cluster, 'peer-silent', 'n1');
    cluster.run(1_000);
    expect(cluster.leader()).toBe('n1');
    expect(cluster.safety.leaderOfReign.size).toBe(1);
  });

  test('is woken by a node that starts, does not elect it, and falls silent again', () => {
    const cluster = silentCluster();
    cluster.crash('n3');
    cluster.run(1_000);
    cluster.restart('n3');
    cluster.run(1_000);
    expect(cluster.status('n3')).toMatchObject({
      leader: 'n1',
      commitIndex: cluster.status('n1').commitIndex,
    });
    expect(cluster.safety.leaderOfReign.size).toBe(1);
    expect(sentWithin(cluster, 5_000)).toBe(0);
  });

  test('hands over, and announces, when told to', () => {
    const cluster = silentCluster();
    cluster.input('n1', { type: 'announce' });
    expect(sentWithin(cluster, 5)).toBeGreaterThan(0);
    cluster.run(1_000);
    expect(sentWithin(cluster, 1_000)).toBe(0);
    cluster.input('n1', { type: 'transfer', to: 'n3' as NodeId });
    expect(cluster.runUntil(() => cluster.leader() === 'n3', 30)).toBe(true);
    cluster.run(1_000);
    expect(sentWithin(cluster, 5_000)).toBe(0);
  });
});

describe('a follower', () => {
  /** Has committed all of its log, which the leader of term 1 has sent. */
  const upToDate = (): LoneServer => {
    const server = new LoneServer({ terms: [1, 1], options: { quiesces: true } });
    server.receive('b', appendOf({ term: 1, prev: [2, 1], commit: 2 }));
    server.sync();
    return server.listen();
  };
  const lastHeartbeat = { type: 'heartbeat', term: 1, commitIndex: 2, round: 5, rests: true } as const;

  test('rests when told to, without a timer', () => {
    const server = upToDate();
    server.receive('b', lastHeartbeat);
    server.listen().pass(5_000);
    expect(server.said).toEqual([]);
    expect(server.status).toMatchObject({ role: 'follower', leader: 'b' });
  });

  test.each([
    { why: 'it holds more than is committed', terms: [1, 1, 1], quiesces: true },
    { why: 'nobody would tell it of silent peers', terms: [1, 1], quiesces: false },
  ])('does not rest when $why', ({ terms, quiesces }) => {
    const server = new LoneServer({ terms, options: { quiesces } });
    server.receive('b', lastHeartbeat);
    server.pass(320);
    expect(server.heard('pre-vote-request')).not.toEqual([]);
  });

  test('that rests is loyal, and begins to count when somebody asks for its vote', () => {
    const server = upToDate();
    server.receive('b', lastHeartbeat);
    server.listen().pass(5_000);
    server.receive('c', { type: 'pre-vote-request', term: 2, lastIndex: 9, lastTerm: 1 });
    server.pass(140);
    server.receive('c', { type: 'pre-vote-request', term: 2, lastIndex: 9, lastTerm: 1 });
    expect(server.said).toEqual([]);
    server.pass(180);
    expect(server.heard('pre-vote-request')).not.toEqual([]);
  });

  test('that hears its leader again has a timer again', () => {
    const server = upToDate();
    server.receive('b', lastHeartbeat);
    server.pass(5_000);
    server.receive('b', { ...lastHeartbeat, round: 6, rests: false });
    server.listen().pass(140);
    expect(server.said).toEqual([]);
    server.pass(180);
    expect(server.heard('pre-vote-request')).not.toEqual([]);
  });

  test('that is told of silence where it has just heard its leader waits out its timeout, and is loyal', () => {
    const server = upToDate();
    server.receive('b', lastHeartbeat);
    server.listen().pass(50);
    server.step({ type: 'peer-silent', peer: 'b' as NodeId });
    server.receive('c', { type: 'vote-request', term: 2, lastIndex: 9, lastTerm: 1, gaveWay: 0 });
    server.pass(100);
    expect(server.said).toEqual([]);
    expect(server.status).toMatchObject({ leader: 'b', reign: 1 });
    server.pass(250);
    expect(server.heard('pre-vote-request')).not.toEqual([]);
  });

  test('that hears of a higher term in its rest has a timer again', () => {
    const server = upToDate();
    server.receive('b', lastHeartbeat);
    server.pass(5_000);
    server.receive('c', { type: 'append-rejected', term: 2, prevIndex: 2, hintIndex: 0, hintTerm: 0 });
    expect(server.status).toMatchObject({ role: 'follower', reign: 2 });
    server.listen().pass(100);
    expect(server.said).toEqual([]);
    server.sync();
    server.listen().pass(220);
    expect(server.heard('pre-vote-request')).not.toEqual([]);
  });
});

test('a leader tells only those to rest that hold the whole log', () => {
  const server = new LoneServer({ options: { quiesces: true } }).lead();
  server.propose('x');
  server.sync();
  server.acknowledge('b');
  server.step({ type: 'peer-silent', peer: 'c' as NodeId });
  server.listen();
  for (let at = 0; at < 30; at++) {
    server.pass(10);
    const round = server.heard('heartbeat').at(-1)?.message.round;
    if (round !== undefined) server.receive('b', { type: 'heartbeat-reply', term: 1, round });
  }
  const rests = server
    .heard('heartbeat')
    .slice(-2)
    .map(({ to, message }) => [to, message.rests]);
  expect(rests).toEqual([
    ['b', true],
    ['c', false],
  ]);
});
