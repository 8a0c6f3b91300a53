/** Uneven quorums at work: who may go on, and who may take over. [FlexiblePaxos] */
import { describe, expect, test } from 'vitest';
import { ProtocolCluster } from '../../src/conformance/cluster.ts';
import type { MultiPaxosMessage } from '../../src/multi-paxos/message.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';

type State = ReturnType<typeof multiPaxos.start>;

function clusterOf(nodes: number, acceptQuorum: number): ProtocolCluster<State, MultiPaxosMessage> {
  return new ProtocolCluster({ protocol: multiPaxos, nodes, options: { acceptQuorum } });
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
