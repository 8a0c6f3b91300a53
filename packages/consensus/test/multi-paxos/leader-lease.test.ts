/** The leader's lease: what gives it, what ends it, and the loyalty of acceptors that it stands on. [PaxosLive §5.2] */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import type { Ballot } from '../../src/multi-paxos/ballot.ts';
import { roundOf } from '../../src/multi-paxos/ballot.ts';
import { leaseIsRunning } from '../../src/multi-paxos/leader-lease.ts';
import { leaderGaveWay } from '../../src/multi-paxos/stability.ts';
import type { ProtocolOptions } from '../../src/protocol.ts';
import { accept, accepted, ballot, entry, heartbeat, Member, prepare, slot } from './member.ts';

const members3 = ['a', 'b', 'c'];
const members5 = ['a', 'b', 'c', 'd', 'e'];

function leaderOf(members = members3, options: Partial<ProtocolOptions> = {}): Member {
  const member = new Member('b', members, { leaseMs: 100, ...options });
  member.leads();
  member.sync();
  return member;
}

let reads = 0;

/** Whether a read that is content with a lease was answered at once. */
function readsByLease(member: Member, mayUseLease = true): boolean {
  const effects = member.step({ type: 'read', read: ++reads, mayUseLease });
  return effects.some(({ type }) => type === 'read-ready');
}

function answers(member: Member, from: string, round: number): void {
  const { reign, commitIndex } = member.status;
  member.receive(from, { type: 'heartbeat-reply', ballot: reign, round, chosenUpTo: commitIndex });
}

/** The number of the newest round that left. */
function newestRound(member: Member): number {
  return Math.max(...member.take('heartbeat').map(({ round }) => round));
}

