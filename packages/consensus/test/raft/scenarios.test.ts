/**
 * Hazards that other implementations have met, each as a short transcript over a whole cluster.
 *
 * The cluster checks its safety properties after every step, so a transcript only has to lead there.
 */
import { describe, expect, test } from 'vitest';
import { type ClusterSettings, ProtocolCluster } from '../../src/conformance/cluster.ts';
import type { Entry, LogIndex } from '../../src/protocol.ts';
import { encodeHardState } from '../../src/raft/hard-state.ts';
import type { RaftMessage } from '../../src/raft/message.ts';
import { type RaftState, raft } from '../../src/raft/raft.ts';
import { clockRateRatioMax, leaseMsFor } from '../../src/replica/clock-bound.ts';

type Settings = Partial<ClusterSettings<RaftState, RaftMessage>>;
type Cluster = ProtocolCluster<RaftState, RaftMessage>;

const clusterOf = (nodes: number, settings: Settings = {}): Cluster =>
  new ProtocolCluster({ protocol: raft, nodes, ...settings });

/** Starts each node again, with a log of these terms on its disk. */
function withLogs(cluster: Cluster, logs: Readonly<Record<string, readonly Entry[]>>): void {
  for (const [id, entries] of Object.entries(logs)) {
    cluster.crash(id);
    const { store } = cluster.node(id);
    const currentTerm = entries.at(-1)?.reign ?? (0 as never);
    const hardState = encodeHardState({ currentTerm, votedFor: undefined });
    store.write({ type: 'persist', mark: 1, hardState, entries, thenSend: [] });
    store.syncNext();
    cluster.restart(id);
  }
}

const noOp = (index: number, reign: number): Entry =>
  ({ index, reign, timeMs: 0, payload: new Uint8Array(0) }) as unknown as Entry;

