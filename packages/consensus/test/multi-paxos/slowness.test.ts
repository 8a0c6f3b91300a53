/** Hazards of slowness: disks that stall, threads that pause, clocks that drift, and nodes that come back under load. */
import { describe, expect, test } from 'vitest';
import { type ClusterSettings, type Envelope, ProtocolCluster } from '../../src/conformance/cluster.ts';
import { LocalClock } from '../../src/conformance/local-clock.ts';
import type { MultiPaxosMessage } from '../../src/multi-paxos/message.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';
import { accepted, ballot, entry, heartbeat, Member, slot } from './member.ts';

type State = ReturnType<typeof multiPaxos.start>;
type Message = MultiPaxosMessage;
type Cluster = ProtocolCluster<State, Message>;

function clusterOf(nodes: number, settings: Partial<ClusterSettings<State, Message>> = {}): Cluster {
  return new ProtocolCluster<State, Message>({ protocol: multiPaxos, nodes, ...settings });
}

/** From now on the clock of `id` runs at `rate`. */
function setClockRate(cluster: Cluster, id: string, rate: number): void {
  const node = cluster.node(id);
  node.clock = new LocalClock({ startMs: node.clock.at(cluster.nowMs), sinceMs: cluster.nowMs, rate });
}

function payloadBytes(message: Message): number {
  if (message.type !== 'accept' && message.type !== 'catch-up') return 0;
  return message.entries.reduce((sum, { payload }) => sum + payload.byteLength, 0);
}

describe('a disk that stalls', () => {
  test.each(Array.from({ length: 15 }, (_, at) => at + 1))(
    'does not win again with the leader that it cost the lead, seed %i',
    (seed) => {
      const cluster = clusterOf(3, { seed, network: { delayMs: [0.5, 2] } });
      cluster.elect('n1');
      cluster.holdDisk('n1');
      cluster.propose('n1', 'x');
      expect(cluster.runUntil(() => cluster.status('n1').role !== 'leader', 400)).toBe(true);
      cluster.releaseDisk('n1');
      expect(cluster.runUntil(() => cluster.leader() !== undefined, 1_000)).toBe(true);
      expect(cluster.leader()).not.toBe('n1');
    },
  );

  test('does not shut out for good the only one that is left to lead', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.holdDisk('n1');
    cluster.propose('n1', 'x');
    expect(cluster.runUntil(() => cluster.status('n1').role !== 'leader', 400)).toBe(true);
    cluster.releaseDisk('n1');
    for (const id of ['n2', 'n3']) cluster.node(id).ticking = false;
    expect(cluster.runUntil(() => cluster.leader() === 'n1', 2_000)).toBe(true);
  });
});

describe('a lease', () => {
  test('that ran out while its leader was paused is not used when it wakes', () => {
    const cluster = clusterOf(3, { options: { leaseMs: 100 } });
    cluster.elect('n1');
    cluster.run(200);
    const before = cluster.read('n1', { mayUseLease: true });
    expect(cluster.readOutcome(before)).toBe(0);
    cluster.pause('n1');
    expect(cluster.runUntil(() => ['n2', 'n3'].includes(cluster.leader() ?? ''), 1_000)).toBe(true);
    cluster.propose(cluster.leader() ?? '', 'x');
    cluster.run(20);
    cluster.resume('n1');
    // The first thing that it does: it has heard of nothing yet.
    const read = cluster.read('n1', { mayUseLease: true });
    expect(cluster.readOutcome(read)).toBe('waiting');
    cluster.run(100);
    expect(cluster.readOutcome(read)).toBe('refused');
  });

  /** The leader is cut off and its clock is slow; the others elect another as soon as they may. */
  function readsOfACutOffLeader(leaseMs: number): {
    readonly byLease: number;
    readonly chosenElsewhere: number;
  } {
    const cluster = clusterOf(3, { options: { leaseMs, electionTimeoutMs: [150, 151] } });
    for (const id of ['n2', 'n3']) setClockRate(cluster, id, 1.5);
    cluster.elect('n1');
    cluster.run(200);
    cluster.partition(['n1'], ['n2', 'n3']);
    let byLease = 0;
    for (let at = 0; at < 200; at++) {
      cluster.run(1);
      for (const other of ['n2', 'n3']) {
        if (cluster.status(other).role === 'leader') cluster.propose(other, `p${at}`);
      }
      if (cluster.status('n1').role !== 'leader') continue;
      const read = cluster.read('n1', { mayUseLease: true });
      if (cluster.readOutcome(read) !== 'waiting') byLease += 1;
    }
    return { byLease, chosenElsewhere: cluster.safety.chosen.length };
  }

  test('as long as clocks may differ in rate is never stale, and one that is longer is found out', () => {
    const { byLease, chosenElsewhere } = readsOfACutOffLeader(100);
    expect(byLease).toBeGreaterThan(20);
    expect(chosenElsewhere).toBeGreaterThan(20);
    expect(() => readsOfACutOffLeader(200)).toThrow('a read sees all that was committed before it');
  });
});

