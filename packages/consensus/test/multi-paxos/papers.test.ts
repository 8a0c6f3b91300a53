/** The sentences of the papers, each as a test of one member. */
import { describe, expect, test } from 'vitest';
import { noSlot, roundOf } from '../../src/multi-paxos/ballot.ts';
import { decodeHardState } from '../../src/multi-paxos/hard-state.ts';
import {
  accept,
  accepted,
  ballot,
  entry,
  heartbeat,
  Member,
  prepare,
  promise,
  slot,
  textOf,
} from './member.ts';

const low = ballot(5, 0);
const high = ballot(7, 2);

describe('the acceptor', () => {
  test('[PaxosSimple §2.2] answers a prepare with a promise and the highest-numbered proposal it has accepted', () => {
    const member = new Member();
    member.receive('a', accept(ballot(1, 0), [entry(1, ballot(1, 0), 'x')]));
    member.pass(200);
    member.receive('a', accept(ballot(2, 0), [entry(1, ballot(2, 0), 'y')]));
    member.pass(200);
    member.receive('c', prepare(high));
    member.sync();
    const [answer] = member.take('promise');
    expect(answer).toMatchObject({ to: 'c', ballot: high });
    expect(answer?.accepted.map((value) => [value.index, value.reign, textOf(value)])).toEqual([
      [1, ballot(2, 0), 'y'],
    ]);
  });

  test('[PaxosSimple §2.2] promises not to accept proposals numbered less than the one it promised', () => {
    const member = new Member();
    member.receive('c', prepare(high));
    member.sync();
    member.receive('a', accept(low, [entry(1, low, 'x')]));
    member.sync();
    expect(member.take('accepted')).toEqual([]);
    expect(member.take('nack')).toEqual([{ to: 'a', type: 'nack', ballot: low, promised: high }]);
    expect(member.view.entriesAbove(noSlot)).toEqual([]);
  });

  test('[PaxosSimple §2.2, P1a] accepts a proposal that it never saw prepared, if it has promised nothing higher', () => {
    const member = new Member();
    member.receive('a', accept(low, [entry(1, low, 'x')]));
    member.sync();
    expect(member.take('accepted')).toEqual([{ to: 'a', type: 'accepted', ballot: low, first: 1, last: 1 }]);
  });

  test('[PaxosSimple §2.2] refuses a prepare below its promise', () => {
    const member = new Member();
    member.receive('c', prepare(high));
    member.sync();
    member.take('promise');
    member.receive('a', prepare(low));
    member.sync();
    expect(member.take('promise')).toEqual([]);
    expect(member.take('nack')).toMatchObject([{ ballot: low, promised: high }]);
  });

  test('[PaxosSimple §2.2] may ignore any request without harm: with a leader alive it promises another nothing', () => {
    const member = new Member();
    member.receive('a', heartbeat(low));
    member.sync();
    member.receive('c', prepare(high));
    member.sync();
    expect(member.take('promise')).toEqual([]);
    expect(member.view.promisedReign).toBe(low);
    member.pass(160);
    member.receive('c', prepare(high));
    member.sync();
    expect(member.take('promise')).toMatchObject([{ to: 'c', ballot: high }]);
  });

  test('[PaxosSimple §2.5] records its response in stable storage before it sends it', () => {
    const member = new Member();
    member.receive('c', prepare(ballot(5, 2)));
    expect(member.take('promise')).toEqual([]);
    member.sync();
    expect(member.take('promise')).toHaveLength(1);
    member.receive('c', accept(ballot(5, 2), [entry(1, ballot(5, 2), 'x')]));
    expect(member.take('accepted')).toEqual([]);
    member.sync();
    expect(member.take('accepted')).toHaveLength(1);
    expect(member.store.entries.get(1)?.reign).toBe(ballot(5, 2));
  });

  test('[PaxosSimple §2.2] remembers its promise and what it accepted even if it fails and then restarts', () => {
    const member = new Member();
    member.receive('a', accept(low, [entry(1, low, 'x')]));
    member.sync();
    member.pass(400);
    member.receive('c', prepare(high));
    member.sync();
    member.restart();
    expect(member.view.promisedReign).toBe(high);
    expect(member.view.entriesAbove(noSlot).map(textOf)).toEqual(['x']);
    member.receive('a', accept(low, [entry(2, low, 'y')]));
    expect(member.take('nack')).toMatchObject([{ promised: high }]);
  });

  test('[Lampson] an acceptance binds like a promise of its ballot, over a restart too', () => {
    const member = new Member();
    member.receive('c', accept(high, [entry(1, high, 'x')]));
    expect(member.view.promisedReign).toBe(high);
    member.sync();
    member.restart();
    expect(member.view.promisedReign).toBe(high);
    member.receive('a', prepare(low));
    member.receive('a', accept(low, [entry(1, low, 'y')]));
    member.sync();
    expect(member.take('promise')).toEqual([]);
    expect(member.take('accepted')).toEqual([]);
    expect(member.view.entriesAbove(noSlot).map(textOf)).toEqual(['x']);
  });

  test('a promise that needs several messages reports everything, page by page', () => {
    const member = new Member('b', ['a', 'b', 'c'], { appendBytesMax: 40 });
    const values = [1, 2, 5, 6, 9].map((index) => entry(index, low, `v${index}`));
    for (const value of values) member.receive('a', accept(low, [value]));
    member.pass(400);
    member.forgetSent();
    const report: number[] = [];
    for (let from = 1; ; ) {
      member.receive('c', prepare(high, from));
      member.sync();
      const [page] = member.take('promise');
      report.push(...(page?.accepted ?? []).map(({ index }) => index));
      if (page?.nextPage === undefined) break;
      from = page.nextPage;
    }
    expect(report).toEqual([1, 2, 5, 6, 9]);
  });

  test('what is durable already is said at once', () => {
    const member = new Member();
    member.receive('c', prepare(high));
    member.sync();
    expect(member.take('promise')).toHaveLength(1);
    member.receive('c', prepare(high));
    expect(member.take('promise')).toHaveLength(1);
    expect(member.store.unsyncedCount).toBe(0);
  });

  test('a ballot is used by its owner only: from anyone else it is not heard', () => {
    const member = new Member();
    expect(member.receive('c', prepare(low))).toEqual([]);
    expect(member.receive('c', accept(low, [entry(1, low, 'x')]))).toEqual([]);
    expect(member.receive('c', heartbeat(low))).toEqual([]);
    expect(member.receive('stranger', heartbeat(low))).toEqual([]);
  });
});

