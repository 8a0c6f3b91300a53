/** Published hazards, played through a cluster message by message. The safety checks run after every step. */
import { describe, expect, test } from 'vitest';
import { type ClusterSettings, type Envelope, ProtocolCluster } from '../../src/conformance/cluster.ts';
import { noSlot } from '../../src/multi-paxos/ballot.ts';
import type { MultiPaxosMessage } from '../../src/multi-paxos/message.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';

type State = ReturnType<typeof multiPaxos.start>;
type Message = MultiPaxosMessage;
type Cluster = ProtocolCluster<State, Message>;

function clusterOf(nodes: number, settings: Partial<ClusterSettings<State, Message>> = {}): Cluster {
  return new ProtocolCluster<State, Message>({ protocol: multiPaxos, nodes, ...settings });
}

/** Lets only `id` stand until it leads; what it found open need not be chosen yet. */
function lead(cluster: Cluster, id: string): void {
  for (const member of cluster.members) cluster.node(member).ticking = member === id;
  expect(cluster.runUntil(() => cluster.isUp(id) && cluster.status(id).role === 'leader')).toBe(true);
}

function allTick(cluster: Cluster): void {
  for (const member of cluster.members) cluster.node(member).ticking = true;
}

function is(type: Message['type'], where: { from?: string; to?: string } = {}) {
  return (envelope: Envelope<Message>): boolean =>
    envelope.message.type === type &&
    (where.from === undefined || envelope.from === where.from) &&
    (where.to === undefined || envelope.to === where.to);
}

function expectAll(cluster: Cluster, texts: readonly string[], limitMs = 3_000): void {
  const done = () => cluster.members.every((id) => cluster.committedTexts(id).length >= texts.length);
  expect(cluster.runUntil(done, limitMs)).toBe(true);
  for (const id of cluster.members) expect(cluster.committedTexts(id)).toEqual(texts);
}

