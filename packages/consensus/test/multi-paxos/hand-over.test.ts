/** The hand-over of the lead: in order, without a pause, and harmless when it fails. */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { type ClusterSettings, ProtocolCluster } from '../../src/conformance/cluster.ts';
import type { MultiPaxosMessage } from '../../src/multi-paxos/message.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';
import type { Effect } from '../../src/protocol.ts';
import { accept, ballot, entry, heartbeat, Member } from './member.ts';

type State = ReturnType<typeof multiPaxos.start>;
type Message = MultiPaxosMessage;
type Cluster = ProtocolCluster<State, Message>;

function clusterOf(nodes: number, settings: Partial<ClusterSettings<State, Message>> = {}): Cluster {
  const network = { delayMs: [0.5, 1] } as const;
  return new ProtocolCluster<State, Message>({
    protocol: multiPaxos,
    nodes,
    network,
    syncMs: [0.2, 1],
    ...settings,
  });
}

function transfer(cluster: Cluster, from: string, to: string): void {
  cluster.input(from, { type: 'transfer', to: to as NodeId });
}

/** The effects of one type that any node emits from now on. */
function watch<T extends Effect<Message>['type']>(cluster: Cluster, type: T) {
  const seen: { readonly node: NodeId; readonly effect: Effect<Message> & { readonly type: T } }[] = [];
  cluster.onEffect = (node, effect) => {
    if (effect.type === type) seen.push({ node, effect: effect as Effect<Message> & { readonly type: T } });
  };
  return seen;
}

describe('a hand-over', () => {
  test.each([1, 2, 3, 4, 5])('under load leaves a gap of some milliseconds, seed %i', (seed) => {
    const cluster = clusterOf(3, { seed });
    cluster.elect('n1');
    let count = 0;
    const propose = (): void => {
      const leader = cluster.leader();
      if (leader !== undefined) cluster.propose(leader, `p${++count}`);
    };
    for (let at = 0; at < 20; at++) {
      propose();
      cluster.run(1);
    }
    transfer(cluster, 'n1', 'n3');
    const askedMs = cluster.nowMs;
    while (cluster.leader() !== 'n3' && cluster.nowMs < askedMs + 100) {
      propose();
      cluster.run(1);
    }
    const before = cluster.safety.chosen.length;
    while (cluster.safety.chosen.length === before && cluster.nowMs < askedMs + 100) {
      propose();
      cluster.run(1);
    }
    // Two rounds to let everything be chosen and learned, two to prepare, one to propose: links of a millisecond.
    expect(cluster.nowMs - askedMs).toBeLessThan(20);
    expect(cluster.status('n1')).toMatchObject({ role: 'follower', leader: 'n3' });
  });

  test('refuses proposals in the meantime, and says why', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.hold = ({ message }) => message.type === 'accept';
    cluster.propose('n1', 'x');
    transfer(cluster, 'n1', 'n2');
    expect(cluster.propose('n1', 'y')).toEqual({ type: 'refused', reason: 'handing-over' });
    const read = cluster.read('n1');
    cluster.run(10);
    expect(cluster.readOutcome(read)).toBe(0);
  });

  test('waits until everything is chosen and the successor has learned it', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.run(50);
    cluster.hold = ({ message }) => message.type === 'accept';
    cluster.propose('n1', 'x');
    transfer(cluster, 'n1', 'n2');
    let isHandedOver = false;
    cluster.onEffect = (_, effect) => {
      if (effect.type !== 'send' || effect.message.type !== 'hand-over') return;
      isHandedOver = true;
      expect(cluster.committedTexts('n2')).toEqual(['x']);
    };
    cluster.run(40);
    expect(isHandedOver).toBe(false);
    // One acceptor other than the successor makes the choice; the successor catches up.
    cluster.deliverHeld(({ to }) => to === 'n3');
    cluster.run(30);
    expect(cluster.committedTexts('n1')).toEqual(['x']);
    expect(isHandedOver).toBe(false);
    cluster.hold = () => false;
    cluster.deliverHeld();
    expect(cluster.runUntil(() => cluster.leader() === 'n2', 60)).toBe(true);
    expect(isHandedOver).toBe(true);
  });

  test('is said again when the word was lost', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.hold = ({ message }) => message.type === 'hand-over';
    transfer(cluster, 'n1', 'n2');
    cluster.run(40);
    expect(cluster.held.length).toBe(1);
    cluster.hold = () => false;
    cluster.dropHeld();
    expect(cluster.runUntil(() => cluster.leader() === 'n2', 80)).toBe(true);
  });

  test('to a dead successor is given up after an election timeout, and the leader goes on', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.crash('n2');
    const failed = watch(cluster, 'transfer-failed');
    transfer(cluster, 'n1', 'n2');
    cluster.run(140);
    expect(failed).toEqual([]);
    cluster.run(30);
    expect(failed).toEqual([{ node: 'n1', effect: { type: 'transfer-failed', to: 'n2' } }]);
    expect(cluster.propose('n1', 'x').type).toBe('accepted');
    cluster.run(20);
    expect(cluster.committedTexts('n3')).toEqual([]);
    expect(cluster.committedTexts('n1')).toEqual(['x']);
    cluster.run(1_000);
    expect(cluster.leader()).toBe('n1');
  });

  test.each(['n1', 'nobody'])('to %s fails at once, and proposals are taken as before', (to) => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    const failed = watch(cluster, 'transfer-failed');
    transfer(cluster, 'n1', to);
    expect(failed).toEqual([{ node: 'n1', effect: { type: 'transfer-failed', to } }]);
    expect(cluster.propose('n1', 'x').type).toBe('accepted');
  });

  test('asked for again goes on; to another successor it fails', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    const failed = watch(cluster, 'transfer-failed');
    for (const to of ['n2', 'n2', 'n3']) transfer(cluster, 'n1', to);
    expect(failed).toEqual([{ node: 'n1', effect: { type: 'transfer-failed', to: 'n3' } }]);
    cluster.run(30);
    expect(cluster.leader()).toBe('n2');
  });

  test('asked of a follower is not heard', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    const failed = watch(cluster, 'transfer-failed');
    transfer(cluster, 'n2', 'n3');
    cluster.run(300);
    expect(failed).toEqual([]);
    expect(cluster.leader()).toBe('n1');
  });
});

