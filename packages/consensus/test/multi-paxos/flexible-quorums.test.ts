/** Uneven quorums at work: who may go on, and who may take over. [FlexiblePaxos] */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { ProtocolCluster } from '../../src/conformance/cluster.ts';
import type { MultiPaxosMessage } from '../../src/multi-paxos/message.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';

type State = ReturnType<typeof multiPaxos.start>;

function clusterOf(
  nodes: number,
  acceptQuorum: number,
  options: { readonly quiesces?: boolean } = {},
): ProtocolCluster<State, MultiPaxosMessage> {
  return new ProtocolCluster({ protocol: multiPaxos, nodes, options: { acceptQuorum, ...options } });
}

/** Those that are left know of `gone`, as their nodes or their threads' ends tell it. */
function hearOfTheEnd(
  cluster: ReturnType<typeof clusterOf>,
  left: readonly string[],
  gone: readonly string[],
  type: 'peer-silent' | 'peer-down',
): void {
  for (const name of left) for (const peer of gone) cluster.input(name, { type, peer: peer as NodeId });
}

describe('two of five choose, four elect', () => {
  test('a leader goes on with one other acceptor, and answers readers', () => {
    const cluster = clusterOf(5, 2);
    cluster.elect('n1');
    cluster.partition(['n1', 'n2'], ['n3', 'n4', 'n5']);
    cluster.run(2_000);
    cluster.propose('n1', 'x');
    const read = cluster.read('n1');
    cluster.run(50);
    expect(cluster.committedTexts('n1')).toEqual(['x']);
    expect(cluster.readOutcome(read)).toBe(0);
    expect(cluster.leader()).toBe('n1');
  });

  test('a leader alone chooses nothing, answers nobody and lets go', () => {
    const cluster = clusterOf(5, 2);
    cluster.elect('n1');
    cluster.partition(['n1'], ['n2', 'n3', 'n4', 'n5']);
    cluster.propose('n1', 'x');
    const read = cluster.read('n1');
    cluster.run(1_000);
    expect(cluster.committedTexts('n1')).toEqual([]);
    expect(cluster.readOutcome(read)).toBe('refused');
    expect(cluster.status('n1').role).not.toBe('leader');
  });

  test('a leader among too few to elect another keeps the lead that it is asked to hand over', () => {
    const cluster = clusterOf(5, 2);
    cluster.elect('n1');
    cluster.crash('n4');
    cluster.crash('n5');
    cluster.run(1_000);
    const failed: unknown[] = [];
    cluster.onEffect = (_, effect) => {
      if (effect.type === 'transfer-failed') failed.push(effect);
    };
    cluster.input('n1', { type: 'transfer', to: 'n2' as NodeId });
    cluster.run(1_000);
    expect(failed).toEqual([{ type: 'transfer-failed', to: 'n2' }]);
    expect(cluster.propose('n1', 'x').type).toBe('accepted');
    cluster.run(50);
    expect(cluster.committedTexts('n1')).toEqual(['x']);
    cluster.restart('n4');
    cluster.run(200);
    cluster.input('n1', { type: 'transfer', to: 'n2' as NodeId });
    expect(cluster.runUntil(() => cluster.leader() === 'n2', 300)).toBe(true);
  });

  test('also one that has rested with two of them gone, and is woken by the order', () => {
    const cluster = clusterOf(5, 2, { quiesces: true });
    cluster.elect('n1');
    cluster.propose('n1', 'x');
    cluster.run(200);
    for (const name of ['n4', 'n5']) cluster.crash(name);
    cluster.run(400);
    hearOfTheEnd(cluster, ['n1', 'n2', 'n3'], ['n4', 'n5'], 'peer-silent');
    cluster.run(3_000);
    expect(cluster.status('n1')).toMatchObject({ role: 'leader', rests: true });
    cluster.input('n1', { type: 'transfer', to: 'n2' as NodeId });
    cluster.run(2_000);
    expect(cluster.leader()).toBe('n1');
  });

  test('also one that was just told of the end of two of them, which it heard a moment ago', () => {
    const cluster = clusterOf(5, 2);
    cluster.elect('n1');
    cluster.run(200);
    for (const name of ['n4', 'n5']) cluster.crash(name);
    hearOfTheEnd(cluster, ['n1', 'n2', 'n3'], ['n4', 'n5'], 'peer-down');
    cluster.input('n1', { type: 'transfer', to: 'n2' as NodeId });
    cluster.run(2_000);
    expect(cluster.leader()).toBe('n1');
  });

  test('a member that comes back with a higher promise deposes no leader whom nobody could follow', () => {
    const cluster = clusterOf(5, 2);
    cluster.elect('n1');
    // n4 promises itself a ballot of its own, and loses power before anybody hears of it.
    cluster.hold = ({ message, from }) => message.type === 'prepare' && from === 'n4';
    cluster.crash('n1');
    for (const name of ['n2', 'n3', 'n5']) cluster.node(name).ticking = false;
    expect(cluster.runUntil(() => cluster.status('n4').role === 'candidate', 5_000)).toBe(true);
    cluster.run(20);
    cluster.crash('n4');
    cluster.dropHeld();
    cluster.hold = () => false;
    for (const name of ['n2', 'n3', 'n5']) cluster.node(name).ticking = true;
    cluster.restart('n1');
    cluster.elect('n2');
    cluster.crash('n3');
    cluster.crash('n5');
    cluster.run(2_000);
    cluster.restart('n4');
    cluster.run(5_000);
    expect(cluster.leader()).toBe('n2');
    cluster.propose('n2', 'x');
    cluster.run(50);
    expect(cluster.committedTexts('n2')).toEqual(['x']);
    // With a fourth there are enough to elect: all come to obey one ballot.
    cluster.restart('n3');
    expect(
      cluster.runUntil(
        () => cluster.leader() !== undefined && cluster.committedTexts('n4').includes('x'),
        5_000,
      ),
    ).toBe(true);
  });

  test('three of five elect nobody, four do', () => {
    const cluster = clusterOf(5, 2);
    cluster.elect('n1');
    cluster.propose('n1', 'x');
    cluster.run(20);
    cluster.crash('n1');
    cluster.crash('n2');
    expect(cluster.runUntil(() => cluster.leader() !== undefined, 3_000)).toBe(false);
    cluster.restart('n2');
    expect(cluster.runUntil(() => cluster.leader() !== undefined, 3_000)).toBe(true);
    const leader = cluster.leader() ?? '';
    cluster.run(100);
    expect(cluster.committedTexts(leader)).toEqual(['x']);
  });
});

describe('four of five choose, two elect', () => {
  test('two acceptors without the others do not elect a leader that could choose nothing', () => {
    const cluster = clusterOf(5, 4);
    cluster.elect('n1');
    const changes = cluster.safety.leaderOfReign.size;
    cluster.partition(['n1', 'n2', 'n3'], ['n4', 'n5']);
    cluster.run(5_000);
    expect(cluster.leader()).toBeUndefined();
    expect(cluster.safety.leaderOfReign.size).toBe(changes);
    cluster.heal();
    expect(cluster.runUntil(() => cluster.leader() !== undefined, 2_000)).toBe(true);
  });

  test('a value on three of five is not chosen, and one dead acceptor holds nothing up', () => {
    const cluster = clusterOf(5, 4);
    cluster.elect('n1');
    cluster.hold = ({ message, to }) => message.type === 'accept' && ['n4', 'n5'].includes(to);
    cluster.propose('n1', 'x');
    cluster.run(20);
    expect(cluster.committedTexts('n1')).toEqual([]);
    cluster.deliverHeld(({ to }) => to === 'n4');
    cluster.run(20);
    expect(cluster.committedTexts('n1')).toEqual(['x']);
  });
});