describe('elections and the commit rule', () => {
  test('[Raft fig. 8] an entry of an older term on a majority is not committed, and may be replaced', () => {
    const cluster = clusterOf(5);
    // (b): n1 led term 2 and left index 2 on itself and n2; n5 led term 3 and wrote its own index 2.
    withLogs(cluster, {
      n1: [noOp(1, 1), noOp(2, 2)],
      n2: [noOp(1, 1), noOp(2, 2)],
      n3: [noOp(1, 1)],
      n4: [noOp(1, 1)],
      n5: [noOp(1, 1), noOp(2, 3)],
    });
    cluster.crash('n5');
    // (c): n1 leads again, and its old index 2 reaches n3: a majority. Its no-op at index 3 reaches nobody.
    cluster.hold = ({ message }) => message.type === 'append';
    cluster.node('n2').ticking = false;
    cluster.node('n3').ticking = false;
    cluster.node('n4').ticking = false;
    expect(cluster.runUntil(() => cluster.leader() === 'n1')).toBe(true);
    const term = cluster.status('n1').reign;
    const old = cluster.held.find(({ to }) => to === 'n3');
    const message = { ...old?.message, prevIndex: 1, prevTerm: 1, entries: [noOp(2, 2)] } as never;
    for (const to of ['n2', 'n3'] as never[]) {
      cluster.deliver({ from: 'n1' as never, to, message, wire: raft.encodeMessage(message) });
    }
    cluster.run(1);
    expect(
      raft
        .inspect(cluster.stateOf('n3'))
        .entriesAbove(0 as LogIndex)
        .map(({ reign }) => reign),
    ).toEqual([1, 2]);
    expect(cluster.status('n1').commitIndex).toBe(0);
    // (d): n1 is gone, and n5 wins with the log of term 3: index 2 is replaced, and that is no harm.
    cluster.crash('n1');
    cluster.hold = () => false;
    cluster.dropHeld();
    cluster.restart('n5');
    cluster.elect('n5');
    cluster.run(200);
    const terms = raft
      .inspect(cluster.stateOf('n3'))
      .entriesAbove(0 as LogIndex)
      .map(({ reign }) => reign);
    expect(terms.slice(0, 2)).toEqual([1, 3]);
    expect(cluster.status('n5').reign).toBeGreaterThan(term);
  });

  test('a vote that was lost in a crash was never given', () => {
    const cluster = clusterOf(3);
    cluster.holdDisk('n2');
    cluster.cut('n1', 'n3');
    cluster.node('n2').ticking = false;
    cluster.node('n3').ticking = false;
    expect(cluster.runUntil(() => cluster.stateOf('n2').votedFor === 'n1')).toBe(true);
    const term = cluster.stateOf('n2').currentTerm;
    cluster.run(50);
    expect(cluster.leader()).toBeUndefined();
    cluster.crash('n2');
    cluster.crash('n1');
    cluster.restart('n2');
    expect(cluster.stateOf('n2').votedFor).toBeUndefined();
    cluster.elect('n3');
    expect(cluster.status('n3').reign).toBe(term);
  });

  test('an append that comes late and is shorter takes nothing away', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.run(100);
    cluster.hold = ({ message, to }) => message.type === 'append' && to === 'n2';
    cluster.propose('n1', 'five');
    const late = cluster.held[0];
    if (late === undefined) throw new Error('nothing was sent');
    cluster.deliver(late);
    cluster.propose('n1', 'six');
    cluster.deliverHeld(({ message }) => message !== late.message);
    cluster.run(50);
    cluster.deliver(late);
    cluster.run(50);
    expect(cluster.committedTexts('n2')).toEqual(['five', 'six']);
    // Nor does a power cut in the middle of it.
    cluster.deliver(late);
    cluster.crash('n2');
    cluster.restart('n2');
    expect(raft.status(cluster.stateOf('n2')).lastIndex).toBe(3);
  });

  test('an empty append with a high commit index commits nothing that it has not matched', () => {
    const cluster = clusterOf(3);
    // n1 holds an uncommitted index 2 of term 1; the others have committed another one in term 2.
    withLogs(cluster, {
      n1: [noOp(1, 1), noOp(2, 1)],
      n2: [noOp(1, 1), noOp(2, 2)],
      n3: [noOp(1, 1), noOp(2, 2)],
    });
    const message = {
      type: 'append',
      term: 3,
      prevIndex: 1,
      prevTerm: 1,
      commitIndex: 2,
      entries: [],
    } as never;
    cluster.deliver({ from: 'n2' as never, to: 'n1' as never, message, wire: raft.encodeMessage(message) });
    expect(cluster.status('n1').commitIndex).toBe(1);
  });

  test('grants that the network duplicates do not elect', () => {
    const cluster = clusterOf(5, { network: { duplicateChance: 1 } });
    cluster.partition(['n1', 'n2'], ['n3', 'n4', 'n5']);
    for (const id of ['n3', 'n4', 'n5']) cluster.crash(id);
    cluster.run(5_000);
    expect(cluster.leader()).toBeUndefined();
    expect(cluster.safety.leaderOfReign.size).toBe(0);
  });

  test('what was in flight at a step-down is committed or replaced, never both', () => {
    const cluster = clusterOf(5);
    cluster.elect('n1');
    cluster.propose('n1', 'before');
    cluster.run(100);
    // The first four of ten reach n2, and then the leader is cut off.
    cluster.partition(['n1', 'n2'], ['n3', 'n4', 'n5']);
    cluster.propose('n1', '1', '2', '3', '4');
    cluster.run(1);
    cluster.partition(['n1'], ['n2', 'n3', 'n4', 'n5']);
    cluster.propose('n1', '5', '6', '7', '8', '9', '10');
    cluster.elect('n2');
    expect(cluster.propose('n2', 'after').type).toBe('accepted');
    cluster.run(400);
    expect(cluster.status('n1').role).not.toBe('leader');
    expect(cluster.propose('n1', 'late')).toEqual({ type: 'refused', reason: 'not-leader' });
    cluster.heal();
    cluster.run(400);
    for (const id of cluster.members) {
      expect(cluster.committedTexts(id)).toEqual(['before', '1', '2', '3', '4', 'after']);
    }
  });

  test('scenario 40: a single server acknowledges nothing that a crash could take', () => {
    const cluster = clusterOf(1);
    cluster.elect('n1');
    cluster.holdDisk('n1');
    cluster.propose('n1', 'lost');
    cluster.run(100);
    expect(cluster.committedTexts('n1')).toEqual([]);
    cluster.crash('n1');
    cluster.restart('n1');
    cluster.elect('n1');
    cluster.propose('n1', 'kept');
    cluster.run(100);
    expect(cluster.committedTexts('n1')).toEqual(['kept']);
  });
});

