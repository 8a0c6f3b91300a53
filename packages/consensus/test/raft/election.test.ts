import { describe, expect, test } from 'vitest';
import { LoneServer } from './lone-server.ts';

const voteRequest = (term: number, last: readonly [index: number, term: number] = [0, 0]) =>
  ({ type: 'vote-request', term, lastIndex: last[0], lastTerm: last[1], gaveWay: 0 }) as const;

describe('terms', () => {
  test('[Raft §5.1] a server that hears of a higher term adopts it and follows', () => {
    const server = new LoneServer().lead();
    server.receive('b', { type: 'append-rejected', term: 9, prevIndex: 1, hintIndex: 0, hintTerm: 0 });
    expect(server.status).toMatchObject({ role: 'follower', reign: 9, leader: undefined });
  });

  test.each([
    [{ type: 'append', term: 2, prevIndex: 0, prevTerm: 0, commitIndex: 0, entries: [] }, 'append-rejected'],
    [{ type: 'heartbeat', term: 2, commitIndex: 0, round: 4, rests: false }, 'heartbeat-reply'],
    [voteRequest(2), 'vote-reply'],
  ] as const)(
    '[Raft §5.1] a request with a stale term is rejected, and told the newer: %o',
    (request, reply) => {
      const server = new LoneServer({ term: 3 });
      server.pass(160);
      server.receive('b', request);
      expect(server.said).toMatchObject([{ to: 'b', message: { type: reply, term: 3 } }]);
      expect(server.status).toMatchObject({ role: 'follower', reign: 3, leader: undefined });
      expect(server.said).not.toMatchObject([{ message: { granted: true } }]);
    },
  );

  test('[Raft §5.1] answers from an earlier term are ignored', () => {
    const server = new LoneServer({ term: 3 }).stand();
    server.receive('b', { type: 'vote-reply', term: 3, granted: true });
    expect(server.status).toMatchObject({ role: 'candidate', reign: 4 });
  });

  test('a stranger cannot raise the term', () => {
    const server = new LoneServer();
    server.receive('x', { type: 'heartbeat', term: 9, commitIndex: 0, round: 1, rests: false });
    expect(server.status.reign).toBe(0);
    expect(server.said).toEqual([]);
  });
});