describe('a node that comes back under load', () => {
  /** 400 values of 10 kB that one node has missed, while the others went on. */
  function missedMuch(): Cluster {
    const cluster = clusterOf(3, {
      options: { appendBytesMax: 1 << 20, appendsInFlightMax: 64 },
      network: { delayMs: [0.2, 0.4] },
      syncMs: [1, 3],
    });
    cluster.elect('n1');
    cluster.propose('n1', 'first');
    cluster.run(100);
    cluster.crash('n3');
    for (let at = 0; at < 400; at++) {
      cluster.propose('n1', `${at}`.padEnd(10_000, '.'));
      cluster.run(1);
    }
    cluster.run(100);
    expect(cluster.committedTexts('n1')).toHaveLength(401);
    return cluster;
  }

  /** The payload bytes of each message that is sent to n3 until it has everything. */
  function rejoin(cluster: Cluster): readonly number[] {
    const sizes: number[] = [];
    cluster.hold = ({ to, message }: Envelope<Message>) => {
      const bytes = payloadBytes(message);
      if (to === 'n3' && bytes > 0) sizes.push(bytes);
      return false;
    };
    cluster.restart('n3');
    const count = cluster.committedTexts('n1').length;
    expect(cluster.runUntil(() => cluster.committedTexts('n3').length === count, 3_000)).toBe(true);
    return sizes;
  }

  test.each(['the leader that it missed', 'a leader that came since'])(
    'gets it from %s in small pieces, once',
    (who) => {
      const cluster = missedMuch();
      if (who !== 'the leader that it missed') {
        // What another leader chose is not proposed again: it has to be asked for.
        cluster.crash('n2');
        cluster.restart('n2');
        cluster.input('n1', { type: 'transfer', to: cluster.node('n2').id });
        expect(cluster.runUntil(() => cluster.leader() === 'n2', 100)).toBe(true);
      }
      const sizes = rejoin(cluster);
      const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(128 << 10);
      expect(sizes.length).toBeGreaterThan(30);
      expect(total).toBeLessThan(1.2 * 400 * 10_000);
    },
  );

  test('has little under way to it before it acknowledges', () => {
    const member = new Member('b', ['a', 'b', 'c'], {
      appendBytesMax: 1 << 20,
      appendsInFlightMax: 64,
      uncommittedBytesMax: 1 << 30,
    });
    const mine = member.leads();
    const answer = (from: string): void => {
      const round = Math.max(...member.take('heartbeat').map(({ round }) => round));
      member.receive(from, {
        type: 'heartbeat-reply',
        ballot: mine,
        round,
        chosenUpTo: member.status.commitIndex,
      });
    };
    // c has one accept under way, and has not been heard for a while.
    member.propose('first');
    member.sync();
    for (let at = 0; at < 4; at++) {
      member.pass(50);
      answer('a');
    }
    member.propose(...Array.from({ length: 400 }, (_, at) => `${at}`.padEnd(10_000, '.')));
    member.sync();
    member.receive('a', accepted(mine, 1, 401));
    expect(member.chosen).toHaveLength(401);
    member.forgetSent();
    member.receive('c', { type: 'heartbeat-reply', ballot: mine, round: 1, chosenUpTo: slot(0) });
    const sizes = member.take('accept').map(payloadBytes);
    expect(sizes.length).toBeGreaterThan(1);
    expect(sizes.length).toBeLessThan(4);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(128 << 10);
  });

  test('is asked to wait by its own disk: the next page is wanted when the last one is durable', () => {
    const member = new Member();
    const reign = ballot(5, 0);
    member.receive('a', heartbeat(reign, 9));
    expect(member.take('catch-up-request')).toMatchObject([{ fromSlot: 1 }]);
    member.receive('a', { type: 'catch-up', entries: [entry(1, reign, 'x'), entry(2, reign, 'y')] });
    expect(member.chosen).toEqual(['x', 'y']);
    expect(member.take('catch-up-request')).toEqual([]);
    member.sync();
    expect(member.take('catch-up-request')).toMatchObject([{ fromSlot: 3 }]);
  });

  test('is not taught what is on its way to it', () => {
    const member = new Member();
    const mine = member.leads();
    member.propose('x', 'y');
    member.sync();
    member.receive('a', accepted(mine, 1, 2));
    expect(member.chosen).toEqual(['x', 'y']);
    member.receive('c', { type: 'catch-up-request', fromSlot: slot(1) });
    expect(member.take('catch-up')).toEqual([]);
    // It said that it has it durably, and lost only that it is chosen.
    member.receive('c', accepted(mine, 1, 2));
    member.receive('c', { type: 'catch-up-request', fromSlot: slot(1) });
    expect(member.take('catch-up')[0]?.entries.map(({ index }) => index)).toEqual([1, 2]);
  });
});

describe('a permanent laggard', () => {
  test('catches up while others go on and compact, without a snapshot over and over', () => {
    const cluster = clusterOf(3, { network: { delayMs: [0.2, 0.4] } });
    cluster.elect('n1');
    let snapshots = 0;
    cluster.onEffect = (_, effect) => {
      if (effect.type === 'send-snapshot') snapshots += 1;
    };
    // Its disk takes a write at a time, and the log behind it is forgotten again and again.
    cluster.holdDisk('n3');
    for (let at = 0; at < 1_000; at++) {
      cluster.propose('n1', `v${at}`);
      cluster.run(2);
      if (at % 4 === 0) {
        cluster.releaseDisk('n3');
        cluster.run(0);
        cluster.holdDisk('n3');
      }
      if (at % 50 === 49) for (const id of ['n1', 'n2']) cluster.compact(id);
    }
    cluster.releaseDisk('n3');
    const behind = () => cluster.committedTexts('n1').length - cluster.committedTexts('n3').length;
    expect(behind()).toBeLessThan(200);
    expect(cluster.runUntil(() => behind() === 0, 1_000)).toBe(true);
    expect(snapshots).toBeLessThan(25);
    expect(cluster.leader()).toBe('n1');
  });
});