describe('ballots and the chosen rule', () => {
  test('copies of one value under two ballots choose nothing (the figure 8 of Raft)', () => {
    const cluster = clusterOf(5);
    const isAccept = is('accept');
    cluster.elect('n1');
    // x under the first ballot reaches n2 alone, and the answer is late.
    cluster.hold = (envelope) => (isAccept(envelope) && envelope.to !== 'n2') || is('accepted')(envelope);
    cluster.propose('n1', 'x');
    cluster.run(5);
    const late = cluster.held.filter(is('accepted', { from: 'n2' }));
    expect(late).toHaveLength(1);
    cluster.crash('n1');
    cluster.dropHeld();
    // n5 leads without having heard of it, and y stays on n5.
    cluster.cut('n5', 'n2');
    cluster.hold = isAccept;
    lead(cluster, 'n5');
    cluster.propose('n5', 'y');
    cluster.run(5);
    cluster.crash('n5');
    cluster.dropHeld();
    // n1 leads again, adopts x and reaches n3: x stands on three of five, but on two under one ballot.
    cluster.heal();
    cluster.restart('n1');
    cluster.hold = (envelope) => isAccept(envelope) && envelope.to !== 'n3';
    lead(cluster, 'n1');
    cluster.run(20);
    for (const envelope of late) cluster.deliver(envelope);
    const holders = ['n1', 'n2', 'n3'].map(
      (id) => multiPaxos.inspect(cluster.stateOf(id)).entriesAbove(noSlot).length,
    );
    expect(holders).toEqual([1, 1, 1]);
    expect(cluster.status('n1').commitIndex).toBe(0);
    cluster.crash('n1');
    cluster.dropHeld();
    // n5 may still win with y.
    cluster.heal();
    cluster.cut('n5', 'n3');
    cluster.restart('n5');
    lead(cluster, 'n5');
    cluster.heal();
    allTick(cluster);
    cluster.restart('n1');
    expectAll(cluster, ['y']);
  });

  test('a promise that was not durable was never given', () => {
    const cluster = clusterOf(3);
    cluster.holdDisk('n2');
    cluster.cut('n1', 'n3');
    for (const id of cluster.members) cluster.node(id).ticking = id === 'n1';
    cluster.run(600);
    expect(multiPaxos.inspect(cluster.stateOf('n2')).promisedReign).toBeGreaterThan(0);
    expect(cluster.leader()).toBeUndefined();
    cluster.crash('n2');
    cluster.restart('n2');
    lead(cluster, 'n3');
    expect(cluster.status('n1').role).not.toBe('leader');
    cluster.heal();
    allTick(cluster);
    cluster.propose('n3', 'x');
    expectAll(cluster, ['x']);
  });

  test('a duplicated promise does not make a quorum', () => {
    const cluster = clusterOf(5, { network: { delayMs: [1, 1], duplicateChance: 1 } });
    for (const id of cluster.members) cluster.node(id).ticking = id === 'n1';
    cluster.hold = (envelope) => is('promise')(envelope) && envelope.from !== 'n2';
    cluster.run(1_000);
    expect(cluster.held.length).toBeGreaterThan(0);
    expect(cluster.leader()).toBeUndefined();
  });

  test('a restarted proposer takes a higher ballot, and old promises do not elect it', () => {
    const cluster = clusterOf(3);
    cluster.hold = is('promise');
    for (const id of cluster.members) cluster.node(id).ticking = id === 'n1';
    expect(cluster.runUntil(() => cluster.held.length >= 2)).toBe(true);
    const old = [...cluster.held];
    const oldBallot = cluster.status('n1').reign;
    cluster.crash('n1');
    cluster.restart('n1');
    cluster.dropHeld();
    expect(cluster.runUntil(() => cluster.held.length >= 2)).toBe(true);
    expect(cluster.status('n1').reign).toBeGreaterThan(oldBallot);
    for (const envelope of [...old, ...old]) cluster.deliver(envelope);
    expect(cluster.leader()).toBeUndefined();
  });

  test.each([
    { who: 'nobody', reached: undefined, third: [] },
    { who: 'one acceptor', reached: 'n5', third: ['v3'] },
  ])(
    '[PaxosSimple §3] a gap that $who can fill is filled before anything above it is executed',
    ({ reached, third }) => {
      const cluster = clusterOf(5);
      cluster.elect('n1');
      for (const text of ['v1', 'v2']) cluster.propose('n1', text);
      cluster.run(60);
      cluster.hold = ({ from, message, to }) =>
        from === 'n1' && message.type === 'accept' && message.entries[0]?.index === 3 && to !== reached;
      for (const text of ['v3', 'v4', 'v5']) cluster.propose('n1', text);
      cluster.run(5);
      expect(cluster.status('n1').commitIndex).toBe(2);
      cluster.crash('n1');
      // Its quorum shall be n4, n2 and n5.
      cluster.cut('n4', 'n3');
      lead(cluster, 'n4');
      const expected = ['v1', 'v2', ...third, 'v4', 'v5'];
      expect(cluster.runUntil(() => cluster.committedTexts('n4').length === expected.length)).toBe(true);
      expect(cluster.committedTexts('n4')).toEqual(expected);
      cluster.hold = is('nack');
      const late = cluster.held.filter(is('accept', { to: 'n2' }));
      expect(late.length).toBeGreaterThan(0);
      for (const envelope of late) cluster.deliver(envelope);
      expect(cluster.held.filter(is('nack', { from: 'n2', to: 'n1' })).length).toBe(late.length);
      cluster.heal();
      allTick(cluster);
      cluster.restart('n1');
      expectAll(cluster, expected);
    },
  );

  test('a deposed leader learns which of its proposals were kept, and none is executed twice', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    const texts = Array.from({ length: 10 }, (_, at) => `p${at}`);
    cluster.hold = ({ from, to, message }) =>
      from === 'n1' && (to !== 'n2' || (message.type === 'accept' && (message.entries[0]?.index ?? 0) > 4));
    for (const text of texts) cluster.propose('n1', text);
    cluster.run(1);
    cluster.partition(['n1'], ['n2', 'n3']);
    cluster.dropHeld();
    expect(cluster.runUntil(() => cluster.leader() === 'n2' || cluster.leader() === 'n3')).toBe(true);
    expect(cluster.runUntil(() => cluster.status('n1').role === 'follower', 400)).toBe(true);
    cluster.heal();
    expectAll(cluster, texts.slice(0, 4));
  });
});