describe('the proposer', () => {
  test('[PaxosSimple §2.2] may abandon a proposal in the middle of the protocol, and never makes it anew', () => {
    const member = new Member();
    const first = member.prepares();
    member.receive('a', { type: 'nack', ballot: first, promised: ballot(roundOf(first) + 1, 0) });
    member.receive('c', promise(first));
    expect(member.status.role).toBe('follower');
    expect(member.take('accept')).toEqual([]);
    expect(member.prepares()).toBeGreaterThan(first);
  });

  test('[PaxosSimple §3] knowing 1-134, 138 and 139, asks about the rest, adopts 135 and 140, and fills 136 and 137', () => {
    const member = new Member();
    const b1 = ballot(1, 0);
    const known = Array.from({ length: 134 }, (_, at) => entry(at + 1, b1, `c${at + 1}`));
    member.receive('a', accept(b1, known, 134));
    member.receive('a', accept(b1, [entry(138, b1, 'c138'), entry(139, b1, 'c139')], 134));
    member.sync();
    member.pass(310);
    for (const { to, canvass } of member.take('canvass')) {
      member.receive(to, { type: 'canvass-reply', canvass, granted: true, promised: b1 });
    }
    member.sync();
    const [asked] = member.take('prepare');
    expect(asked?.fromSlot).toBe(135);
    const report = [entry(135, b1, 'c135'), entry(140, b1, 'c140')];
    member.receive('c', promise(asked?.ballot ?? b1, { fromSlot: slot(135), accepted: report }));
    const proposed = member.take('accept')[0]?.entries.map((value) => [value.index, textOf(value)]);
    expect(proposed).toEqual([
      [135, 'c135'],
      [136, '-'],
      [137, '-'],
      [138, 'c138'],
      [139, 'c139'],
      [140, 'c140'],
    ]);
    // Command 141 does not wait until 140 is chosen.
    member.propose('c141');
    expect(member.take('accept')[0]?.entries.map(({ index }) => index)).toEqual([141]);
  });

  test('[PaxosSimple §2.4] that runs into a higher number learns it, and its next is above', () => {
    const member = new Member();
    const first = member.prepares();
    const seen = ballot(roundOf(first) + 40, 2);
    member.receive('c', { type: 'nack', ballot: first, promised: seen });
    expect(member.prepares()).toBeGreaterThan(seen);
  });

  test('[PaxosSimple §2.5] begins a phase 1 with a number higher than any it has used, durable before it is sent', () => {
    const member = new Member();
    member.pass(310);
    const [canvass] = member.take('canvass');
    member.receive('a', {
      type: 'canvass-reply',
      canvass: canvass?.canvass ?? 0,
      granted: true,
      promised: high,
    });
    expect(member.take('prepare')).toEqual([]);
    member.sync();
    const [first] = member.take('prepare');
    expect(roundOf(first?.ballot ?? low)).toBeGreaterThan(roundOf(high));
    member.restart();
    const second = member.prepares();
    expect(second).toBeGreaterThan(first?.ballot ?? second);
  });

  test('[PaxosSimple §2.2] proposes when a majority has promised: nobody counts twice, its own promise when durable', () => {
    const member = new Member('b', ['a', 'b', 'c', 'd', 'e']);
    const mine = member.prepares();
    member.receive('a', promise(mine));
    member.receive('a', promise(mine));
    expect(member.status.role).toBe('candidate');
    member.receive('d', promise(ballot(roundOf(mine) - 1 || 1, 2)));
    expect(member.status.role).toBe('candidate');
    member.receive('c', promise(mine));
    expect(member.status.role).toBe('leader');
  });

  test('[PaxosSimple §2.2, phase 2(a)] proposes the value of the highest-numbered proposal reported, not the most frequent', () => {
    const [b2, b3] = [ballot(2, 0), ballot(3, 2)];
    const member = new Member('b', ['a', 'b', 'c', 'd', 'e']);
    member.receive('a', accept(b2, [entry(1, b2, 'y')]));
    member.pass(400);
    member.sync();
    member.forgetSent();
    const mine = member.leads({ c: [entry(1, b3, 'x')], d: [entry(1, b2, 'y')], e: [] }, b3);
    expect(member.status.role).toBe('leader');
    expect(member.take('accept')[0]?.entries.map((value) => [textOf(value), value.reign])).toEqual([
      ['x', mine],
    ]);
  });

  test('[PaxosSimple §3] executes phase 1 for all open slots at once, and fills the gaps with no-ops', () => {
    const member = new Member();
    const b1 = ballot(1, 0);
    const mine = member.leads({
      a: [entry(1, b1, 'p'), entry(2, b1, 'q'), entry(4, b1, 's'), entry(5, b1, 't')],
    });
    const [message] = member.take('accept');
    expect(message?.entries.map(textOf)).toEqual(['p', 'q', '-', 's', 't']);
    member.propose('mine');
    expect(member.take('accept')[0]?.entries.map((value) => [value.index, textOf(value)])).toEqual([
      [6, 'mine'],
    ]);
    expect(member.take('prepare')).toEqual([]);
    expect(mine).toBe(member.status.reign);
  });

  test('[PaxosModerately] preempted by a higher ballot it stops, and comes back above it', () => {
    const member = new Member();
    const mine = member.leads();
    const above = ballot(roundOf(mine) + 3, 2);
    member.propose('x');
    member.sync();
    member.receive('a', { type: 'nack', ballot: mine, promised: above });
    expect(member.status.role).toBe('follower');
    expect(member.propose('y')).toContainEqual({ type: 'refused', reason: 'not-leader' });
    expect(member.prepares()).toBeGreaterThan(above);
  });

  test('a refusal that names nothing higher does not depose', () => {
    const member = new Member();
    const mine = member.leads();
    member.receive('a', { type: 'nack', ballot: mine, promised: mine });
    member.receive('a', {
      type: 'nack',
      ballot: ballot(roundOf(mine) + 5, 1),
      promised: ballot(roundOf(mine) + 6, 0),
    });
    expect(member.status.role).toBe('leader');
  });

  test('a promise that comes in pages counts when the last one is here', () => {
    const member = new Member();
    const mine = member.prepares();
    const old = ballot(1, 0);
    const page = { type: 'promise', ballot: mine, chosenUpTo: slot(0) } as const;
    member.receive('a', { ...page, fromSlot: slot(1), nextPage: slot(2), accepted: [entry(1, old, 'x')] });
    expect(member.status.role).toBe('candidate');
    expect(member.take('prepare').filter(({ fromSlot }) => fromSlot === 2)).toMatchObject([
      { to: 'a', ballot: mine },
    ]);
    member.receive('a', { ...page, fromSlot: slot(2), nextPage: undefined, accepted: [entry(2, old, 'y')] });
    expect(member.status.role).toBe('leader');
    expect(member.take('accept')[0]?.entries.map(textOf)).toEqual(['x', 'y']);
  });

  test('a phase 1 is not given up as long as pages come', () => {
    const member = new Member();
    const mine = member.prepares();
    const old = ballot(1, 0);
    const page = { type: 'promise', ballot: mine, chosenUpTo: slot(0) } as const;
    for (let at = 1; at <= 5; at++) {
      member.pass(140);
      member.receive('a', {
        ...page,
        fromSlot: slot(at),
        nextPage: at === 5 ? undefined : slot(at + 1),
        accepted: [entry(at, old, `v${at}`)],
      });
    }
    expect(member.status).toMatchObject({ role: 'leader', reign: mine });
    // Without one it is.
    const other = new Member();
    other.prepares();
    other.pass(310);
    expect(other.status.role).toBe('follower');
  });
});