describe('liveness', () => {
  const changesOf = (cluster: Cluster): number => cluster.safety.leaderOfReign.size;

  test('partial mesh: two servers that see only one other each do not disturb the leader', () => {
    const cluster = clusterOf(5);
    cluster.elect('n3');
    for (const other of ['n1', 'n3', 'n5']) cluster.cut('n4', other);
    for (const other of ['n1', 'n2', 'n4']) cluster.cut('n5', other);
    const changes = changesOf(cluster);
    for (let second = 0; second < 10; second++) {
      cluster.propose('n3', `${second}`);
      cluster.run(1_000);
    }
    expect(cluster.leader()).toBe('n3');
    expect(changesOf(cluster)).toBe(changes);
    expect(cluster.committedTexts('n3')).toHaveLength(10);
  });

  test('one link cut: the follower that cannot hear the leader does not depose it', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.cut('n1', 'n2');
    const changes = changesOf(cluster);
    for (let round = 0; round < 100; round++) {
      expect(cluster.propose(cluster.leader() ?? '', `${round}`).type).toBe('accepted');
      cluster.run(300);
    }
    expect(cluster.committedTexts('n3')).toHaveLength(100);
    expect(changesOf(cluster)).toBe(changes);
  });

  test.each([
    { name: 'can send and not receive', deaf: true },
    { name: 'can receive and not send', deaf: false },
  ])('a leader that $name is replaced, and serves no more', ({ deaf }) => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    for (const other of ['n2', 'n3']) {
      if (deaf) cluster.cutOneWay(other, 'n1');
      else cluster.cutOneWay('n1', other);
    }
    const replaced = cluster.runUntil(() => ['n2', 'n3'].includes(cluster.leader() ?? ''), 1_500);
    expect(replaced).toBe(true);
    cluster.run(300);
    expect(cluster.status('n1').role).not.toBe('leader');
    expect(cluster.propose(cluster.leader() ?? '', 'x').type).toBe('accepted');
    const changes = changesOf(cluster);
    cluster.run(5_000);
    expect(changesOf(cluster)).toBe(changes);
    expect(cluster.committedTexts(cluster.leader() ?? '')).toEqual(['x']);
  });

  test('pre-vote with an old term: who comes back and who was there elect one of them', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.partition(['n1', 'n2'], ['n3']);
    for (const id of ['n2', 'n1', 'n2', 'n1']) {
      const before = cluster.leader() ?? '';
      cluster.crash(before);
      cluster.restart(before);
      cluster.elect(id);
      cluster.propose(id, `led by ${id} in ${cluster.status(id).reign}`);
      cluster.run(100);
    }
    expect(cluster.status('n3').reign).toBeLessThan(cluster.status('n1').reign);
    cluster.crash('n2');
    cluster.heal();
    expect(cluster.runUntil(() => cluster.leader() !== undefined, 2_000)).toBe(true);
    cluster.run(500);
    expect(cluster.committedTexts('n3')).toHaveLength(4);
  });

  test('equal timers and half of the messages lost: still a leader, nearly always within five seconds', () => {
    let inTime = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const cluster = clusterOf(3, {
        seed,
        network: { lossChance: 0.5, delayMs: [0, 5] },
        options: { electionTimeoutMs: [150, 151] },
      });
      if (cluster.runUntil(() => cluster.leader() !== undefined, 5_000)) inTime += 1;
    }
    expect(inTime).toBeGreaterThanOrEqual(198);
  });

  test('a leader whose disk hangs is replaced, and leads again only when it answers', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.holdDisk('n1');
    cluster.propose('n1', 'written elsewhere');
    expect(cluster.runUntil(() => ['n2', 'n3'].includes(cluster.leader() ?? ''), 1_500)).toBe(true);
    cluster.run(3_000);
    expect(cluster.status('n1').role).toBe('follower');
    cluster.releaseDisk('n1');
    cluster.run(100);
    expect(cluster.committedTexts('n1')).toEqual(['written elsewhere']);
  });

  test('a leader whose disk comes and goes does not take the lead back from one that works', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    for (let round = 0; round < 3; round++) {
      cluster.holdDisk('n1');
      cluster.propose(cluster.leader() ?? '', `round ${round}`);
      cluster.run(700);
      cluster.releaseDisk('n1');
      cluster.run(50);
    }
    const changes = changesOf(cluster);
    // The one that leads now dies. There are two left, and the one with the good disk is asked first.
    cluster.crash(cluster.leader() ?? '');
    cluster.run(3_000);
    expect(cluster.leader()).not.toBe('n1');
    expect(changesOf(cluster)).toBe(changes + 1);
  });

  test('a hint that the leader is gone brings the next within a few heartbeats, and without a duel', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = clusterOf(5, { seed, network: { delayMs: [0.1, 0.3] }, syncMs: [0.1, 0.5] });
      cluster.elect('n3');
      cluster.run(200);
      cluster.crash('n3');
      const changes = changesOf(cluster);
      for (const id of ['n1', 'n2', 'n4', 'n5'])
        cluster.input(id, { type: 'peer-down', peer: 'n3' as never });
      expect(cluster.runUntil(() => cluster.leader() !== undefined, 100)).toBe(true);
      cluster.run(1_000);
      expect(changesOf(cluster)).toBe(changes + 1);
    }
  });
});

