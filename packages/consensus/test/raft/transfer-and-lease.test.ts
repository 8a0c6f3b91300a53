/** A leader that gives way, and one that answers reads by itself while nobody else can lead. */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import type { LogIndex } from '../../src/protocol.ts';
import { leaseIsRunning } from '../../src/raft/leader-lease.ts';
import { isReleased } from '../../src/raft/leadership-transfer.ts';
import type { Term } from '../../src/raft/log.ts';
import { appendOf, LoneServer } from './lone-server.ts';

const leaseMs = 100;

function leader(): LoneServer {
  const server = new LoneServer({ options: { leaseMs } }).lead();
  server.acknowledge('b');
  return server.listen();
}

function answerRound(server: LoneServer, peer: string): void {
  const [last] = server.heard('heartbeat').slice(-1);
  server.receive(peer, {
    type: 'heartbeat-reply',
    term: server.status.reign,
    round: last?.message.round ?? 0,
  });
}

const transfer = (server: LoneServer, to: string): void =>
  server.step({ type: 'transfer', to: to as NodeId });
const leaseRead = (server: LoneServer, read: number): void =>
  server.step({ type: 'read', read, mayUseLease: true });

/** A leader whose newest round was sent just now and is answered. */
function leaseHolder(): LoneServer {
  const server = leader();
  server.pass(50);
  answerRound(server, 'b');
  return server.listen();
}

describe('[RaftThesis §3.10] the leader', () => {
  test('tells the target to stand once the log of that is as long as its own', () => {
    const server = leader();
    transfer(server, 'c');
    expect(server.heard('timeout-now')).toEqual([]);
    server.acknowledge('c');
    expect(server.heard('timeout-now')).toEqual([
      { type: 'send', to: 'c', message: { type: 'timeout-now', term: 1 } },
    ]);
  });

  test('takes no proposals meanwhile, and says why', () => {
    const server = leader();
    transfer(server, 'c');
    server.propose('x');
    expect(server.done('refused')).toEqual([{ type: 'refused', reason: 'handing-over' }]);
  });

  test('says it again when nothing comes of it, and keeps the lead after an election timeout', () => {
    const server = leader();
    server.acknowledge('c');
    transfer(server, 'c');
    server.pass(60);
    expect(server.heard('timeout-now').length).toBe(2);
    for (let at = 0; at < 10; at++) {
      server.pass(10);
      answerRound(server, 'b');
    }
    expect(server.done('transfer-failed')).toEqual([{ type: 'transfer-failed', to: 'c' }]);
    server.listen().propose('x');
    expect(server.done('accepted')).toHaveLength(1);
  });

  test.each(['a', 'x'])('cannot hand over to %s', (to) => {
    const server = leader();
    transfer(server, to);
    expect(server.done('transfer-failed')).toEqual([{ type: 'transfer-failed', to }]);
  });

  test('follows whoever was elected in its place', () => {
    const server = leader();
    server.acknowledge('c');
    transfer(server, 'c');
    server.receive('c', { type: 'vote-request', term: 2, lastIndex: 1, lastTerm: 1, gaveWay: 1 });
    server.sync();
    expect(server.status.role).toBe('follower');
    expect(server.heard('vote-reply').at(-1)?.message).toMatchObject({ term: 2, granted: true });
  });
});

describe('[RaftThesis §3.10] the target', () => {
  const follower = (): LoneServer => {
    const server = new LoneServer({ terms: [1] });
    server.receive('b', appendOf({ term: 1, prev: [1, 1], terms: [] }));
    server.sync();
    return server.listen();
  };

  test('stands at once, without pre-votes, and says who gave way', () => {
    const server = follower();
    server.receive('b', { type: 'timeout-now', term: 1 });
    server.sync();
    expect(server.heard('pre-vote-request')).toEqual([]);
    expect(server.heard('vote-request').map(({ message }) => message)).toEqual([
      { type: 'vote-request', term: 2, lastIndex: 1, lastTerm: 1, gaveWay: 1 },
      { type: 'vote-request', term: 2, lastIndex: 1, lastTerm: 1, gaveWay: 1 },
    ]);
  });

  test.each([
    ['c', 1],
    ['b', 2],
  ])('does nothing at the word of %s in term %i, who does not lead it', (from, term) => {
    const server = follower();
    server.receive(from, { type: 'timeout-now', term });
    server.sync();
    expect(server.heard('vote-request')).toEqual([]);
  });

  test.each([
    { loyalToTerm: 3, gaveWay: 3, released: true },
    { loyalToTerm: 3, gaveWay: 4, released: true },
    { loyalToTerm: 3, gaveWay: 2, released: false },
    { loyalToTerm: 3, gaveWay: 0, released: false },
    { loyalToTerm: 0, gaveWay: 0, released: false },
  ])('who is loyal to term $loyalToTerm, when $gaveWay gave way, is free: $released', (given) => {
    const voter = { loyalToTerm: given.loyalToTerm as Term };
    expect(isReleased(voter, given.gaveWay as Term)).toBe(given.released);
  });

  test('a loyal follower votes for it, and not for another who claims no such thing', () => {
    for (const gaveWay of [0, 1]) {
      const server = follower();
      server.receive('c', { type: 'vote-request', term: 2, lastIndex: 1, lastTerm: 1, gaveWay });
      server.sync();
      expect(server.heard('vote-reply').length).toBe(gaveWay);
    }
  });
});