describe('what is chosen', () => {
  test('[PaxosSimple §2.2] a value is chosen when a majority has accepted one proposal: copies count once', () => {
    const member = new Member('b', ['a', 'b', 'c', 'd', 'e']);
    const mine = member.leads();
    member.propose('x');
    member.sync();
    member.receive('a', accepted(mine, 1));
    member.receive('a', accepted(mine, 1));
    member.receive('c', accepted(ballot(1, 0), 1));
    expect(member.chosen).toEqual([]);
    member.receive('c', accepted(mine, 1));
    expect(member.chosen).toEqual(['x']);
  });

  test('the leader counts its own acceptance when it is durable, not before', () => {
    const member = new Member();
    const mine = member.leads();
    member.propose('x');
    expect(member.take('accept')).toHaveLength(2);
    member.receive('a', accepted(mine, 1));
    expect(member.chosen).toEqual([]);
    member.sync();
    expect(member.chosen).toEqual(['x']);
  });

  test('[PaxosSimple §3] slots are chosen in any order and executed in theirs', () => {
    const member = new Member();
    const mine = member.leads();
    for (const text of ['x', 'y', 'z']) member.propose(text);
    member.sync();
    member.receive('a', accepted(mine, 3));
    member.receive('c', accepted(mine, 2));
    expect(member.chosen).toEqual([]);
    member.receive('a', accepted(mine, 1));
    expect(member.chosen).toEqual(['x', 'y', 'z']);
  });

  test("[PaxosSimple §2.3] a learner takes the leader's word for the leader's own proposals, and asks for the others", () => {
    const member = new Member();
    member.receive('a', accept(low, [entry(1, low, 'lost'), entry(2, low, 'kept')]));
    member.pass(400);
    member.forgetSent();
    member.receive('c', accept(high, [entry(2, high, 'kept'), entry(3, high, 'new')], 2));
    expect(member.chosen).toEqual([]);
    expect(member.take('catch-up-request')).toEqual([{ to: 'c', type: 'catch-up-request', fromSlot: 1 }]);
    member.receive('c', { type: 'catch-up', entries: [entry(1, high, 'won')] });
    expect(member.chosen).toEqual(['won']);
    member.receive('c', heartbeat(high, 3));
    expect(member.chosen).toEqual(['won', 'kept', 'new']);
  });

  test('what is known to be chosen is acknowledged and reported, never replaced', () => {
    const member = new Member();
    member.receive('a', accept(low, [entry(1, low, 'x')], 1));
    expect(member.chosen).toEqual(['x']);
    member.pass(400);
    member.receive('c', accept(high, [entry(1, high, 'x')]));
    member.sync();
    expect(member.take('accepted').at(-1)).toMatchObject({ to: 'c', ballot: high, first: 1, last: 1 });
    expect(() => member.receive('c', accept(high, [entry(1, high, 'other')]))).toThrow('is chosen');
  });
});