describe('liveness under broken links', () => {
  test('a partial mesh keeps one leader', () => {
    const cluster = clusterOf(5);
    cluster.elect('n3');
    for (const far of ['n1', 'n3', 'n5']) cluster.cut('n4', far);
    for (const far of ['n1', 'n2', 'n4']) cluster.cut('n5', far);
    const changes = cluster.safety.leaderOfReign.size;
    for (let second = 0; second < 10; second++) {
      cluster.propose('n3', `s${second}`);
      cluster.run(1_000);
    }
    expect(cluster.leader()).toBe('n3');
    expect(cluster.safety.leaderOfReign.size).toBe(changes);
    expect(cluster.committedTexts('n3')).toHaveLength(10);
  });

  test('a partial mesh finds a leader from the start', () => {
    const cluster = clusterOf(5);
    for (const far of ['n1', 'n3', 'n5']) cluster.cut('n4', far);
    for (const far of ['n1', 'n2', 'n4']) cluster.cut('n5', far);
    expect(cluster.runUntil(() => cluster.leader() !== undefined, 3_000)).toBe(true);
    cluster.run(2_000);
    const changes = cluster.safety.leaderOfReign.size;
    cluster.run(10_000);
    expect(cluster.safety.leaderOfReign.size - changes).toBeLessThanOrEqual(1);
  });

  test('one cut link costs no elections, for a hundred timeouts', () => {
    const cluster = clusterOf(3);
    cluster.elect('n3');
    cluster.cut('n1', 'n3');
    const changes = cluster.safety.leaderOfReign.size;
    for (let round = 0; round < 300; round++) {
      const leader = cluster.leader();
      if (leader !== undefined) cluster.propose(leader, `r${round}`);
      cluster.run(100);
    }
    expect(cluster.safety.leaderOfReign.size).toBe(changes);
    expect(cluster.committedTexts('n2').length).toBeGreaterThan(298);
  });

  test.each([
    { story: 'hears nobody', cut: (cluster: Cluster, peer: string) => cluster.cutOneWay(peer, 'n1') },
    { story: 'is heard by nobody', cut: (cluster: Cluster, peer: string) => cluster.cutOneWay('n1', peer) },
  ])('a leader that $story is replaced in bounded time, and stops serving', ({ cut }) => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    for (const peer of ['n2', 'n3']) cut(cluster, peer);
    const read = cluster.read('n1');
    expect(cluster.runUntil(() => ['n2', 'n3'].includes(cluster.leader() ?? ''), 2_000)).toBe(true);
    cluster.run(400);
    expect(cluster.status('n1').role).not.toBe('leader');
    expect(cluster.readOutcome(read)).toBe('refused');
    cluster.propose(cluster.leader() ?? '', 'x');
    cluster.heal();
    expectAll(cluster, ['x']);
  });

  test('a leader whose disk hangs lets go, and does not stand while it hangs', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.holdDisk('n1');
    cluster.propose('n1', 'x');
    expect(cluster.runUntil(() => cluster.status('n1').role !== 'leader', 400)).toBe(true);
    expect(cluster.runUntil(() => cluster.leader() !== undefined, 1_000)).toBe(true);
    const changes = cluster.safety.leaderOfReign.size;
    cluster.run(5_000);
    expect(cluster.safety.leaderOfReign.size).toBe(changes);
    cluster.releaseDisk('n1');
    expectAll(cluster, ['x']);
  });

  test('proposers with nearly equal timers and half of all messages lost come to a decision', () => {
    let slow = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const cluster = clusterOf(3, {
        seed,
        network: { delayMs: [1, 5], lossChance: 0.5 },
        options: { electionTimeoutMs: [150, 160] },
      });
      const decided = cluster.runUntil(() => {
        const leader = cluster.leader();
        if (leader !== undefined) cluster.propose(leader, `${cluster.nowMs}`);
        return cluster.safety.chosen.length > 0;
      }, 5_000);
      if (!decided) slow += 1;
    }
    expect(slow).toBeLessThanOrEqual(1);
  });

  test('a phase 1 that reads a long report is not given up, nor stood against', () => {
    const cluster = clusterOf(3, { options: { appendBytesMax: 20 } });
    cluster.elect('n1');
    cluster.run(100);
    cluster.cut('n1', 'n3');
    const texts = Array.from({ length: 200 }, (_, at) => `t${at}`);
    cluster.propose('n1', ...texts);
    cluster.run(60);
    expect(cluster.committedTexts('n1')).toHaveLength(200);
    cluster.crash('n1');
    cluster.heal();
    // One page takes 4 ms, so all of them take longer than two elections.
    cluster.network = { delayMs: [2, 2], lossChance: 0, duplicateChance: 0 };
    for (const id of cluster.members) cluster.node(id).ticking = id === 'n3';
    expect(cluster.runUntil(() => cluster.status('n3').role === 'candidate', 400)).toBe(true);
    allTick(cluster);
    expect(cluster.runUntil(() => cluster.leader() === 'n3', 1_500)).toBe(true);
    expect(cluster.safety.leaderOfReign.size).toBe(2);
    cluster.heal();
    cluster.restart('n1');
    expectAll(cluster, texts);
  });

  test('a node that comes back from a partition disturbs nobody', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    const { reign } = cluster.status('n1');
    cluster.partition(['n1', 'n2'], ['n3']);
    cluster.run(5_000);
    cluster.propose('n1', 'x');
    cluster.heal();
    expectAll(cluster, ['x']);
    cluster.run(1_000);
    expect(cluster.status('n1')).toMatchObject({ role: 'leader', reign });
    expect(cluster.status('n3')).toMatchObject({ leader: 'n1', reign });
  });

  test('when the thread of the leader ends, the first of the rest leads long before a timeout', () => {
    const cluster = clusterOf(5, { network: { delayMs: [0.1, 0.3] }, syncMs: [0.1, 1] });
    cluster.elect('n1');
    cluster.crash('n1');
    for (const peer of ['n2', 'n3', 'n4', 'n5'])
      cluster.input(peer, { type: 'peer-down', peer: cluster.node('n1').id });
    expect(cluster.runUntil(() => cluster.leader() === 'n2', 25)).toBe(true);
  });
});