describe('a lease', () => {
  test('counts from the sending of the round that was confirmed, not from its answer', () => {
    const member = leaderOf();
    const sentMs = member.nowMs;
    const round = newestRound(member);
    expect(readsByLease(member)).toBe(false);
    member.nowMs = sentMs + 60;
    answers(member, 'a', round);
    expect(readsByLease(member)).toBe(true);
    member.nowMs = sentMs + 99;
    expect(readsByLease(member)).toBe(true);
    member.nowMs = sentMs + 100;
    expect(readsByLease(member)).toBe(false);
  });

  test.each([
    { confirmedSentMs: 900, running: true },
    { confirmedSentMs: 901, running: true },
    { confirmedSentMs: 899, running: true },
    { confirmedSentMs: 800, running: false },
    { confirmedSentMs: Number.NEGATIVE_INFINITY, running: false },
  ])('of a round sent at $confirmedSentMs runs at 990: $running', ({ confirmedSentMs, running }) => {
    expect(leaseIsRunning({ confirmedSentMs, leaseMs: 100, nowMs: 990 })).toBe(running);
  });

  test('is for those who asked to be content with it', () => {
    const member = leaderOf();
    answers(member, 'a', newestRound(member));
    expect(readsByLease(member, false)).toBe(false);
    expect(readsByLease(member, true)).toBe(true);
  });

  test('there is none unless the options give its length', () => {
    const member = leaderOf(members3, { leaseMs: 0 });
    answers(member, 'a', newestRound(member));
    expect(readsByLease(member)).toBe(false);
  });

  test('an old round that is confirmed late renews nothing that a newer one has', () => {
    const member = leaderOf(members5);
    const first = newestRound(member);
    const firstSentMs = member.nowMs;
    member.pass(50);
    const second = newestRound(member);
    expect(second).toBeGreaterThan(first);
    // One answers the old round, one the new: together they confirm the old one.
    answers(member, 'a', first);
    answers(member, 'c', second);
    member.nowMs = firstSentMs + 99;
    expect(readsByLease(member)).toBe(true);
    member.nowMs = firstSentMs + 100;
    expect(readsByLease(member)).toBe(false);
    answers(member, 'd', second);
    expect(readsByLease(member)).toBe(true);
    member.nowMs = firstSentMs + 150;
    expect(readsByLease(member)).toBe(false);
  });

  test.each([
    { acceptQuorum: 2, needed: ['a'] },
    { acceptQuorum: 3, needed: ['a', 'c'] },
    { acceptQuorum: 4, needed: ['a', 'c', 'd'] },
  ])(
    '[FlexiblePaxos §2] takes a set that meets every phase-1 quorum: of five, $acceptQuorum with the leader',
    ({ acceptQuorum, needed }) => {
      const member = new Member('b', members5, { leaseMs: 100, acceptQuorum });
      member.pass(310);
      for (const { to, canvass } of member.take('canvass')) {
        member.receive(to, { type: 'canvass-reply', canvass, granted: true, promised: 0 as Ballot });
      }
      member.sync();
      for (const { to, ballot, fromSlot } of member.take('prepare')) {
        member.receive(to, {
          type: 'promise',
          ballot,
          fromSlot,
          nextPage: undefined,
          chosenUpTo: slot(0),
          accepted: [],
        });
      }
      const round = newestRound(member);
      const last = needed.at(-1) ?? '';
      for (const peer of needed.slice(0, -1)) answers(member, peer, round);
      for (const peer of needed.slice(0, -1)) answers(member, peer, round);
      expect(readsByLease(member)).toBe(false);
      answers(member, last, round);
      expect(readsByLease(member)).toBe(true);
    },
  );

  test('does not show a new leader what phase 1 found and is not chosen again yet', () => {
    const old = ballot(1, 0);
    const member = new Member('b', members3, { leaseMs: 100 });
    const mine = member.leads({ a: [entry(1, old, 'x')] });
    answers(member, 'a', newestRound(member));
    expect(readsByLease(member)).toBe(false);
    member.sync();
    member.receive('a', accepted(mine, 1));
    expect(member.chosen).toEqual(['x']);
    expect(readsByLease(member)).toBe(true);
  });

  test('sees all that this leader knows to be chosen', () => {
    const member = leaderOf();
    answers(member, 'a', newestRound(member));
    member.propose('x');
    member.sync();
    member.receive('a', accepted(member.status.reign, 1));
    expect(member.step({ type: 'read', read: 0, mayUseLease: true })).toContainEqual({
      type: 'read-ready',
      read: 0,
      index: 1,
    });
  });

  test('ends with the seal, and does not come back in this epoch', () => {
    const member = leaderOf();
    answers(member, 'a', newestRound(member));
    expect(readsByLease(member)).toBe(true);
    member.step({ type: 'seal' });
    expect(readsByLease(member)).toBe(false);
    answers(member, 'a', newestRound(member));
    expect(readsByLease(member)).toBe(false);
    const above = ballot(roundOf(member.status.reign) + 1, 2);
    member.receive('c', heartbeat(above));
    member.sync();
    member.leads({}, above);
    expect(member.status.role).toBe('leader');
    answers(member, 'a', newestRound(member));
    expect(readsByLease(member)).toBe(false);
  });

  test('ends before a hand-over is sent, and does not come back when that fails', () => {
    const member = leaderOf();
    const round = newestRound(member);
    for (const peer of ['a', 'c']) answers(member, peer, round);
    member.propose('x');
    member.step({ type: 'transfer', to: 'a' as NodeId });
    // Nothing has been handed over yet: x is not chosen.
    expect(readsByLease(member)).toBe(true);
    expect(member.take('hand-over')).toEqual([]);
    member.sync();
    member.receive('a', accepted(member.status.reign, 1));
    answers(member, 'a', newestRound(member));
    expect(member.take('hand-over')).toMatchObject([{ to: 'a', ballot: member.status.reign }]);
    expect(readsByLease(member)).toBe(false);
    for (let at = 0; at < 20; at++) {
      member.pass(10);
      const round = newestRound(member);
      if (Number.isFinite(round)) for (const peer of ['a', 'c']) answers(member, peer, round);
    }
    expect(member.propose('y')).toContainEqual(expect.objectContaining({ type: 'accepted' }));
    expect(readsByLease(member)).toBe(false);
  });

  test('ends when its leader stops leading', () => {
    const member = leaderOf();
    answers(member, 'a', newestRound(member));
    member.receive('c', heartbeat(ballot(roundOf(member.status.reign) + 1, 2)));
    expect(member.step({ type: 'read', read: 0, mayUseLease: true })).toEqual([
      { type: 'read-refused', read: 0 },
    ]);
  });
});

