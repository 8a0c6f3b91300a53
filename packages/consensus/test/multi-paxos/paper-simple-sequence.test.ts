/** A sequence of instances and their leader, sentence by sentence. [PaxosSimple §3] */
import { describe, expect, test } from 'vitest';
import { ProtocolCluster } from '../../src/conformance/cluster.ts';
import type { Ballot } from '../../src/multi-paxos/ballot.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';
import { accept, accepted, ballot, entry, Member, prepare } from './member.ts';

const high: Ballot = ballot(7, 2);

describe('[PaxosSimple §3] phase 1', () => {
  test('is executed for infinitely many instances by one reasonably short message', () => {
    const member = new Member();
    member.prepares();
    const prepares = member.take('prepare');
    expect(prepares.map(({ to }) => to)).toEqual(['a', 'c']);
    // It names the first instance, and no last one.
    for (const message of prepares) expect(message).toMatchObject({ fromSlot: 1 });
    expect(multiPaxos.encodeMessage(prepares[0] as never)).toHaveLength(4);
  });

  test('an acceptor responds with more than a simple OK only for instances with a phase 2 message', () => {
    const low = ballot(1, 0);
    const member = new Member();
    member.receive('a', accept(low, [entry(3, low, 'x'), entry(4, low, 'y')]));
    member.pass(400);
    member.receive('c', prepare(high));
    member.sync();
    const [response] = member.take('promise');
    expect(response?.accepted.map(({ index }) => index)).toEqual([3, 4]);
  });
});

describe('[PaxosSimple §3] the leader', () => {
  test('in a stable state executes phase 2 alone: a command costs one accept to each, and one answer', () => {
    const member = new Member();
    const mine = member.leads();
    member.forgetSent();
    member.propose('x');
    member.sync();
    expect(member.take('prepare')).toEqual([]);
    expect(member.take('accept').map(({ to }) => to)).toEqual(['a', 'c']);
    member.receive('a', accepted(mine, 1));
    expect(member.chosen).toEqual(['x']);
  });

  test('can propose command 142 before it learns that its proposed command 141 has been chosen', () => {
    const member = new Member();
    const mine = member.leads();
    member.forgetSent();
    member.propose('141');
    member.propose('142');
    const toOne = member.take('accept').filter(({ to }) => to === 'a');
    expect(toOne.flatMap(({ entries }) => entries.map(({ index }) => index))).toEqual([1, 2]);
    // All messages about the first may be lost: the second is chosen, and waits for it to be executed.
    member.sync();
    member.receive('a', accepted(mine, 2));
    expect(member.chosen).toEqual([]);
    member.receive('c', accepted(mine, 1));
    expect(member.chosen).toEqual(['141', '142']);
  });

  test('if none is elected, no new commands will be proposed', () => {
    const cluster = new ProtocolCluster({ protocol: multiPaxos, nodes: 3 });
    cluster.partition(['n1'], ['n2'], ['n3']);
    cluster.run(2_000);
    for (const id of cluster.members) {
      expect(cluster.propose(id, 'x')).toEqual({ type: 'refused', reason: 'not-leader' });
    }
  });

  test('if several servers think that they are leaders, safety is preserved', () => {
    const cluster = new ProtocolCluster({ protocol: multiPaxos, nodes: 5 });
    cluster.elect('n1');
    cluster.propose('n1', 'before');
    cluster.run(200);
    cluster.partition(['n1'], ['n2', 'n3', 'n4', 'n5']);
    const { reign } = cluster.status('n1');
    cluster.pause('n1');
    cluster.elect('n2');
    cluster.resume('n1');
    expect(cluster.status('n1')).toMatchObject({ role: 'leader', reign });
    expect(cluster.status('n2').role).toBe('leader');
    // Both propose in the same instances.
    cluster.propose('n1', 'from the old one');
    cluster.propose('n2', 'from the new one');
    cluster.run(100);
    cluster.heal();
    cluster.run(2_000);
    for (const id of cluster.members) {
      expect(cluster.committedTexts(id).filter((text) => text !== '')).toEqual([
        'before',
        'from the new one',
      ]);
    }
  });

  test('a command that the deposed one proposed is not chosen unless somebody proposes it again', () => {
    const member = new Member();
    const mine = member.leads();
    member.propose('x');
    member.sync();
    member.receive('c', prepare(high));
    expect(member.status.role).toBe('leader');
    member.receive('c', accept(high, [entry(1, high, 'y')], 1));
    expect(member.status.role).toBe('follower');
    member.receive('a', accepted(mine, 1));
    expect(member.chosen).toEqual(['y']);
  });
});
