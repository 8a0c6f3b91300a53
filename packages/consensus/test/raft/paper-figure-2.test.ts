/** The condensed summary of Raft, rule by rule and in its order. [Raft fig. 2] */
import { describe, expect, test } from 'vitest';
import type { LogIndex } from '../../src/protocol.ts';
import { decodeHardState } from '../../src/raft/hard-state.ts';
import { appendOf, LoneServer } from './lone-server.ts';

const voteRequest = (term: number, last: readonly [index: number, term: number]) =>
  ({ type: 'vote-request', term, lastIndex: last[0], lastTerm: last[1], gaveWay: 0 }) as const;

/** Not loyal to anybody: the shortest election timeout has passed. */
function patient(past: ConstructorParameters<typeof LoneServer>[0]): LoneServer {
  const server = new LoneServer(past);
  server.pass(150);
  return server.listen();
}

/** Leads term 1, and all hold its no-op. */
function established(past: ConstructorParameters<typeof LoneServer>[0] = {}): LoneServer {
  const server = new LoneServer(past).lead();
  for (const peer of server.state.peers) server.acknowledge(peer);
  return server.listen();
}

describe('[Raft fig. 2, State]', () => {
  test('currentTerm is initialized to 0 on first boot, votedFor to nobody, commitIndex to 0', () => {
    const { state, status } = new LoneServer();
    expect(status).toMatchObject({ reign: 0, commitIndex: 0, lastIndex: 0 });
    expect(state.votedFor).toBeUndefined();
  });

  test('currentTerm and votedFor are updated on stable storage before responding to RPCs', () => {
    const server = patient({});
    server.receive('b', voteRequest(3, [0, 0]));
    expect(server.said).toEqual([]);
    const [write] = server.unsynced;
    const hardState = write?.type === 'persist' ? write.hardState : undefined;
    expect(decodeHardState(hardState ?? new Uint8Array(0))).toEqual({ currentTerm: 3, votedFor: 'b' });
    server.sync();
    expect(server.said).toMatchObject([{ to: 'b', message: { granted: true } }]);
  });

  test('log[] is updated on stable storage before responding to RPCs', () => {
    const server = new LoneServer();
    server.receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1] }));
    expect(server.said).toEqual([]);
    expect(server.unsynced).toMatchObject([{ entries: [{ index: 1 }] }]);
  });

  test('the first index of the log is 1', () => {
    expect(new LoneServer().lead().status.lastIndex).toBe(1);
  });

  test('nextIndex is initialized to the leader’s last log index + 1', () => {
    const server = new LoneServer({ terms: [1, 1, 1] }).stand();
    server.listen().receive('b', { type: 'vote-reply', term: 2, granted: true });
    expect(server.heard('append').map(({ message }) => message.prevIndex)).toEqual([3, 3]);
  });

  test('matchIndex is initialized to 0 and increases monotonically', () => {
    const server = new LoneServer().lead();
    const matchIndex = (): unknown =>
      server.state.role.name === 'leader' && server.state.role.progress.get('b' as never)?.matchIndex;
    expect(matchIndex()).toBe(0);
    server.acknowledge('b');
    server.propose('x', 'y');
    for (const index of [3, 2, 1]) server.acknowledge('b', index);
    expect(matchIndex()).toBe(3);
  });
});

describe('[Raft fig. 2, AppendEntries RPC]', () => {
  test('1. reply false if term < currentTerm', () => {
    const server = new LoneServer({ term: 4, terms: [1] });
    server.receive('b', appendOf({ term: 3, prev: [1, 1], terms: [3] }));
    expect(server.said).toMatchObject([{ message: { type: 'append-rejected', term: 4 } }]);
    expect(server.terms).toEqual([1]);
    expect(server.status.leader).toBeUndefined();
  });

  test.each([
    [2, 1],
    [1, 2],
  ])('2. reply false if the log holds no entry at prevLogIndex %i with prevLogTerm %i', (index, term) => {
    const server = new LoneServer({ terms: [1] });
    server.receive('b', appendOf({ term: 3, prev: [index, term], terms: [3] }));
    server.sync();
    expect(server.said).toMatchObject([{ message: { type: 'append-rejected' } }]);
    expect(server.terms).toEqual([1]);
  });

  test('3. an existing entry that conflicts with a new one is deleted, and all that follow it', () => {
    const server = new LoneServer({ terms: [1, 1, 1] });
    server.receive('b', appendOf({ term: 2, prev: [1, 1], terms: [2] }));
    expect(server.terms).toEqual([1, 2]);
  });

  test('3. an existing entry that does not conflict is kept, and so is what follows it', () => {
    const server = new LoneServer({ terms: [1, 1, 1] });
    server.receive('b', appendOf({ term: 2, prev: [0, 0], terms: [1, 1] }));
    expect(server.terms).toEqual([1, 1, 1]);
    expect(server.unsynced).toMatchObject([{ entries: [] }]);
  });

  test('4. any new entries not already in the log are appended', () => {
    const server = new LoneServer({ terms: [1] });
    server.receive('b', appendOf({ term: 2, prev: [0, 0], terms: [1, 1, 2] }));
    expect(server.terms).toEqual([1, 1, 2]);
    expect(server.unsynced).toMatchObject([{ entries: [{ index: 2 }, { index: 3 }] }]);
  });

  test.each([
    { leaderCommit: 2, commitIndex: 2, why: 'leaderCommit' },
    { leaderCommit: 9, commitIndex: 3, why: 'the index of the last new entry' },
  ])('5. commitIndex becomes min(leaderCommit, index of last new entry): $why', (given) => {
    const server = new LoneServer({ terms: [1, 1, 1, 1] });
    server.receive('b', appendOf({ term: 2, prev: [1, 1], terms: [1, 1], commit: given.leaderCommit }));
    expect(server.status.commitIndex).toBe(given.commitIndex);
  });

  test('5. only if leaderCommit > commitIndex', () => {
    const server = new LoneServer({ terms: [1, 1, 1] });
    server.receive('b', appendOf({ term: 2, prev: [3, 1], commit: 3 }));
    server.receive('b', appendOf({ term: 2, prev: [3, 1], commit: 1 }));
    expect(server.status.commitIndex).toBe(3);
  });

  test('its result is currentTerm, for the leader to update itself', () => {
    const server = established();
    server.receive('b', { type: 'append-rejected', term: 6, prevIndex: 1, hintIndex: 1, hintTerm: 1 });
    expect(server.status).toMatchObject({ role: 'follower', reign: 6 });
  });
});