describe('standing for election', () => {
  test('[Raft §5.2] a server starts as a follower and stays one while it hears a leader', () => {
    const server = new LoneServer();
    for (let beat = 1; beat < 20; beat++) {
      server.pass(100);
      server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 0, round: beat, rests: false });
    }
    expect(server.status).toMatchObject({ role: 'follower', leader: 'b', reign: 1 });
  });

  test('[Raft §5.2] election timeouts are drawn anew from the interval, each time', () => {
    const waits = Array.from({ length: 200 }, (_, seed) => {
      const server = new LoneServer({ options: { seed } });
      while (server.status.role === 'follower') server.pass(10);
      return server.nowMs - 1_000;
    });
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(150);
    expect(Math.max(...waits)).toBeLessThanOrEqual(310);
    expect(new Set(waits).size).toBeGreaterThan(12);
  });

  test('[RaftThesis §9.6] a server asks first whether it could win, and changes no term for that', () => {
    const server = new LoneServer({ terms: [1, 2] }).timeOut();
    expect(server.status).toMatchObject({ role: 'candidate', reign: 2 });
    expect(server.unsynced).toEqual([]);
    const message = { type: 'pre-vote-request', term: 3, lastIndex: 2, lastTerm: 2 };
    expect(server.said.slice(0, 2)).toMatchObject([
      { to: 'b', message },
      { to: 'c', message },
    ]);
  });

  test('[Raft §5.2] a candidate increments its term, votes for itself, and only then asks the others', () => {
    const server = new LoneServer({ terms: [1, 2] }).timeOut().listen();
    server.receive('c', { type: 'pre-vote-reply', term: 3, granted: true });
    expect(server.said).toEqual([]);
    expect(server.unsynced).toHaveLength(1);
    server.sync();
    const message = { type: 'vote-request', term: 3, lastIndex: 2, lastTerm: 2, gaveWay: 0 };
    expect(server.said).toMatchObject([
      { to: 'b', message },
      { to: 'c', message },
    ]);
    expect(server.state.votedFor).toBe('a');
  });

  test('[Raft §5.2] a candidate with the votes of a majority leads, and tells all others at once', () => {
    const server = new LoneServer({ members: ['a', 'b', 'c', 'd', 'e'] }).stand().listen();
    server.receive('b', { type: 'vote-reply', term: 1, granted: true });
    expect(server.status.role).toBe('candidate');
    server.receive('c', { type: 'vote-reply', term: 1, granted: true });
    expect(server.status).toMatchObject({ role: 'leader', leader: 'a', reign: 1 });
    expect(server.heard('heartbeat').map(({ to }) => to)).toEqual(['b', 'c', 'd', 'e']);
    expect(server.heard('append').map(({ to }) => to)).toEqual(['b', 'c', 'd', 'e']);
  });

  test('a vote that arrives twice counts once', () => {
    const server = new LoneServer({ members: ['a', 'b', 'c', 'd', 'e'] }).stand();
    for (let copy = 0; copy < 3; copy++) server.receive('b', { type: 'vote-reply', term: 1, granted: true });
    expect(server.status.role).toBe('candidate');
  });

  test('a pre-vote that arrives twice counts once, and so does one for another term', () => {
    const server = new LoneServer({ members: ['a', 'b', 'c', 'd', 'e'] }).timeOut();
    for (let copy = 0; copy < 3; copy++) {
      server.receive('b', { type: 'pre-vote-reply', term: 1, granted: true });
      server.receive('c', { type: 'pre-vote-reply', term: 2, granted: true });
    }
    expect(server.status.reign).toBe(0);
  });

  test('the own vote counts when it is durable, and not before', () => {
    const server = new LoneServer({ members: ['a'] });
    server.pass(10);
    expect(server.status).toMatchObject({ role: 'candidate', reign: 1 });
    server.sync();
    expect(server.status).toMatchObject({ role: 'leader', reign: 1 });
  });

  test('a denied vote is no vote', () => {
    const server = new LoneServer().stand();
    server.receive('b', { type: 'vote-reply', term: 1, granted: false });
    server.receive('c', { type: 'vote-reply', term: 1, granted: false });
    expect(server.status.role).toBe('candidate');
  });

  test('[Raft §5.2] a candidate that hears the leader of its term follows it', () => {
    const server = new LoneServer().stand();
    server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 0, round: 1, rests: false });
    expect(server.status).toMatchObject({ role: 'follower', leader: 'b', reign: 1 });
  });

  test('[Raft §5.2] a candidate that hears a leader of a smaller term goes on', () => {
    const server = new LoneServer({ term: 4 }).stand();
    server.receive('b', { type: 'heartbeat', term: 4, commitIndex: 0, round: 1, rests: false });
    expect(server.status).toMatchObject({ role: 'candidate', reign: 5 });
  });

  test('[Raft §5.2] a candidate that neither wins nor loses tries again after another timeout', () => {
    const server = new LoneServer().stand().listen();
    server.timeOut();
    expect(server.heard('pre-vote-request')[0]).toMatchObject({ message: { term: 2 } });
  });

  test('[Raft §5.1] a denied pre-vote tells the term that was missed, so that the next is asked for a real one', () => {
    const server = new LoneServer({ terms: [1] }).timeOut();
    server.receive('b', { type: 'pre-vote-reply', term: 5, granted: false });
    expect(server.status).toMatchObject({ role: 'follower', reign: 5 });
    server.listen().timeOut();
    expect(server.heard('pre-vote-request')[0]).toMatchObject({ message: { term: 6 } });
  });

  test('a request that got lost is repeated, to those who have not answered', () => {
    const server = new LoneServer({ term: 1 }).timeOut();
    server.receive('b', { type: 'pre-vote-reply', term: 1, granted: false });
    server.listen().pass(50);
    expect(server.said).toMatchObject([{ to: 'c', message: { type: 'pre-vote-request', term: 2 } }]);
  });

  test('a server whose disk does not answer leaves elections to others', () => {
    const server = new LoneServer().timeOut();
    server.receive('b', { type: 'pre-vote-reply', term: 1, granted: true });
    expect(server.unsynced).toHaveLength(1);
    server.pass(310);
    server.listen().pass(1_000);
    expect(server.said).toEqual([]);
    server.sync();
    server.timeOut();
    expect(server.heard('pre-vote-request')).not.toEqual([]);
  });
});