describe('reads', () => {
  test('a new leader’s read waits until it has committed in its own term', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.propose('n1', 'x');
    cluster.run(1);
    cluster.crash('n1');
    cluster.hold = ({ message }) => message.type === 'append-accepted';
    expect(cluster.runUntil(() => cluster.leader() !== undefined)).toBe(true);
    const read = cluster.read(cluster.leader() ?? '');
    cluster.run(100);
    expect(cluster.readOutcome(read)).toBe('waiting');
    cluster.hold = () => false;
    cluster.deliverHeld();
    cluster.run(1);
    expect(cluster.readOutcome(read)).toBeGreaterThanOrEqual(2);
  });

  test('a leader that was replaced without knowing serves no read', () => {
    const cluster = clusterOf(5);
    cluster.elect('n1');
    cluster.partition(['n1', 'n2'], ['n3', 'n4', 'n5']);
    const read = cluster.read('n1');
    cluster.elect('n3');
    cluster.propose('n3', 'newer');
    cluster.run(100);
    expect(cluster.readOutcome(read)).not.toEqual(expect.any(Number));
    cluster.run(400);
    expect(cluster.readOutcome(read)).toBe('refused');
  });
});

describe('leases', () => {
  const leaseMs = leaseMsFor(150);
  /** n1 leads and has confirmed a round just now; then its timers stop and nobody hears it. */
  const cutOffHolder = (clockRates: readonly [number, number], seed: number): Cluster => {
    const cluster = clusterOf(3, { seed, clockRates, options: { leaseMs, electionTimeoutMs: [150, 151] } });
    cluster.elect('n1');
    cluster.run(200);
    expect(cluster.readOutcome(cluster.read('n1', { mayUseLease: true }))).toEqual(expect.any(Number));
    cluster.node('n1').ticking = false;
    cluster.partition(['n1'], ['n2', 'n3']);
    return cluster;
  };

  test('a leader with a slow clock that is cut off has no lease left when another is elected', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const cluster = cutOffHolder([1, clockRateRatioMax], seed);
      for (let at = 0; at < 100 && (cluster.leader() ?? 'n1') === 'n1'; at++) cluster.run(5);
      cluster.propose(cluster.leader() ?? '', 'newer');
      cluster.run(10);
      // The cluster checks that no read is served from before what was committed when it was asked.
      expect(cluster.readOutcome(cluster.read('n1', { mayUseLease: true }))).toBe('waiting');
    }
  });

  test('a leader that was paused for twice its lease finds it over when it is back', () => {
    const cluster = cutOffHolder([1, 1], 1);
    cluster.pause('n1');
    cluster.run(2 * leaseMs);
    cluster.resume('n1');
    expect(cluster.readOutcome(cluster.read('n1', { mayUseLease: true }))).toBe('waiting');
  });

  test('a leader that hands over answers nothing by lease while its successor commits', () => {
    const cluster = clusterOf(3, { options: { leaseMs } });
    cluster.elect('n1');
    cluster.run(200);
    // n1 never learns that it was replaced.
    cluster.hold = ({ to, message }) => to === 'n1' && message.type !== 'heartbeat-reply';
    cluster.input('n1', { type: 'transfer', to: 'n2' as never });
    expect(cluster.runUntil(() => cluster.status('n2').role === 'leader', 50)).toBe(true);
    cluster.propose('n2', 'newer');
    cluster.run(10);
    expect(cluster.status('n1').role).toBe('leader');
    expect(cluster.readOutcome(cluster.read('n1', { mayUseLease: true }))).toBe('waiting');
  });
});