describe('[Raft fig. 2, RequestVote RPC]', () => {
  test('1. reply false if term < currentTerm', () => {
    const server = patient({ term: 4 });
    server.receive('b', voteRequest(3, [9, 2]));
    expect(server.said).toMatchObject([{ message: { term: 4, granted: false } }]);
  });

  test.each([
    { votedFor: undefined, granted: true },
    { votedFor: 'b', granted: true },
    { votedFor: 'c', granted: false },
  ])('2. with a vote for $votedFor in this term, b gets it: $granted', ({ votedFor, granted }) => {
    const server = patient({ term: 4, ...(votedFor === undefined ? {} : { votedFor }) });
    server.receive('b', voteRequest(4, [0, 0]));
    server.sync();
    expect(server.heard('vote-reply')).toMatchObject([{ message: { term: 4, granted } }]);
  });

  test('2. only if the candidate’s log is at least as up-to-date as the receiver’s', () => {
    for (const [last, granted] of [
      [[1, 2], false],
      [[2, 2], true],
    ] as const) {
      const server = patient({ terms: [1, 2] });
      server.receive('b', voteRequest(3, last));
      server.sync();
      expect(server.heard('vote-reply')).toMatchObject([{ message: { granted } }]);
    }
  });
});

describe('[Raft fig. 2, Rules for Servers, All]', () => {
  test('if commitIndex > lastApplied: apply log[lastApplied], each once and in order', () => {
    const server = new LoneServer({ terms: [1, 1, 1] });
    for (const commit of [1, 3, 3, 2]) server.receive('b', appendOf({ term: 2, prev: [3, 1], commit }));
    const applied = server.done('committed').flatMap(({ entries }) => entries.map(({ index }) => index));
    expect(applied).toEqual([1, 2, 3]);
  });

  test.each([
    { role: 'follower', server: () => new LoneServer() },
    { role: 'candidate', server: () => new LoneServer().stand() },
    { role: 'leader', server: () => established() },
  ])('a $role that sees a response with a higher term adopts it and follows', ({ server: make }) => {
    const server = make();
    server.receive('c', { type: 'vote-reply', term: 8, granted: false });
    expect(server.status).toMatchObject({ role: 'follower', reign: 8, leader: undefined });
    expect(server.state.votedFor).toBeUndefined();
  });

  test.each([
    { role: 'follower', server: () => new LoneServer() },
    { role: 'candidate', server: () => new LoneServer().stand() },
    { role: 'leader', server: () => established() },
  ])('a $role that sees a request with a higher term adopts it and follows', ({ server: make }) => {
    const server = make();
    server.receive('c', appendOf({ term: 8, prev: [0, 0] }));
    expect(server.status).toMatchObject({ role: 'follower', reign: 8, leader: 'c' });
  });
});

describe('[Raft fig. 2, Rules for Servers, Followers]', () => {
  test('respond to RPCs from candidates and leaders', () => {
    const server = patient({});
    server.receive('b', voteRequest(1, [0, 0]));
    server.receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1] }));
    server.sync();
    expect(server.said.map(({ message }) => message.type)).toEqual(['vote-reply', 'append-accepted']);
  });

  test('convert to candidate if the election timeout elapses without AppendEntries or a granted vote', () => {
    expect(new LoneServer().timeOut().status.role).toBe('candidate');
    const hearing = new LoneServer();
    const voting = new LoneServer();
    for (let term = 1; term < 20; term++) {
      hearing.pass(140);
      hearing.receive('b', appendOf({ term: 1, prev: [0, 0] }));
      voting.pass(150);
      voting.receive('b', voteRequest(term, [0, 0]));
      voting.sync();
    }
    expect(hearing.status.role).toBe('follower');
    expect(voting.heard('vote-reply').every(({ message }) => message.granted)).toBe(true);
  });
});