describe('voting', () => {
  test('[Raft §5.2] a server votes at most once per term, first come first served', () => {
    const server = new LoneServer();
    server.pass(160);
    server.receive('b', voteRequest(1));
    server.receive('c', voteRequest(1));
    server.receive('b', voteRequest(1));
    server.sync();
    expect(server.heard('vote-reply').map(({ to, message }) => [to, message.granted])).toEqual([
      ['b', true],
      ['c', false],
      ['b', true],
    ]);
  });

  test('[Raft fig. 2] a vote leaves only when it is durable', () => {
    const server = new LoneServer();
    server.pass(160);
    server.receive('b', voteRequest(1));
    expect(server.said).toEqual([]);
    server.receive('b', voteRequest(1));
    expect(server.said).toEqual([]);
    server.sync();
    expect(server.heard('vote-reply')).toHaveLength(2);
  });

  test('[Raft fig. 2] a vote is written, also when its term is durable already', () => {
    const server = new LoneServer({ terms: [1] });
    server.pass(160);
    server.receive('b', voteRequest(2, [0, 0]));
    server.sync();
    server.listen().receive('c', voteRequest(2, [1, 1]));
    expect(server.said).toEqual([]);
    expect(server.unsynced).toMatchObject([{ hardState: expect.any(Uint8Array) }]);
  });

  test('[Raft fig. 2] a vote survives a restart', () => {
    const server = new LoneServer({ term: 4, votedFor: 'b' });
    server.pass(160);
    server.receive('c', voteRequest(4));
    server.receive('b', voteRequest(4));
    expect(server.heard('vote-reply').map(({ to, message }) => [to, message.granted])).toEqual([
      ['c', false],
      ['b', true],
    ]);
  });

  test.each([
    { last: [2, 2], grants: true, why: 'the same log' },
    { last: [3, 2], grants: true, why: 'a longer log of the same term' },
    { last: [1, 2], grants: false, why: 'a shorter log of the same term' },
    { last: [1, 3], grants: true, why: 'a shorter log of a later term' },
    { last: [9, 1], grants: false, why: 'a longer log of an earlier term' },
  ] as const)('[Raft §5.4.1] a candidate with $why: $grants', ({ last, grants }) => {
    const server = new LoneServer({ terms: [1, 2] });
    server.pass(160);
    const [lastIndex, lastTerm] = last;
    server.receive('b', { type: 'pre-vote-request', term: 4, lastIndex, lastTerm });
    server.receive('c', voteRequest(4, last));
    server.sync();
    expect(server.said).toMatchObject([
      { to: 'b', message: { type: 'pre-vote-reply', term: grants ? 4 : 2, granted: grants } },
      { to: 'c', message: { type: 'vote-reply', term: 4, granted: grants } },
    ]);
  });

  test('[RaftThesis §9.6] a granted pre-vote changes neither term nor vote nor timer', () => {
    const server = new LoneServer();
    server.pass(160);
    const dueMs = server.state.electionDueMs;
    server.receive('b', { type: 'pre-vote-request', term: 1, lastIndex: 0, lastTerm: 0 });
    expect(server.heard('pre-vote-reply')).toMatchObject([{ message: { granted: true } }]);
    expect(server.status.reign).toBe(0);
    expect(server.unsynced).toEqual([]);
    expect(server.state.electionDueMs).toBe(dueMs);
  });

  test('[Raft §5.2] the timer starts anew with a granted vote, and not with a denied one', () => {
    const server = new LoneServer({ terms: [1] });
    server.pass(160);
    const dueMs = server.state.electionDueMs;
    server.receive('b', voteRequest(2, [0, 0]));
    expect(server.state.electionDueMs).toBe(dueMs);
    server.receive('c', voteRequest(2, [1, 1]));
    expect(server.state.electionDueMs).not.toBe(dueMs);
  });

  test('[RaftThesis §4.2.3] who has just heard a leader takes no part in an election, and keeps its term', () => {
    const server = new LoneServer();
    server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 0, round: 1, rests: false });
    server.sync();
    server.listen().pass(140);
    server.receive('c', { type: 'pre-vote-request', term: 5, lastIndex: 9, lastTerm: 4 });
    server.receive('c', voteRequest(5, [9, 4]));
    expect(server.said).toEqual([]);
    expect(server.status).toMatchObject({ leader: 'b', reign: 1 });
    server.pass(10);
    server.receive('c', voteRequest(5, [9, 4]));
    server.sync();
    expect(server.heard('vote-reply')).toMatchObject([{ to: 'c', message: { term: 5, granted: true } }]);
  });

  test('[RaftThesis §4.2.3] a leader does not let a candidate depose it', () => {
    const server = new LoneServer().lead().listen();
    server.receive('c', voteRequest(5, [9, 4]));
    expect(server.status).toMatchObject({ role: 'leader', reign: 1 });
    expect(server.said).toEqual([]);
  });

  test('a server that has just started may have heard a leader before', () => {
    const server = new LoneServer({ term: 2 });
    server.receive('c', voteRequest(5, [9, 4]));
    expect(server.status.reign).toBe(2);
  });
});