describe('replication', () => {
  test('lost accepts are sent again, and no message or window exceeds its bound', () => {
    const limits = { appendBytesMax: 64, appendsInFlightMax: 3 };
    const cluster = clusterOf(3, { seed: 7, options: limits, network: { delayMs: [1, 9], lossChance: 0.3 } });
    expect(cluster.runUntil(() => cluster.leader() !== undefined)).toBe(true);
    let largest = 0;
    cluster.onEffect = (_, effect) => {
      if (effect.type !== 'send' || effect.message.type !== 'accept') return;
      const bytes = effect.message.entries.reduce((sum, { payload }) => sum + payload.byteLength + 16, 0);
      largest = Math.max(largest, bytes);
    };
    const texts = Array.from({ length: 100 }, (_, at) => `t${at}`);
    for (const text of texts) {
      expect(cluster.runUntil(() => cluster.leader() !== undefined)).toBe(true);
      cluster.propose(cluster.leader() ?? '', text);
    }
    expect(cluster.runUntil(() => cluster.committedTexts('n3').length >= 90, 20_000)).toBe(true);
    expect(largest).toBeGreaterThan(40);
    expect(largest).toBeLessThanOrEqual(64);
  });

  test('a silent acceptor gets a probe, not a flood', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.crash('n3');
    cluster.run(400);
    let toTheDead = 0;
    cluster.onEffect = (_, effect) => {
      if (effect.type === 'send' && effect.to === 'n3' && effect.message.type === 'accept') toTheDead += 1;
    };
    for (let at = 0; at < 100; at++) {
      cluster.propose('n1', `t${at}`);
      cluster.run(10);
    }
    expect(toTheDead).toBeLessThan(30);
    cluster.restart('n3');
    expectAll(cluster, cluster.committedTexts('n1'));
    expect(cluster.committedTexts('n3')).toHaveLength(100);
  });

  test('a leader holds so much unchosen and no more', () => {
    const cluster = clusterOf(3, { options: { uncommittedBytesMax: 10 } });
    cluster.elect('n1');
    cluster.hold = is('accept');
    expect(cluster.propose('n1', 'twelve bytes').type).toBe('accepted');
    expect(cluster.propose('n1', 'x')).toMatchObject({ type: 'refused', reason: 'overloaded' });
    cluster.hold = () => false;
    cluster.deliverHeld();
    cluster.run(5);
    expect(cluster.propose('n1', 'y').type).toBe('accepted');
    expect(cluster.propose('n2', 'z')).toMatchObject({ type: 'refused', reason: 'not-leader' });
  });

  test('a learner that missed what is forgotten gets the snapshot, and goes on from there', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.crash('n3');
    for (let at = 0; at < 20; at++) cluster.propose('n1', `t${at}`);
    cluster.run(100);
    for (const id of ['n1', 'n2']) cluster.compact(id, 15);
    cluster.restart('n3');
    expectAll(cluster, cluster.committedTexts('n1'));
    expect(cluster.status('n3').snapshotIndex).toBe(15);
    cluster.propose('n1', 'after');
    expectAll(cluster, cluster.committedTexts('n1'));
  });

  test('a proposer that lacks what others have forgotten learns it before it leads', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.crash('n3');
    for (let at = 0; at < 8; at++) cluster.propose('n1', `t${at}`);
    cluster.run(100);
    cluster.compact('n2');
    cluster.crash('n1');
    cluster.restart('n3');
    lead(cluster, 'n3');
    expect(cluster.committedTexts('n3')).toHaveLength(8);
    allTick(cluster);
    cluster.restart('n1');
    cluster.propose('n3', 'more');
    expectAll(cluster, [...Array.from({ length: 8 }, (_, at) => `t${at}`), 'more']);
  });

  test('scenario 34: an older snapshot changes nothing', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    for (let at = 0; at < 5; at++) cluster.propose('n1', `t${at}`);
    cluster.run(100);
    const before = cluster.status('n2');
    const { reign } = cluster.status('n1');
    const last = { index: 3 as typeof before.commitIndex, reign };
    cluster.input('n2', { type: 'snapshot-received', from: cluster.node('n1').id, reign, leads: true, last });
    expect(cluster.status('n2')).toEqual(before);
  });

  test('what was long chosen is not proposed anew after everyone has restarted', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    for (let at = 0; at < 600; at++) {
      cluster.propose('n1', `t${at}`);
      cluster.run(1);
    }
    cluster.run(100);
    for (const id of cluster.members) cluster.crash(id);
    for (const id of cluster.members) cluster.restart(id);
    cluster.run(20);
    expect(cluster.leader()).toBeUndefined();
    for (const id of cluster.members) expect(cluster.committedTexts(id).length).toBeGreaterThan(250);
    expectAll(
      cluster,
      Array.from({ length: 600 }, (_, at) => `t${at}`),
    );
  });

  test('scenario 40: alone, nothing is chosen before it is durable', () => {
    const cluster = clusterOf(1);
    expect(cluster.runUntil(() => cluster.leader() === 'n1', 50)).toBe(true);
    cluster.holdDisk('n1');
    cluster.propose('n1', 'lost');
    cluster.run(100);
    expect(cluster.status('n1').commitIndex).toBe(0);
    cluster.crash('n1');
    cluster.restart('n1');
    expect(cluster.runUntil(() => cluster.leader() === 'n1', 50)).toBe(true);
    cluster.propose('n1', 'kept');
    cluster.run(5);
    expect(cluster.committedTexts('n1')).toEqual(['kept']);
  });
});

