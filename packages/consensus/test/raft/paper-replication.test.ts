/** Replication and what makes it safe, sentence by sentence. [Raft fig. 3, fig. 8, §5.3, §5.4, §5.5] */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolCluster } from '../../src/conformance/cluster.ts';
import type { Entry, LogIndex } from '../../src/protocol.ts';
import type { RaftMessage } from '../../src/raft/message.ts';
import { type RaftState, raft } from '../../src/raft/raft.ts';
import { appendOf, LoneServer } from './lone-server.ts';

type Cluster = ProtocolCluster<RaftState, RaftMessage>;

const clusterOf = (nodes: number, seed = 1): Cluster =>
  new ProtocolCluster<RaftState, RaftMessage>({ protocol: raft, nodes, seed });

const logOf = (cluster: Cluster, id: string): readonly Entry[] =>
  raft.inspect(cluster.stateOf(id)).entriesAbove(0 as LogIndex);

/** Three servers whose log holds three committed commands. */
function agreed(): Cluster {
  const cluster = clusterOf(3);
  cluster.elect('n1');
  cluster.propose('n1', 'x', 'y', 'z');
  cluster.run(200);
  return cluster;
}

describe('[Raft fig. 3]', () => {
  test('Election Safety: at most one leader is elected in a given term', () => {
    const cluster = clusterOf(5);
    for (const id of ['n1', 'n2', 'n3', 'n1']) cluster.elect(id);
    const reigns = [...cluster.safety.leaderOfReign.keys()];
    expect(reigns).toHaveLength(4);
    // The check itself: a second leader of the newest term is not let pass.
    const role = { type: 'role', role: 'leader', leader: 'n5', reign: cluster.status('n1').reign } as const;
    const after = { ...raft.inspect(cluster.stateOf('n5')), role: 'leader', reign: role.reign } as const;
    expect(() =>
      cluster.safety.afterStep({
        node: 'n5' as never,
        input: { type: 'tick' },
        before: cluster.status('n5'),
        after,
        effects: [role as never],
      }),
    ).toThrow();
  });

  test('Leader Append-Only: a leader never overwrites or deletes entries in its log', () => {
    const server = new LoneServer({ terms: [1, 1] }).lead();
    server.propose('x');
    const before = server.terms;
    // Whatever comes, be it from a server that thinks to know better.
    server.receive('b', { type: 'append-rejected', term: 2, prevIndex: 2, hintIndex: 0, hintTerm: 0 });
    server.receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1], commit: 1 }));
    server.acknowledge('c', 1);
    expect(server.terms).toEqual(before);
    expect(server.unsynced.every((write) => !('truncateAfter' in write))).toBe(true);
  });

  test('Log Matching: entries of the same index and term store the same command, and so do all before', () => {
    const cluster = agreed();
    cluster.partition(['n1'], ['n2', 'n3']);
    cluster.propose('n1', 'lost');
    cluster.elect('n2');
    cluster.propose('n2', 'kept');
    cluster.run(100);
    for (const one of logOf(cluster, 'n1')) {
      const twin = logOf(cluster, 'n2').find(
        ({ index, reign }) => index === one.index && reign === one.reign,
      );
      if (twin !== undefined) expect(twin).toEqual(one);
    }
    expect(logOf(cluster, 'n1').at(-1)?.index).toBe(5);
    expect(logOf(cluster, 'n2').find(({ index }) => index === 5)?.reign).toBeGreaterThan(1);
  });

  test('Leader Completeness: what is committed in a term is in the logs of the leaders of all later terms', () => {
    const cluster = agreed();
    for (const [down, next] of [
      ['n1', 'n2'],
      ['n2', 'n3'],
      ['n3', 'n1'],
    ] as const) {
      cluster.crash(down);
      cluster.elect(next);
      const texts = logOf(cluster, next).map(({ payload }) => new TextDecoder().decode(payload));
      expect(texts.filter((text) => text !== '')).toEqual(['x', 'y', 'z']);
      cluster.restart(down);
      cluster.run(200);
    }
  });

  test('Leader Completeness: who lacks a committed entry wins no majority', () => {
    const cluster = agreed();
    cluster.crash('n3');
    cluster.propose('n1', 'committed without n3');
    cluster.run(100);
    cluster.crash('n1');
    cluster.restart('n3');
    cluster.node('n2').ticking = false;
    cluster.run(3_000);
    expect(cluster.leader()).toBeUndefined();
    cluster.node('n2').ticking = true;
    expect(cluster.runUntil(() => cluster.leader() === 'n2', 2_000)).toBe(true);
  });

  test('State Machine Safety: no two servers apply different entries at one index', () => {
    const cluster = agreed();
    cluster.partition(['n1'], ['n2', 'n3']);
    cluster.propose('n1', 'never');
    cluster.elect('n2');
    cluster.propose('n2', 'instead');
    cluster.heal();
    cluster.run(500);
    for (const id of cluster.members) {
      expect(cluster.committedTexts(id)).toEqual(['x', 'y', 'z', 'instead']);
    }
  });
});

