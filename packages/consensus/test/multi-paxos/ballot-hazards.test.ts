/** Published hazards of ballots and values, played through a cluster: what an acceptance binds, and what is adopted. */
import { describe, expect, test } from 'vitest';
import { type Envelope, ProtocolCluster } from '../../src/conformance/cluster.ts';
import type { MultiPaxosMessage } from '../../src/multi-paxos/message.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';

type State = ReturnType<typeof multiPaxos.start>;
type Message = MultiPaxosMessage;
type Cluster = ProtocolCluster<State, Message>;

/** Lets only `id` stand until it leads. */
function lead(cluster: Cluster, id: string): void {
  for (const member of cluster.members) cluster.node(member).ticking = member === id;
  expect(cluster.runUntil(() => cluster.isUp(id) && cluster.status(id).role === 'leader')).toBe(true);
}

describe('an accept of a ballot that was never promised', () => {
  test.each([false, true])('binds like a promise; the acceptor restarted since: %s', (restarts) => {
    const cluster: Cluster = new ProtocolCluster({ protocol: multiPaxos, nodes: 3 });
    // n2 prepares, and its prepares are late.
    cluster.hold = ({ from, message }: Envelope<Message>) => from === 'n2' && message.type === 'prepare';
    for (const member of cluster.members) cluster.node(member).ticking = member === 'n2';
    expect(cluster.runUntil(() => cluster.held.length >= 2)).toBe(true);
    const late = cluster.held.filter(({ to }) => to === 'n3').slice(0, 1);
    const lateBallot = cluster.status('n2').reign;
    // n1 leads by the promise of n2 alone, and n3 sees nothing of it but an accept.
    cluster.hold = ({ to, message }: Envelope<Message>) =>
      to === 'n3' && message.type !== 'accept' && message.type !== 'canvass';
    lead(cluster, 'n1');
    expect(cluster.status('n1').reign).toBeGreaterThan(lateBallot);
    cluster.cut('n1', 'n2');
    cluster.propose('n1', 'x');
    cluster.run(5);
    expect(cluster.committedTexts('n1')).toEqual(['x']);
    if (restarts) {
      cluster.crash('n3');
      cluster.restart('n3');
      cluster.node('n3').ticking = false;
    }
    cluster.run(400);
    const answers: string[] = [];
    cluster.onEffect = (node, effect) => {
      if (node !== 'n3') return;
      if (effect.type === 'send') answers.push(effect.message.type);
      if (effect.type === 'persist') answers.push(...effect.thenSend.map(({ message }) => message.type));
    };
    for (const envelope of late) cluster.deliver(envelope);
    cluster.run(5);
    expect(answers).toEqual(['nack']);
  });
});

describe('the value that a new ballot adopts', () => {
  test.each([{ order: ['n1', 'n2', 'n3'] }, { order: ['n3', 'n2', 'n1'] }])(
    'is that of the highest ballot reported, not the most frequent, the last or its own: $order',
    ({ order }) => {
      const cluster: Cluster = new ProtocolCluster({ protocol: multiPaxos, nodes: 7 });
      const isAccept = ({ message }: Envelope<Message>): boolean => message.type === 'accept';
      cluster.elect('n1');
      cluster.hold = (envelope) => isAccept(envelope) && envelope.to !== 'n2';
      cluster.propose('n1', 'y');
      cluster.run(5);
      cluster.crash('n1');
      // n3 leads without having heard of y, and x stays with it.
      cluster.cut('n2', 'n3');
      cluster.hold = isAccept;
      lead(cluster, 'n3');
      cluster.propose('n3', 'x');
      cluster.run(5);
      cluster.crash('n3');
      cluster.dropHeld();
      cluster.hold = () => false;
      cluster.heal();
      for (const id of ['n5', 'n6', 'n7']) cluster.crash(id);
      for (const id of ['n1', 'n3']) cluster.restart(id);
      // Its quorum is all that is left: y twice, x once, and nothing from itself.
      cluster.hold = ({ message }) => message.type === 'promise';
      for (const member of cluster.members) cluster.node(member).ticking = member === 'n4';
      expect(cluster.runUntil(() => new Set(cluster.held.map(({ from }) => from)).size === 3)).toBe(true);
      for (const from of order) cluster.deliverHeld((envelope) => envelope.from === from);
      cluster.hold = () => false;
      cluster.propose('n4', 'z');
      expect(cluster.runUntil(() => cluster.committedTexts('n4').length === 2, 500)).toBe(true);
      expect(cluster.committedTexts('n4')).toEqual(['x', 'z']);
    },
  );
});
