/** Terms, elections and what limits them, sentence by sentence. [Raft §5.1, §5.2, §5.4.1, §5.6], [RaftThesis §4.2.3, §6.2, §9.6] */
import type { NodeId } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolCluster } from '../../src/conformance/cluster.ts';
import { isAtLeastAsUpToDate } from '../../src/raft/election-restriction.ts';
import type { LogPosition } from '../../src/raft/log.ts';
import type { RaftMessage } from '../../src/raft/message.ts';
import { type RaftState, raft } from '../../src/raft/raft.ts';
import { roleTable } from '../../src/raft/role-table.ts';
import { appendOf, LoneServer } from './lone-server.ts';

const clusterOf = (nodes: number, seed = 1): ProtocolCluster<RaftState, RaftMessage> =>
  new ProtocolCluster<RaftState, RaftMessage>({ protocol: raft, nodes, seed });

const heartbeat = (term: number) =>
  ({ type: 'heartbeat', term, commitIndex: 0, round: 1, rests: false }) as const;

const voteRequest = (term: number, lastIndex = 0, lastTerm = 0) =>
  ({ type: 'vote-request', term, lastIndex, lastTerm, gaveWay: 0 }) as const;

describe('[Raft §5.1]', () => {
  test('terms are numbered with consecutive integers, and each begins with an election', () => {
    const server = new LoneServer();
    for (const term of [1, 2, 3]) expect(server.stand().status.reign).toBe(term);
  });

  test('if an election results in a split vote, the term ends with no leader and a new one begins', () => {
    const server = new LoneServer({ members: ['a', 'b', 'c', 'd'] }).stand();
    server.receive('b', { type: 'vote-reply', term: 1, granted: true });
    for (const peer of ['c', 'd']) server.receive(peer, { type: 'vote-reply', term: 1, granted: false });
    expect(server.status).toMatchObject({ role: 'candidate', reign: 1 });
    server.stand();
    expect(server.status).toMatchObject({ role: 'candidate', reign: 2 });
  });

  test('if a candidate or leader discovers that its term is out of date, it reverts to follower state', () => {
    for (const server of [new LoneServer().timeOut(), new LoneServer().stand(), new LoneServer().lead()]) {
      server.receive('b', { type: 'heartbeat-reply', term: 9, round: 0 });
      expect(server.status).toMatchObject({ role: 'follower', reign: 9 });
    }
  });

  test('servers retry RPCs if they do not receive a response in a timely manner', () => {
    const server = new LoneServer().stand().listen();
    server.pass(50);
    expect(server.heard('vote-request').map(({ to }) => to)).toEqual(['b', 'c']);
    const leader = new LoneServer().lead().listen();
    leader.pass(50);
    expect(leader.heard('append').map(({ to }) => to)).toEqual(['b', 'c']);
  });
});