describe('[Raft §5.3]', () => {
  test('an entry is committed once the leader that created it has replicated it on a majority', () => {
    const server = new LoneServer({ members: ['a', 'b', 'c', 'd', 'e'] }).lead();
    server.acknowledge('b');
    expect(server.status.commitIndex).toBe(0);
    server.acknowledge('d');
    expect(server.status.commitIndex).toBe(1);
  });

  test('this also commits all preceding entries, including those created by previous leaders', () => {
    const server = new LoneServer({ terms: [1, 1, 2] }).lead();
    server.acknowledge('b');
    expect(server.done('committed').flatMap(({ entries }) => entries.map(({ reign }) => reign))).toEqual([
      1, 1, 2, 3,
    ]);
  });

  test('the leader includes the highest index it knows to be committed in future AppendEntries', () => {
    const server = new LoneServer().lead();
    server.acknowledge('b');
    server.acknowledge('c');
    server.listen().propose('x');
    expect(server.heard('append')).toMatchObject([
      { message: { commitIndex: 1 } },
      { message: { commitIndex: 1 } },
    ]);
  });

  test('once a follower learns that an entry is committed, it applies it, in log order', () => {
    const server = new LoneServer();
    server.receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1, 1], commit: 1 }));
    server.receive('b', appendOf({ term: 1, prev: [2, 1], terms: [1], commit: 3 }));
    const applied = server.done('committed').map(({ entries }) => entries.map(({ index }) => index));
    expect(applied).toEqual([[1], [2, 3]]);
  });

  test('a leader creates at most one entry with a given index in a given term', () => {
    const server = new LoneServer().lead();
    for (const text of ['x', 'y', 'z']) server.propose(text);
    const indexes = raft
      .inspect(server.state)
      .entriesAbove(0 as LogIndex)
      .map(({ index }) => index);
    expect(indexes).toEqual([1, 2, 3, 4]);
  });

  test('each entry stores a command with the term in which the leader received it, and its index in the log', () => {
    const server = new LoneServer({ terms: [1, 4] }).lead();
    server.propose('x');
    const [, , noOp, entry] = raft.inspect(server.state).entriesAbove(0 as LogIndex);
    expect(noOp).toMatchObject({ index: 3, reign: 5, payload: new Uint8Array(0) });
    expect(entry).toMatchObject({ index: 4, reign: 5, payload: new TextEncoder().encode('x') });
  });

  test('a leader that comes to power takes no special action: it just begins normal operation', () => {
    const server = new LoneServer({ terms: [1, 1, 2] }).lead();
    expect(server.heard('append').map(({ message }) => [message.prevIndex, message.entries.length])).toEqual([
      [3, 1],
      [3, 1],
    ]);
    expect(server.said.map(({ message }) => message.type)).not.toContain('append-rejected');
    expect(server.terms).toEqual([1, 1, 2, 3]);
  });

  test('the leader retries indefinitely, even after it has responded to the client', () => {
    const cluster = agreed();
    cluster.hold = ({ to }) => to === 'n3';
    cluster.propose('n1', 'answered');
    cluster.run(100);
    expect(cluster.committedTexts('n1')).toContain('answered');
    for (let second = 1; second <= 10; second++) {
      cluster.dropHeld();
      cluster.run(1_000);
      expect(cluster.held.some(({ message }) => message.type === 'append')).toBe(true);
    }
    cluster.hold = () => false;
    cluster.run(500);
    expect(cluster.committedTexts('n3')).toContain('answered');
  });

  test('AppendEntries includes the index and term of the entry that immediately precedes the new ones', () => {
    const server = new LoneServer({ terms: [1, 2] }).lead();
    expect(server.heard('append')).toMatchObject([
      { message: { prevIndex: 2, prevTerm: 2 } },
      { message: { prevIndex: 2, prevTerm: 2 } },
    ]);
  });

  test('whenever AppendEntries returns successfully, the follower’s log equals the leader’s up to there', () => {
    const terms = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 6 }).map((list) => list.sort());
    fc.assert(
      fc.property(terms, terms, fc.nat({ max: 6 }), (leaderTerms, followerTerms, at) => {
        const prev = Math.min(at, leaderTerms.length);
        const follower = new LoneServer({ terms: followerTerms });
        const term = 5;
        const prevTerm = leaderTerms[prev - 1] ?? 0;
        follower.receive('b', appendOf({ term, prev: [prev, prevTerm], terms: leaderTerms.slice(prev) }));
        follower.sync();
        const [accepted] = follower.heard('append-accepted');
        if (accepted === undefined) return;
        // The entries of `entryOf` depend on index and term alone, as the Log Matching Property demands.
        const held = follower.terms.slice(0, accepted.message.matchIndex);
        const suffix = leaderTerms.slice(prev);
        expect(held.slice(prev)).toEqual(suffix);
        expect(held[prev - 1] ?? 0).toBe(prevTerm);
      }),
    );
  });

  test('a majority commits in a single round of RPCs, and a slow follower does not hold it up', () => {
    const cluster = agreed();
    cluster.hold = ({ to }) => to === 'n3';
    let rounds = 0;
    cluster.onEffect = (_, effect) => {
      if (effect.type === 'send' && effect.message.type === 'append' && effect.to === 'n2') rounds += 1;
    };
    cluster.propose('n1', 'fast');
    expect(cluster.runUntil(() => cluster.committedTexts('n1').includes('fast'), 100)).toBe(true);
    expect(rounds).toBe(1);
  });
});