describe('reads', () => {
  test('a new leader answers when all that phase 1 found is chosen under its own ballot', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.hold = is('heartbeat');
    cluster.propose('n1', 'x');
    cluster.run(5);
    expect(cluster.committedTexts('n1')).toEqual(['x']);
    cluster.crash('n1');
    cluster.hold = is('accept');
    lead(cluster, 'n2');
    const read = cluster.read('n2');
    cluster.run(100);
    expect(cluster.status('n2').commitIndex).toBe(0);
    expect(cluster.readOutcome(read)).toBe('waiting');
    cluster.hold = () => false;
    cluster.run(100);
    expect(cluster.readOutcome(read)).toBe(1);
  });

  test('an answer to a heartbeat from before the question confirms nothing', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.hold = is('heartbeat-reply');
    cluster.run(60);
    cluster.node('n1').ticking = false;
    const old = [...cluster.held];
    expect(old.length).toBeGreaterThan(0);
    const read = cluster.read('n1');
    cluster.run(5);
    for (const envelope of old) cluster.deliver(envelope);
    expect(cluster.readOutcome(read)).toBe('waiting');
    cluster.deliverHeld((envelope) => !old.includes(envelope));
    expect(cluster.readOutcome(read)).toBe(0);
  });

  test('reads that arrive during a round share the next one', () => {
    const cluster = clusterOf(3, { network: { delayMs: [1, 1] } });
    cluster.elect('n1');
    cluster.run(10);
    let heartbeats = 0;
    cluster.onEffect = (_, effect) => {
      if (effect.type === 'send' && effect.message.type === 'heartbeat') heartbeats += 1;
    };
    const reads = Array.from({ length: 50 }, () => cluster.read('n1'));
    cluster.run(6);
    for (const read of reads) expect(cluster.readOutcome(read)).toBe(0);
    expect(heartbeats).toBe(4);
  });

  test('who does not lead refuses, and who is cut off never answers', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    expect(cluster.readOutcome(cluster.read('n2'))).toBe('refused');
    cluster.partition(['n1'], ['n2', 'n3']);
    const read = cluster.read('n1');
    cluster.run(1_000);
    expect(cluster.readOutcome(read)).toBe('refused');
  });
});