describe('[Raft fig. 2, Rules for Servers, Candidates]', () => {
  test('on conversion: increment currentTerm, vote for self, send RequestVote to all other servers', () => {
    const server = new LoneServer({ terms: [1, 2] }).stand();
    expect(server.status.reign).toBe(3);
    expect(server.state.votedFor).toBe('a');
    const message = { term: 3, lastIndex: 2, lastTerm: 2 };
    expect(server.heard('vote-request')).toMatchObject([
      { to: 'b', message },
      { to: 'c', message },
    ]);
  });

  test('on conversion: reset election timer', () => {
    const server = new LoneServer().timeOut();
    const dueMs = server.state.electionDueMs;
    server.nowMs += 5;
    server.receive('b', { type: 'pre-vote-reply', term: 1, granted: true });
    expect(server.state.electionDueMs).not.toBe(dueMs);
    expect(server.state.electionDueMs).toBeGreaterThanOrEqual(server.nowMs + 150);
  });

  test('if votes are received from a majority of servers: become leader', () => {
    const server = new LoneServer({ members: ['a', 'b', 'c', 'd', 'e'] }).stand();
    server.receive('b', { type: 'vote-reply', term: 1, granted: true });
    expect(server.status.role).toBe('candidate');
    server.receive('d', { type: 'vote-reply', term: 1, granted: true });
    expect(server.status.role).toBe('leader');
  });

  test('if AppendEntries is received from a new leader: convert to follower', () => {
    const server = new LoneServer().stand();
    server.receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1] }));
    expect(server.status).toMatchObject({ role: 'follower', leader: 'b' });
  });

  test('if the election timeout elapses: start a new election', () => {
    const server = new LoneServer().stand();
    server.stand();
    expect(server.status).toMatchObject({ role: 'candidate', reign: 2 });
  });
});

describe('[Raft fig. 2, Rules for Servers, Leaders]', () => {
  test('upon election: send initial heartbeats to each server; repeat during idle periods', () => {
    const server = new LoneServer().stand().listen();
    server.receive('b', { type: 'vote-reply', term: 1, granted: true });
    expect(server.heard('heartbeat').map(({ to }) => to)).toEqual(['b', 'c']);
    server.acknowledge('b');
    server.acknowledge('c');
    // Far less than the shortest election timeout lies between two of them.
    for (let beat = 0; beat < 3; beat++) {
      server.listen().pass(50);
      expect(server.heard('heartbeat')).toHaveLength(2);
    }
  });

  test('a command from a client is appended to the local log, and answered after it is committed', () => {
    const server = established();
    server.propose('x');
    expect(server.status.lastIndex).toBe(2);
    expect(server.done('committed')).toEqual([]);
    server.sync();
    server.acknowledge('b');
    expect(server.done('committed')).toMatchObject([{ entries: [{ index: 2 }] }]);
  });

  test('if last log index ≥ nextIndex: send AppendEntries with log entries starting at nextIndex', () => {
    const server = established();
    server.propose('x');
    server.propose('y');
    const toB = server.heard('append').filter(({ to }) => to === 'b');
    expect(toB).toMatchObject([
      { message: { prevIndex: 1, entries: [{ index: 2 }] } },
      { message: { prevIndex: 2, entries: [{ index: 3 }] } },
    ]);
  });

  test('if successful: update nextIndex and matchIndex for the follower', () => {
    const server = established();
    server.propose('x');
    server.acknowledge('b', 2);
    const { role } = server.state;
    expect(role.name === 'leader' && role.progress.get('b' as never)).toMatchObject({
      matchIndex: 2,
      nextIndex: 3,
    });
  });

  test('if it fails because of log inconsistency: decrement nextIndex and retry', () => {
    const server = new LoneServer({ terms: [1, 1, 2, 2] }).lead().listen();
    server.receive('b', { type: 'append-rejected', term: 3, prevIndex: 4, hintIndex: 3, hintTerm: 2 });
    server.receive('b', { type: 'append-rejected', term: 3, prevIndex: 3, hintIndex: 2, hintTerm: 1 });
    expect(server.heard('append').map(({ message }) => message.prevIndex)).toEqual([3, 2]);
  });

  test.each([
    { n: 2, term: 1, copies: 3, committed: false, why: 'its term is an older one' },
    { n: 3, term: 2, copies: 2, committed: false, why: 'no majority holds it' },
    { n: 3, term: 2, copies: 3, committed: true, why: 'a majority holds it in the current term' },
  ])('commitIndex becomes N = $n when $why: $committed', ({ n, copies, committed }) => {
    const server = new LoneServer({ terms: [1, 1], members: ['a', 'b', 'c', 'd', 'e'] }).lead();
    for (const peer of ['b', 'c'].slice(0, copies - 1)) server.acknowledge(peer, n);
    expect(server.status.commitIndex).toBe((committed ? n : 0) as LogIndex);
  });
});