describe('[Raft §5.4]', () => {
  test('[Raft §5.4.2] only entries from the leader’s current term are committed by counting replicas', () => {
    const server = new LoneServer({ terms: [1, 1] }).lead();
    server.acknowledge('b', 2);
    server.acknowledge('c', 2);
    expect(server.status.commitIndex).toBe(0);
  });

  test('[Raft §5.4.2] entries retain their original term numbers when a leader replicates them', () => {
    const server = new LoneServer({ terms: [1, 1, 2] }).lead().listen();
    const { reign: term } = server.status;
    server.receive('b', { type: 'append-rejected', term, prevIndex: 3, hintIndex: 0, hintTerm: 0 });
    expect(
      server.heard('append').flatMap(({ message }) => message.entries.map(({ reign }) => reign)),
    ).toEqual([1, 1, 2, 3]);
  });

  test('[Raft fig. 8] (d) an entry of term 2 on a majority is overwritten by one of term 3', () => {
    // The follower that holds it takes what the leader with the later last term sends.
    const server = new LoneServer({ terms: [1, 2] });
    server.pass(150);
    server.receive('b', {
      type: 'vote-request',
      term: 5,
      lastIndex: 2,
      lastTerm: 3,
      gaveWay: 0,
    });
    server.sync();
    expect(server.heard('vote-reply')).toMatchObject([{ message: { granted: true } }]);
    server.receive('b', appendOf({ term: 5, prev: [1, 1], terms: [3] }));
    expect(server.terms).toEqual([1, 3]);
  });

  test('[Raft fig. 8] (e) once an entry of term 4 is on a majority, the one of term 3 cannot win', () => {
    const server = new LoneServer({ terms: [1, 2, 4] });
    server.pass(150);
    server.receive('b', { type: 'vote-request', term: 5, lastIndex: 2, lastTerm: 3, gaveWay: 0 });
    server.sync();
    expect(server.heard('vote-reply')).toMatchObject([{ message: { granted: false } }]);
  });
});

describe('[Raft §5.5]', () => {
  test('entries that are present in the log already are ignored when they come again', () => {
    const server = new LoneServer();
    const append = appendOf({ term: 1, prev: [0, 0], terms: [1, 1] });
    server.receive('b', append);
    server.sync();
    server.listen().receive('b', append);
    expect(server.unsynced).toEqual([]);
    expect(server.heard('append-accepted')).toMatchObject([{ message: { matchIndex: 2 } }]);
  });

  test('if a follower crashed, the leader asks until it is back, and its log becomes complete', () => {
    const cluster = agreed();
    cluster.crash('n3');
    cluster.propose('n1', 'meanwhile');
    cluster.run(3_000);
    cluster.restart('n3');
    cluster.run(500);
    expect(cluster.committedTexts('n3')).toEqual(['x', 'y', 'z', 'meanwhile']);
  });
});
