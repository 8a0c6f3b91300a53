/** Quiescence: an idle group sends nothing, and wakes for everything that matters. */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { type ClusterSettings, ProtocolCluster } from '../../src/conformance/cluster.ts';
import type { MultiPaxosMessage } from '../../src/multi-paxos/message.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';
import { accept, ballot, entry, heartbeat, Member } from './member.ts';

type State = ReturnType<typeof multiPaxos.start>;
type Message = MultiPaxosMessage;
type Cluster = ProtocolCluster<State, Message>;

function clusterOf(nodes: number, settings: Partial<ClusterSettings<State, Message>> = {}): Cluster {
  const network = { delayMs: [0.5, 1] } as const;
  const options = { quiesces: true, leaseMs: 100 };
  return new ProtocolCluster<State, Message>({ protocol: multiPaxos, nodes, network, options, ...settings });
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

/** A group that has fallen silent, with one value chosen. */
function silentCluster(nodes = 3, settings: Partial<ClusterSettings<State, Message>> = {}): Cluster {
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
    const { reign } = cluster.status('n1');
    for (const id of cluster.members) {
      expect(cluster.status(id)).toMatchObject({ leader: 'n1', reign, commitIndex: 1 });
    }
  });

  test('that may not quiesce goes on with its heartbeats', () => {
    const cluster = clusterOf(3, { options: {} });
    cluster.elect('n1');
    cluster.run(500);
    expect(sentWithin(cluster, 1_000)).toBeGreaterThan(30);
  });

  test('waits for the one that has not learned everything', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.hold = ({ message, to }) => to === 'n3' && message.type === 'accept';
    cluster.hold = ({ message, to }) =>
      to === 'n3' && (message.type === 'accept' || message.type === 'catch-up');
    cluster.propose('n1', 'x');
    cluster.run(2_000);
    expect(sentWithin(cluster, 1_000)).toBeGreaterThan(10);
    cluster.hold = () => false;
    cluster.run(600);
    expect(cluster.committedTexts('n3')).toEqual(['x']);
    expect(sentWithin(cluster, 10_000)).toBe(0);
  });

  test('waits for nobody whose node is known to be gone', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.crash('n3');
    cluster.run(1_000);
    expect(sentWithin(cluster, 1_000)).toBeGreaterThan(10);
    tellOthers(cluster, 'peer-silent', 'n3');
    cluster.run(500);
    expect(sentWithin(cluster, 5_000)).toBe(0);
    cluster.restart('n3');
    cluster.propose('n1', 'x');
    cluster.run(1_000);
    expect(cluster.committedTexts('n3')).toEqual(['x']);
    expect(sentWithin(cluster, 5_000)).toBe(0);
  });

  test('does not fall silent without a quorum: its leader lets go', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    for (const id of ['n2', 'n3']) {
      cluster.crash(id);
      cluster.input('n1', { type: 'peer-down', peer: id as NodeId });
    }
    cluster.run(500);
    expect(cluster.status('n1').role).not.toBe('leader');
  });

  test('falls silent over lossy links too, and none of them is asked to lead in between', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = clusterOf(3, { seed, network: { delayMs: [0.5, 1], lossChance: 0.3 } });
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
    const changes = cluster.safety.leaderOfReign.size;
    cluster.run(10_000);
    expect(cluster.safety.leaderOfReign.size).toBe(changes);
  });

  test('has no lease left: a read asks a quorum', () => {
    const cluster = silentCluster();
    const read = cluster.read('n1', { mayUseLease: true });
    expect(cluster.readOutcome(read)).toBe('waiting');
    cluster.run(10);
    expect(cluster.readOutcome(read)).toBe(1);
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

  test.each(['peer-silent', 'peer-down'] as const)('elects another when told of its leader: %s', (type) => {
    const cluster = silentCluster(5);
    cluster.crash('n1');
    cluster.run(5_000);
    expect(cluster.leader()).toBeUndefined();
    tellOthers(cluster, type, 'n1');
    expect(cluster.runUntil(() => cluster.leader() === 'n2', 25)).toBe(true);
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

  test('is woken by a node that starts, refuses to elect it, and falls silent again', () => {
    const cluster = silentCluster();
    cluster.crash('n3');
    cluster.run(1_000);
    cluster.restart('n3');
    cluster.run(1_000);
    expect(cluster.status('n3')).toMatchObject({ leader: 'n1', commitIndex: 1 });
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

test('who rests and learns what a later leader had chosen waits for that one as for any, and then stands', () => {
  const acceptor = new Member('b', ['a', 'b', 'c'], { quiesces: true });
  const passed = ballot(1, 0);
  acceptor.receive('a', accept(passed, [entry(1, passed, 'x')]));
  acceptor.receive('a', heartbeat(passed, 1, 1, true));
  acceptor.sync();
  acceptor.pass(5_000);
  expect(acceptor.take('canvass')).toEqual([]);
  acceptor.receive('c', { type: 'catch-up', entries: [entry(2, ballot(2, 2), 'y')] });
  acceptor.sync();
  acceptor.pass(310);
  expect(acceptor.take('canvass').map(({ to }) => to)).toEqual(expect.arrayContaining(['a', 'c']));
});