describe('what follows from the promises', () => {
  test('[PaxosSimple §2.2, P1] an acceptor accepts the first proposal that it receives', () => {
    const member = new Member();
    member.receive('c', accept(ballot(1, 2), [entry(1, ballot(1, 2), 'x')]));
    member.sync();
    expect(member.take('accepted')).toMatchObject([{ to: 'c', first: 1, last: 1 }]);
  });

  test('[PaxosSimple §2.2, P2c] a proposal above others has the value of the highest of them, for every quorum that reports', () => {
    const [b1, b2, b3] = [ballot(1, 0), ballot(2, 2), ballot(3, 3)];
    const accepted = { a: entry(1, b1, 'x'), c: entry(1, b2, 'y'), d: entry(1, b3, 'z'), e: undefined };
    const names = ['a', 'c', 'd', 'e'] as const;
    for (const one of names) {
      for (const other of names) {
        if (one === other) continue;
        const member = new Member('b', ['a', 'b', 'c', 'd', 'e']);
        const mine = member.prepares(b3);
        for (const name of [one, other]) {
          const value = accepted[name];
          member.receive(name, promise(mine, { accepted: value === undefined ? [] : [value] }));
        }
        expect(member.status.role).toBe('leader');
        const highest = [accepted[one], accepted[other]]
          .filter((value) => value !== undefined)
          .sort((left, right) => right.reign - left.reign)[0];
        expect(member.take('accept')[0]?.entries.map(textOf)).toEqual(highest && [textOf(highest)]);
      }
    }
  });

  test('[PaxosSimple §2.3] a learner that heard of no choice finds it out when a proposal is made anew', () => {
    const member = new Member();
    const mine = member.leads({ a: [entry(1, ballot(1, 0), 'x')] });
    member.sync();
    expect(member.chosen).toEqual([]);
    member.receive('c', accepted(mine, 1));
    expect(member.chosen).toEqual(['x']);
  });
});