describe('the loyalty of an acceptor', () => {
  const low = ballot(5, 0);
  const high = ballot(7, 2);

  function promises(member: Member, prepares = prepare(high)): boolean {
    member.receive('c', prepares);
    member.sync();
    return member.take('promise').length > 0;
  }

  test.each([
    { heard: 'a heartbeat', message: heartbeat(low) },
    { heard: 'an accept', message: accept(low, [entry(1, low, 'x')]) },
  ])('lasts a shortest election timeout from $heard on, towards prepares too', ({ message }) => {
    const member = new Member();
    member.receive('a', message);
    member.sync();
    member.nowMs += 149;
    expect(promises(member)).toBe(false);
    member.nowMs += 1;
    expect(promises(member)).toBe(true);
  });

  test('outlives the memory of a restarted node, and even what was not durable', () => {
    const member = new Member();
    member.receive('a', heartbeat(low));
    expect(member.take('heartbeat-reply')).toHaveLength(1);
    member.restart();
    expect(member.view.promisedReign).toBe(0);
    member.nowMs += 149;
    expect(promises(member)).toBe(false);
    member.nowMs += 1;
    expect(promises(member)).toBe(true);
  });

  test('is not got round by a promise that came with a snapshot', () => {
    const member = new Member('b', members5);
    member.receive('a', heartbeat(low));
    member.step({
      type: 'snapshot-received',
      leads: true,
      from: 'd' as NodeId,
      reign: high,
      last: { index: slot(3), reign: low },
    });
    expect(member.view.promisedReign).toBe(high);
    expect(promises(member, prepare(high, 4))).toBe(false);
    member.nowMs += 150;
    expect(promises(member, prepare(high, 4))).toBe(true);
  });

  test('does not keep a proposer from the next pages of a promise that it was given', () => {
    const member = new Member('b', members3, { appendBytesMax: 20 });
    member.receive(
      'a',
      accept(
        low,
        [1, 2].map((index) => entry(index, low, `v${index}`)),
      ),
    );
    member.sync();
    member.receive('c', prepare(high, 1, low));
    member.sync();
    expect(member.take('promise')).toMatchObject([{ nextPage: 2 }]);
    expect(promises(member, prepare(high, 2, low))).toBe(true);
  });

  test('ends at once when the thread of its leader has ended, and for no other', () => {
    const member = new Member();
    member.receive('a', heartbeat(low));
    member.step({ type: 'peer-down', peer: 'c' as NodeId });
    expect(promises(member)).toBe(false);
    member.step({ type: 'peer-down', peer: 'a' as NodeId });
    expect(promises(member)).toBe(true);
  });

  test.each([
    { story: 'the leader it follows gave way', leader: 'a', promised: low, gaveWay: low, free: true },
    { story: 'another ballot gave way', leader: 'a', promised: high, gaveWay: low, free: false },
    { story: 'nobody gave way', leader: 'a', promised: low, gaveWay: 0, free: false },
    { story: 'it does not know whom it heard', leader: undefined, promised: low, gaveWay: low, free: false },
  ])('ends when $story: $free', ({ leader, promised, gaveWay, free }) => {
    expect(leaderGaveWay({ leader: leader as NodeId, promised, gaveWay: gaveWay as Ballot })).toBe(free);
  });

  test('of a restarted node is not ended by a leave of before', () => {
    const member = new Member();
    member.receive('a', heartbeat(low));
    member.sync();
    member.restart();
    expect(member.view.promisedReign).toBe(low);
    expect(promises(member, prepare(high, 1, low))).toBe(false);
  });
});

describe('a leader that is a quorum by itself', () => {
  test('has its lease with each round, and keeps no account of rounds that nobody will answer', () => {
    const member = new Member('b', ['b'], { leaseMs: 100 });
    while (member.status.role !== 'leader' && member.nowMs < 2_000) {
      member.pass(10);
      member.sync();
    }
    expect(member.status.role).toBe('leader');
    for (let read = 0; read < 1_000; read++) expect(readsByLease(member, false)).toBe(true);
    const { proposer } = member.inside;
    expect(proposer.phase === 'leading' ? proposer.lease.openRounds : 'does not lead').toEqual([]);
    expect(readsByLease(member)).toBe(true);
  });
});