describe('[RaftThesis §6.4.1] the loyalty that a lease counts on', () => {
  /** A follower that has just heard the leader of term 1, and told it so. */
  const loyalFollower = (): LoneServer => {
    const server = new LoneServer({ terms: [1] });
    server.pass(200);
    server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 1, round: 1, rests: false });
    return server.listen();
  };
  const standIn = (server: LoneServer, candidate: string, term: number, gaveWay = 0): void => {
    server.receive(candidate, { type: 'vote-request', term, lastIndex: 9, lastTerm: 1, gaveWay });
    server.sync();
  };

  test('does not end when a late reply tells of the term of a candidate', () => {
    const server = loyalFollower();
    server.receive('c', { type: 'pre-vote-reply', term: 2, granted: false });
    server.sync();
    expect(server.status.reign).toBe(2);
    standIn(server, 'c', 2);
    expect(server.heard('vote-reply')).toEqual([]);
    server.pass(150);
    standIn(server, 'c', 2);
    expect(server.heard('vote-reply')).toMatchObject([{ to: 'c', message: { granted: true } }]);
  });

  test('ends with the leader that gave way, also in the term of its successor', () => {
    const server = loyalFollower();
    server.receive('c', { type: 'pre-vote-reply', term: 2, granted: false });
    server.sync();
    standIn(server, 'c', 2, 1);
    expect(server.heard('vote-reply')).toMatchObject([{ to: 'c', message: { granted: true } }]);
  });

  test('is owed to the leader heard last: that an earlier one gave way does not end it', () => {
    const server = loyalFollower();
    server.receive('b', { type: 'heartbeat', term: 3, commitIndex: 1, round: 1, rests: false });
    server.sync();
    server.listen();
    for (const [gaveWay, votes] of [
      [2, 0],
      [3, 1],
    ] as const) {
      standIn(server, 'c', 4, gaveWay);
      expect(server.heard('vote-reply')).toHaveLength(votes);
    }
  });

  test('lasts over a restart, from the start on', () => {
    const server = new LoneServer({ terms: [1] });
    server.pass(140);
    standIn(server, 'c', 2);
    expect(server.heard('vote-reply')).toEqual([]);
    server.pass(10);
    standIn(server, 'c', 2);
    expect(server.heard('vote-reply')).toHaveLength(1);
  });

  test('binds the vote for oneself as well: no candidacy before the timeout', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const server = new LoneServer({ terms: [1], options: { seed } });
      server.pass(140);
      expect(server.status.role).toBe('follower');
    }
  });

  test('ends with the word that the thread of that leader has ended, and of no other', () => {
    for (const [peer, votes] of [
      ['c', 0],
      ['b', 1],
    ] as const) {
      const server = loyalFollower();
      server.step({ type: 'peer-down', peer: peer as NodeId });
      standIn(server, 'c', 2);
      expect(server.heard('vote-reply')).toHaveLength(votes);
    }
  });

  test('does not keep a vote from being told again', () => {
    const server = new LoneServer({ terms: [1] });
    server.pass(160);
    standIn(server, 'c', 2);
    server.receive('c', { type: 'heartbeat', term: 2, commitIndex: 1, round: 1, rests: false });
    server.listen();
    standIn(server, 'c', 2);
    expect(server.heard('vote-reply')).toMatchObject([{ message: { granted: true } }]);
  });
});

describe('[RaftThesis §6.4.1] a lease', () => {
  test('lets the leader answer at once, without a round', () => {
    const server = leaseHolder();
    leaseRead(server, 1);
    expect(server.done('read-ready')).toEqual([{ type: 'read-ready', read: 1, index: 1 as LogIndex }]);
    expect(server.heard('heartbeat')).toEqual([]);
  });

  test('is not used by a read that asks for a quorum', () => {
    const server = leaseHolder();
    server.step({ type: 'read', read: 1 });
    expect(server.done('read-ready')).toEqual([]);
  });

  test('runs from when the round was sent, however late the answer came', () => {
    const server = leader();
    server.pass(50);
    const [round] = server.heard('heartbeat').slice(-1);
    server.pass(90);
    server.receive('b', { type: 'heartbeat-reply', term: 1, round: round?.message.round ?? 0 });
    server.listen();
    leaseRead(server, 1);
    expect(server.done('read-ready')).toHaveLength(1);
    server.nowMs += 10;
    leaseRead(server, 2);
    expect(server.done('read-ready')).toHaveLength(1);
  });

  test.each([
    [99, true],
    [100, false],
    [Number.POSITIVE_INFINITY, false],
  ])('after %i ms of 100: %s', (elapsedMs, running) => {
    expect(leaseIsRunning({ confirmedSentMs: 0, leaseMs, nowMs: elapsedMs })).toBe(running);
  });

  test('waits for an entry of the own term to be committed, like every read', () => {
    const server = new LoneServer({ terms: [1, 1], options: { leaseMs } }).lead();
    server.pass(50);
    answerRound(server, 'b');
    leaseRead(server.listen(), 1);
    expect(server.done('read-ready')).toEqual([]);
  });

  test('ends before the target is told to stand, and does not come back in that term', () => {
    const server = leaseHolder();
    server.acknowledge('c');
    transfer(server, 'c');
    server.listen();
    leaseRead(server, 1);
    expect(server.done('read-ready')).toEqual([]);
    for (let at = 0; at < 20; at++) {
      server.pass(10);
      answerRound(server, 'b');
    }
    expect(server.done('transfer-failed')).toHaveLength(1);
    server.listen();
    leaseRead(server, 2);
    expect(server.done('read-ready')).toEqual([]);
  });

  test('ends with the epoch', () => {
    const server = leaseHolder();
    server.step({ type: 'seal' });
    leaseRead(server, 1);
    expect(server.done('read-ready')).toEqual([]);
  });
});