describe('what is written', () => {
  test('the hint of what is chosen never runs ahead of the values that are durable', () => {
    const member = new Member('b', ['a', 'b', 'c']);
    const values = Array.from({ length: 300 }, (_, at) => entry(at + 1, low, `v${at}`));
    const hintOf = (effects: ReturnType<Member['step']>) => {
      const write = effects.find((effect) => effect.type === 'persist');
      return write?.hardState === undefined ? undefined : decodeHardState(write.hardState).chosenUpTo;
    };
    // The promise, the values and the knowledge that they are chosen come in one step, and one write.
    expect(hintOf(member.receive('a', accept(low, values, 300)))).toBe(0);
    expect(member.status.commitIndex).toBe(300);
    expect(hintOf(member.receive('a', accept(low, [entry(301, low, 'x')])))).toBeUndefined();
    member.sync();
    expect(hintOf(member.receive('a', accept(low, [entry(302, low, 'y')])))).toBe(300);
    member.sync();
    expect(hintOf(member.receive('a', accept(low, [entry(303, low, 'z')])))).toBeUndefined();
    member.restart();
    member.pass(10);
    expect(member.chosen).toHaveLength(300);
  });

  test('who waits for its own disk does not stand', () => {
    const member = new Member();
    member.receive('a', accept(low, [entry(1, low, 'x')]));
    member.pass(2_000);
    expect(member.take('canvass')).toEqual([]);
    member.sync();
    member.pass(310);
    expect(member.take('canvass').length).toBeGreaterThan(0);
  });
});

describe('who learns of a choice forsakes the leaders before it', () => {
  const stale = ballot(3, 0);

  test('by a snapshot: an accept of an older leader in a slot that the snapshot holds is refused', () => {
    const member = new Member();
    member.receive('a', accept(stale, [entry(1, stale, 'x')]));
    const last = { index: slot(4), reign: low };
    const effects = member.step({
      type: 'snapshot-received',
      from: member.options.self,
      reign: high,
      leads: true,
      last,
    });
    expect(effects.map(({ type }) => type)).toEqual(['persist', 'install', 'role']);
    expect(member.view).toMatchObject({ promisedReign: high, commitIndex: 4, snapshotIndex: 4 });
    member.sync();
    member.take('accepted');
    member.receive('a', accept(stale, [entry(4, stale, 'y')]));
    member.sync();
    expect(member.take('accepted')).toEqual([]);
    expect(member.take('nack')).toMatchObject([{ promised: high }]);
  });

  test('by a chosen value', () => {
    const member = new Member();
    member.receive('a', accept(stale, [entry(1, stale, 'x')]));
    member.receive('c', { type: 'catch-up', entries: [entry(1, high, 'z')] });
    expect(member.chosen).toEqual(['z']);
    expect(member.view.promisedReign).toBe(high);
    member.sync();
    member.take('accepted');
    member.receive('a', accept(stale, [entry(1, stale, 'x')]));
    member.sync();
    expect(member.take('accepted')).toEqual([]);
  });

  test('scenario 34: an installed snapshot keeps what was accepted above it', () => {
    const member = new Member();
    member.receive(
      'a',
      accept(
        stale,
        [1, 2, 3].map((index) => entry(index, stale, `v${index}`)),
      ),
    );
    const last = { index: slot(2), reign: stale };
    const effects = member.step({
      type: 'snapshot-received',
      from: member.options.self,
      reign: stale,
      leads: true,
      last,
    });
    expect(effects).toContainEqual(expect.objectContaining({ type: 'install', discardsLog: false }));
    expect(member.view.entriesAbove(noSlot).map(textOf)).toEqual(['v3']);
    member.sync();
    member.restart();
    expect(member.view.entriesAbove(noSlot).map(textOf)).toEqual(['v3']);
  });
});