describe('[Raft §5.1]: how terms travel', () => {
  test('followers are passive: they issue no requests on their own but simply respond', () => {
    const server = new LoneServer({ term: 1 });
    server.receive('b', heartbeat(1));
    server.sync();
    server.listen().pass(140);
    server.propose('x');
    server.step({ type: 'read', read: 1 });
    expect(server.said).toEqual([]);
    server.receive('b', heartbeat(1));
    expect(server.said).toMatchObject([{ to: 'b', message: { type: 'heartbeat-reply' } }]);
  });

  test('the current term increases monotonically over time', () => {
    const request = fc.oneof(
      fc.integer({ min: 1, max: 9 }).map((term) => heartbeat(term)),
      fc.integer({ min: 1, max: 9 }).map((term) => appendOf({ term, prev: [0, 0] })),
      fc.integer({ min: 1, max: 9 }).map((term) => ({ type: 'heartbeat-reply', term, round: 0 }) as const),
    );
    fc.assert(
      fc.property(fc.array(request, { maxLength: 20 }), (requests) => {
        const server = new LoneServer();
        let highest = 0;
        for (const message of requests) {
          // One leader a term.
          server.receive(message.term % 2 === 0 ? 'b' : 'c', message);
          highest = Math.max(highest, message.term);
          expect(server.status.reign).toBe(highest);
        }
      }),
    );
  });

  test('current terms are exchanged whenever servers communicate', () => {
    const cluster = clusterOf(5);
    let messages = 0;
    cluster.onEffect = (node, effect) => {
      if (effect.type !== 'send') return;
      const { type, term } = effect.message;
      messages += 1;
      // Only a pre-vote speaks of a term that nobody is in yet.
      const isPreVote = type === 'pre-vote-request' || type === 'pre-vote-reply';
      if (!isPreVote) expect(term).toBe(cluster.status(node).reign);
      else expect([0, 1]).toContain(term - cluster.status(node).reign);
    };
    for (const id of ['n1', 'n2', 'n3']) {
      cluster.elect(id);
      cluster.propose(id, 'x');
      cluster.run(200);
    }
    expect(messages).toBeGreaterThan(100);
  });

  test('some servers may not observe an election or even entire terms', () => {
    const cluster = clusterOf(5);
    cluster.elect('n1');
    cluster.run(100);
    const first = cluster.status('n5').reign;
    cluster.partition(['n1', 'n2', 'n3', 'n4'], ['n5']);
    const seen = new Set<number>([first]);
    cluster.onEffect = (node, effect) => {
      if (node === 'n5' && effect.type === 'role') seen.add(effect.reign);
    };
    for (const id of ['n2', 'n3', 'n4']) cluster.elect(id);
    cluster.heal();
    cluster.run(1_000);
    const last = cluster.status('n4').reign;
    expect(last).toBeGreaterThanOrEqual(first + 3);
    expect([...seen]).toEqual([first, last]);
  });

  test.each([
    { request: appendOf({ term: 2, prev: [0, 0], terms: [2] }), reply: 'append-rejected' },
    { request: heartbeat(2), reply: 'heartbeat-reply' },
    { request: voteRequest(2, 9, 1), reply: 'vote-reply' },
    { request: { ...voteRequest(2, 9, 1), type: 'pre-vote-request' } as const, reply: 'pre-vote-reply' },
  ])('a server that receives a request with a stale term rejects it: $request.type', ({ request, reply }) => {
    const server = new LoneServer({ term: 5, terms: [1] });
    server.pass(150);
    server.listen().receive('b', request);
    server.sync();
    expect(server.said).toMatchObject([{ to: 'b', message: { type: reply, term: 5 } }]);
    expect(server.said[0]?.message).not.toMatchObject({ granted: true });
    expect(server.status).toMatchObject({ role: 'follower', reign: 5, leader: undefined });
    expect(server.terms).toEqual([1]);
  });

  test('nor does a server stand because of a stale word that it may', () => {
    const server = new LoneServer({ term: 5 });
    server.receive('b', heartbeat(5));
    server.receive('b', { type: 'timeout-now', term: 4 });
    expect(server.status).toMatchObject({ role: 'follower', reign: 5 });
  });
});