describe('a hint that the leader is down', () => {
  const following = (leader: string, members: readonly string[]): LoneServer => {
    const server = new LoneServer({ members });
    server.receive(leader, { type: 'heartbeat', term: 1, commitIndex: 0, round: 1, rests: false });
    server.sync();
    return server.listen();
  };

  test('lets the first of the others stand at once', () => {
    const server = following('c', ['a', 'b', 'c']);
    server.step({ type: 'peer-down', peer: 'c' as never });
    expect(server.status).toMatchObject({ role: 'candidate', leader: undefined, reign: 1 });
    expect(server.heard('pre-vote-request')).toHaveLength(2);
  });

  test('lets the next wait for its rank, and vote for the first', () => {
    const server = following('d', ['_', '0', 'a', 'd', 'e']);
    server.step({ type: 'peer-down', peer: 'd' as never });
    expect(server.status).toMatchObject({ role: 'follower', leader: undefined });
    server.receive('_', { type: 'pre-vote-request', term: 2, lastIndex: 0, lastTerm: 0 });
    expect(server.heard('pre-vote-reply')).toMatchObject([{ message: { granted: true } }]);
    server.listen().pass(10);
    expect(server.said).toEqual([]);
    server.pass(10);
    expect(server.heard('pre-vote-request')).toHaveLength(4);
  });

  test('hastens the election also when word of the lead comes after it', () => {
    const server = new LoneServer({ members: ['a', 'b', 'c'] });
    server.step({ type: 'peer-down', peer: 'c' as never });
    server.receive('c', { type: 'heartbeat', term: 1, commitIndex: 0, round: 1, rests: false });
    expect(server.status).toMatchObject({ role: 'follower', leader: undefined, reign: 1 });
    server.listen().pass(10);
    expect(server.heard('pre-vote-request')).toHaveLength(2);
  });

  test('changes nothing when it is about somebody else', () => {
    const server = following('c', ['a', 'b', 'c']);
    server.step({ type: 'peer-down', peer: 'b' as never });
    expect(server.status).toMatchObject({ role: 'follower', leader: 'c' });
    expect(server.said).toEqual([]);
  });
});