describe('leadership transfer', () => {
  test('under load takes a few hops, and loses nothing that was accepted', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = clusterOf(3, { seed, network: { delayMs: [0.1, 0.3] }, syncMs: [0.1, 0.5] });
      cluster.elect('n1');
      const accepted: string[] = [];
      for (let at = 0; at < 50; at++) {
        if (cluster.propose('n1', `${at}`).type === 'accepted') accepted.push(`${at}`);
        cluster.run(0.2);
      }
      cluster.input('n1', { type: 'transfer', to: 'n3' as never });
      const startMs = cluster.nowMs;
      while (cluster.propose('n3', 'first of the next').type !== 'accepted') cluster.run(0.2);
      expect(cluster.nowMs - startMs).toBeLessThan(8);
      cluster.run(500);
      for (const id of cluster.members) {
        expect(cluster.committedTexts(id)).toEqual([...accepted, 'first of the next']);
      }
    }
  });

  test('to one that is dead is given up, and the leader takes proposals again', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.crash('n3');
    let failed = false;
    cluster.onEffect = (_, { type }) => {
      failed ||= type === 'transfer-failed';
    };
    cluster.propose('n1', 'x');
    cluster.input('n1', { type: 'transfer', to: 'n3' as never });
    expect(cluster.propose('n1', 'y')).toEqual({ type: 'refused', reason: 'handing-over' });
    expect(cluster.runUntil(() => failed, 300)).toBe(true);
    expect(cluster.propose('n1', 'z').type).toBe('accepted');
  });
});

describe('snapshots', () => {
  test('scenario 34: a follower with a conflicting tail takes the snapshot, and no second one', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.partition(['n1'], ['n2', 'n3']);
    cluster.propose('n1', 'a', 'b', 'c', 'd');
    cluster.elect('n2');
    cluster.propose('n2', 'x', 'y');
    cluster.run(100);
    cluster.compact('n2');
    cluster.compact('n3');
    let snapshots = 0;
    cluster.onEffect = (_, { type }) => {
      if (type === 'install') snapshots += 1;
    };
    cluster.heal();
    cluster.run(1_000);
    expect(cluster.committedTexts('n1')).toEqual(['x', 'y']);
    expect(snapshots).toBe(1);
  });

  test('scenario 34: a follower that compacted further than the leader keeps what it has', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.propose('n1', 'a', 'b');
    cluster.run(100);
    cluster.compact('n1', 2);
    cluster.compact('n3');
    cluster.crash('n3');
    cluster.propose('n1', 'c');
    cluster.run(400);
    cluster.restart('n3');
    cluster.run(400);
    expect(cluster.committedTexts('n3')).toEqual(['a', 'b', 'c']);
  });

  test('a permanent laggard catches up once compaction rests, however often it was overtaken', () => {
    const cluster = clusterOf(3, { options: { appendBytesMax: 8 } });
    cluster.elect('n1');
    cluster.cut('n1', 'n3');
    cluster.cut('n2', 'n3');
    for (let round = 0; round < 30; round++) {
      cluster.propose('n1', `round ${round}`);
      cluster.run(20);
      if (round === 10) cluster.heal();
      cluster.compact('n1');
    }
    cluster.run(1_000);
    expect(cluster.committedTexts('n3')).toHaveLength(30);
  });
});