describe('the successor', () => {
  const reigning = ballot(5, 0);

  test('prepares at once, without a canvass, and names the ballot that gave way', () => {
    const member = new Member();
    member.receive('a', heartbeat(reigning));
    member.sync();
    member.receive('a', { type: 'hand-over', ballot: reigning });
    expect(member.take('canvass')).toEqual([]);
    expect(member.take('prepare')).toEqual([]);
    member.sync();
    expect(member.take('prepare')).toMatchObject([
      { to: 'a', gaveWay: reigning },
      { to: 'c', gaveWay: reigning },
    ]);
    // What is lost is said again, with the same leave.
    member.pass(60);
    expect(member.take('prepare')).toMatchObject([{ gaveWay: reigning }, { gaveWay: reigning }]);
  });

  test('does not believe the word of another ballot, or of who does not lead it', () => {
    const member = new Member();
    member.receive('a', heartbeat(reigning));
    member.receive('c', { type: 'hand-over', ballot: reigning });
    member.receive('a', { type: 'hand-over', ballot: ballot(4, 0) });
    member.sync();
    expect(member.take('prepare')).toEqual([]);
    expect(member.status.role).toBe('follower');
  });

  test('whose disk hangs does not prepare', () => {
    const member = new Member();
    member.receive('a', accept(reigning, [entry(1, reigning, 'x')]));
    member.nowMs += 200;
    member.receive('a', heartbeat(reigning));
    member.receive('a', { type: 'hand-over', ballot: reigning });
    expect(member.status.role).toBe('follower');
  });
});