describe('[Raft §5.2]', () => {
  test('each candidate restarts its randomized election timeout at the start of an election', () => {
    const delays = Array.from({ length: 100 }, (_, seed) => {
      const server = new LoneServer({ options: { seed } }).stand();
      return server.state.electionDueMs - server.nowMs;
    });
    expect(new Set(delays).size).toBe(100);
    expect(Math.max(...delays)).toBeLessThan(300);
  });

  test('a server remains in follower state as long as it receives valid RPCs from a leader or candidate', () => {
    const server = new LoneServer({ term: 3 });
    for (let at = 0; at < 10; at++) {
      // Not a valid one: its term is old.
      server.pass(100);
      server.receive('b', { type: 'heartbeat', term: 2, commitIndex: 0, round: 1, rests: false });
    }
    expect(server.status.role).toBe('candidate');
  });

  test('the majority rule ensures that at most one candidate can win the election for a term', () => {
    // Every pair of majorities shares a voter, and a voter has one vote.
    const voter = new LoneServer();
    voter.pass(150);
    voter.receive('b', voteRequest(1));
    voter.receive('c', voteRequest(1));
    voter.sync();
    expect(voter.heard('vote-reply').filter(({ message }) => message.granted)).toHaveLength(1);
  });

  test('when servers start up, they begin as followers, whatever they were before', () => {
    for (const past of [
      {},
      { terms: [1, 2] },
      { term: 7, votedFor: 'a' },
      { snapshot: { index: 3, term: 2 } },
    ]) {
      expect(new LoneServer(past).status.role).toBe('follower');
    }
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.crash('n1');
    cluster.restart('n1');
    expect(cluster.status('n1').role).toBe('follower');
  });

  test('each server votes for at most one candidate in a given term, on a first-come-first-served basis', () => {
    for (const [first, second] of [
      ['b', 'c'],
      ['c', 'b'],
    ] as const) {
      const voter = new LoneServer();
      voter.pass(150);
      for (const candidate of [first, second, first, second]) voter.receive(candidate, voteRequest(1));
      voter.sync();
      const granted = voter.heard('vote-reply').filter(({ message }) => message.granted);
      expect(new Set(granted.map(({ to }) => to))).toEqual(new Set([first]));
      // A vote is for one term: in the next it is free again.
      voter.listen().receive(second, voteRequest(2));
      voter.sync();
      expect(voter.heard('vote-reply')).toMatchObject([{ to: second, message: { granted: true } }]);
    }
  });

  test('of two candidates in one term at most one has a majority, however votes cross and voters restart', () => {
    const members = ['a', 'b', 'c', 'd', 'e'];
    const server = (self: string, past: object = {}): LoneServer =>
      new LoneServer({ members, ...past, options: { self: self as NodeId } });
    const outcomes = new Map<string, number>();
    // Each voter hears the two in either order, and may restart in between.
    for (let orders = 0; orders < 8; orders++) {
      for (let restarts = 0; restarts < 8; restarts++) {
        const candidates = { a: server('a').stand(), b: server('b').stand() };
        expect(Object.values(candidates).map(({ status }) => status.reign)).toEqual([1, 1]);
        for (const [at, self] of ['c', 'd', 'e'].entries()) {
          let voter = server(self);
          voter.pass(150);
          const order = (orders & (1 << at)) === 0 ? (['a', 'b'] as const) : (['b', 'a'] as const);
          for (const candidate of order) {
            voter.listen().receive(candidate, voteRequest(1));
            voter.sync();
            for (const { message } of voter.heard('vote-reply')) candidates[candidate].receive(self, message);
            if ((restarts & (1 << at)) === 0) continue;
            const { votedFor, currentTerm: term } = voter.state;
            voter = server(self, votedFor === undefined ? { term } : { term, votedFor });
            voter.pass(150);
          }
        }
        const leaders = Object.entries(candidates).filter(([, { status }]) => status.role === 'leader');
        expect(leaders.length).toBeLessThanOrEqual(1);
        // Each of the two asks the other as well, who has voted for itself.
        candidates.a.receive('b', voteRequest(1));
        candidates.a.sync();
        expect(candidates.a.heard('vote-reply').some(({ message }) => message.granted)).toBe(false);
        const [name = 'nobody'] = leaders[0] ?? [];
        outcomes.set(name, (outcomes.get(name) ?? 0) + 1);
      }
    }
    // Three free votes always elect one of two.
    expect(Object.fromEntries(outcomes)).toEqual({ a: 32, b: 32 });
  });

  test('a candidate wins with votes from a majority of the full cluster for the same term, and not of several', () => {
    const server = new LoneServer({ members: ['a', 'b', 'c', 'd', 'e'] }).stand();
    server.receive('b', { type: 'vote-reply', term: 1, granted: true });
    server.stand();
    server.receive('c', { type: 'vote-reply', term: 1, granted: true });
    server.receive('d', { type: 'vote-reply', term: 2, granted: true });
    expect(server.status).toMatchObject({ role: 'candidate', reign: 2 });
    server.receive('e', { type: 'vote-reply', term: 2, granted: true });
    expect(server.status).toMatchObject({ role: 'leader', reign: 2 });
  });

  test('a candidate that hears a leader of a smaller term rejects its RPC and continues in candidate state', () => {
    const server = new LoneServer({ term: 4 }).stand().listen();
    server.receive('b', appendOf({ term: 4, prev: [0, 0], terms: [4] }));
    server.sync();
    expect(server.said).toMatchObject([{ to: 'b', message: { type: 'append-rejected', term: 5 } }]);
    expect(server.status).toMatchObject({ role: 'candidate', reign: 5, lastIndex: 0 });
  });

  test('a candidate that hears a leader whose term is at least as large recognizes it and returns to follower state', () => {
    for (const term of [5, 6]) {
      const server = new LoneServer({ term: 4 }).stand();
      server.receive('b', heartbeat(term));
      expect(server.status).toMatchObject({ role: 'follower', reign: term, leader: 'b' });
    }
  });

  test('most of the time only a single server times out, and it wins before any other does', () => {
    let first = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const cluster = clusterOf(5, seed);
      cluster.runUntil(() => cluster.leader() !== undefined, 5_000);
      if (cluster.status(cluster.leader() ?? 'n1').reign === 1) first += 1;
    }
    expect(first).toBeGreaterThan(80);
  });

  test('once a candidate wins, it sends heartbeats to prevent new elections', () => {
    const cluster = clusterOf(5);
    cluster.runUntil(() => cluster.leader() !== undefined);
    const { reign } = cluster.status(cluster.leader() ?? '');
    cluster.run(60_000);
    for (const id of cluster.members) expect(cluster.status(id).reign).toBe(reign);
  });

  test('[Raft fig. 4] the changes of role are these, and pre-candidates stand before candidates', () => {
    const changes = Object.entries(roleTable).flatMap(([from, events]) =>
      Object.values(events)
        .filter((to) => to !== 'illegal' && to !== from)
        .map((to) => `${from} > ${to}`),
    );
    expect([...new Set(changes)].sort()).toEqual([
      'candidate > follower',
      'candidate > leader',
      'candidate > pre-candidate',
      'follower > candidate',
      'follower > leader',
      'follower > pre-candidate',
      'leader > follower',
      'pre-candidate > candidate',
      'pre-candidate > follower',
    ]);
  });
});

describe('[Raft §5.4.1]', () => {
  test('RequestVote includes information about the candidate’s log: index and term of its last entry', () => {
    const server = new LoneServer({ terms: [1, 1, 3] }).stand();
    expect(server.heard('vote-request').map(({ message }) => message)).toMatchObject([
      { lastIndex: 3, lastTerm: 3 },
      { lastIndex: 3, lastTerm: 3 },
    ]);
  });

  test('log entries only flow in one direction, from leaders to followers', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = clusterOf(5, seed);
      cluster.onEffect = (node, effect) => {
        if (effect.type !== 'send' || effect.message.type !== 'append') return;
        expect(cluster.status(node).role).toBe('leader');
      };
      for (const id of ['n1', 'n3', 'n5']) {
        cluster.elect(id);
        cluster.propose(id, 'x', 'y');
        cluster.run(100);
      }
    }
  });

  const position = fc
    .record({ index: fc.nat({ max: 4 }), term: fc.nat({ max: 4 }) })
    .map((plain) => plain as LogPosition);

  test('if the last entries have different terms, the log with the later term is more up-to-date', () => {
    fc.assert(
      fc.property(position, position, (one, other) => {
        fc.pre(one.term !== other.term);
        expect(isAtLeastAsUpToDate(one, other)).toBe(one.term > other.term);
      }),
    );
  });

  test('if the logs end with the same term, whichever is longer is more up-to-date', () => {
    fc.assert(
      fc.property(position, fc.nat({ max: 4 }), (one, index) => {
        const other = { ...one, index } as LogPosition;
        expect(isAtLeastAsUpToDate(one, other)).toBe(one.index >= index);
      }),
    );
  });

  test('the voter denies its vote if its own log is more up-to-date, and learns the term all the same', () => {
    const voter = new LoneServer({ terms: [1, 2] });
    voter.pass(150);
    voter.receive('b', voteRequest(7, 9, 1));
    voter.sync();
    expect(voter.heard('vote-reply')).toMatchObject([{ message: { term: 7, granted: false } }]);
    expect(voter.state.votedFor).toBeUndefined();
  });
});

describe('[Raft §5.5]', () => {
  test('RPCs are idempotent: a vote request that comes twice is answered twice, and written once', () => {
    const voter = new LoneServer();
    voter.pass(150);
    voter.receive('b', voteRequest(1));
    voter.sync();
    voter.receive('b', voteRequest(1));
    expect(voter.unsynced).toEqual([]);
    expect(voter.heard('vote-reply').map(({ message }) => message.granted)).toEqual([true, true]);
  });

  test('a candidate that crashed and restarts has forgotten its votes, and not its own', () => {
    const cluster = clusterOf(3);
    cluster.hold = ({ message }) => message.type === 'vote-reply';
    expect(cluster.runUntil(() => cluster.held.length > 0)).toBe(true);
    const candidate = cluster.held[0]?.to ?? '';
    const { reign } = cluster.status(candidate);
    cluster.crash(candidate);
    cluster.restart(candidate);
    cluster.deliverHeld();
    expect(cluster.status(candidate)).toMatchObject({ role: 'follower', reign });
    expect(cluster.stateOf(candidate).votedFor).toBe(candidate);
  });
});

test('[Raft §5.6] safety must not depend on timing: with timeouts below the delays nobody leads for long, and nothing breaks', () => {
  const cluster = new ProtocolCluster<RaftState, RaftMessage>({
    protocol: raft,
    nodes: 3,
    network: { delayMs: [50, 400] },
    options: { electionTimeoutMs: [60, 120], heartbeatMs: 20 },
  });
  for (let at = 0; at < 200; at++) {
    cluster.run(100);
    for (const id of cluster.members) cluster.propose(id, `${at} at ${id}`);
  }
  expect(cluster.safety.leaderOfReign.size).toBeLessThanOrEqual(cluster.stateOf('n1').currentTerm + 1);
});

describe('[RaftThesis §9.6] Pre-Vote', () => {
  test('a candidate increments its term only once a majority would be willing to vote for it', () => {
    const server = new LoneServer({ members: ['a', 'b', 'c', 'd', 'e'], term: 3 }).timeOut();
    server.receive('b', { type: 'pre-vote-reply', term: 4, granted: true });
    expect(server.status.reign).toBe(3);
    server.receive('c', { type: 'pre-vote-reply', term: 4, granted: true });
    expect(server.status.reign).toBe(4);
  });

  test('a server would vote only for a log that is up-to-date', () => {
    const voter = new LoneServer({ terms: [1, 2] });
    voter.pass(150);
    voter.receive('b', { type: 'pre-vote-request', term: 3, lastIndex: 1, lastTerm: 2 });
    expect(voter.heard('pre-vote-reply')).toMatchObject([{ message: { granted: false } }]);
  });

  test('a server that was partitioned does not disturb the cluster when it rejoins', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    const { reign } = cluster.status('n1');
    cluster.partition(['n1', 'n2'], ['n3']);
    cluster.run(30_000);
    expect(cluster.status('n3').reign).toBe(reign);
    cluster.heal();
    cluster.run(2_000);
    expect(cluster.status('n3')).toMatchObject({ role: 'follower', leader: 'n1', reign });
  });
});

describe('[RaftThesis §4.2.3] disruptive servers', () => {
  test('a server that hears of its leader within the shortest timeout neither updates its term nor votes', () => {
    const server = new LoneServer();
    server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 0, round: 1, rests: false });
    server.sync();
    server.listen().pass(140);
    server.receive('c', voteRequest(9, 9, 8));
    expect(server.said).toEqual([]);
    expect(server.status.reign).toBe(1);
  });

  test('this does not affect normal elections, where each server waits at least that long', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const cluster = clusterOf(3, seed);
      cluster.elect('n1');
      cluster.crash('n1');
      expect(cluster.runUntil(() => cluster.leader() !== undefined, 2_000)).toBe(true);
    }
  });
});

describe('[RaftThesis §6.2] check-quorum', () => {
  test('a leader steps down if an election timeout elapses without a round to a majority', () => {
    const server = new LoneServer({ members: ['a', 'b', 'c', 'd', 'e'] }).lead();
    const heard = (peers: readonly string[]): void => {
      const round = server.heard('heartbeat').at(-1)?.message.round ?? 0;
      for (const peer of peers) server.receive(peer, { type: 'heartbeat-reply', term: 1, round });
    };
    for (let at = 0; at < 20; at++) {
      server.pass(50);
      heard(['b', 'c']);
    }
    expect(server.status.role).toBe('leader');
    for (let at = 0; at < 7; at++) {
      server.pass(50);
      heard(['b']);
    }
    expect(server.status).toMatchObject({ role: 'follower', leader: undefined });
  });

  test('so that clients of a leader that is cut off turn to another', () => {
    const cluster = clusterOf(3);
    cluster.elect('n1');
    cluster.partition(['n1'], ['n2', 'n3']);
    cluster.run(600);
    expect(cluster.propose('n1', 'x')).toEqual({ type: 'refused', reason: 'not-leader' });
  });
});
