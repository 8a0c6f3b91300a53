/** The small rules of Multi-Paxos: tables for the pure ones, twins that are plainly right for the books. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acceptorCount, hasAcceptor, noAcceptors, withAcceptor } from '../../src/multi-paxos/acceptor-set.ts';
import { ballotAbove, ballotOf, noBallot, proposerOf, roundOf } from '../../src/multi-paxos/ballot.ts';
import { AcceptanceTally, knownChosenUpTo } from '../../src/multi-paxos/chosen-rule.ts';
import { decodeHardState, encodeHardState } from '../../src/multi-paxos/hard-state.ts';
import {
  canElectAndChoose,
  isPhase1Quorum,
  isPhase2Quorum,
  meetsEveryPhase1Quorum,
  phaseQuorums,
} from '../../src/multi-paxos/phase-quorums.ts';
import { mayAccept, mayPromise, promiseAfterAccept } from '../../src/multi-paxos/promise-rule.ts';
import { readIndex } from '../../src/multi-paxos/read-index.ts';
import { isRoundConfirmed } from '../../src/multi-paxos/round-confirmation.ts';
import { SlotLog } from '../../src/multi-paxos/slot-log.ts';
import { canReportFrom, leaderSeemsAlive, staggerMs } from '../../src/multi-paxos/stability.ts';
import { ReportedValues } from '../../src/multi-paxos/value-adoption.ts';
import type { Entry } from '../../src/protocol.ts';
import { ballot, entry, slot, textOf } from './member.ts';

const anyBallot = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 4 }))
  .map(([round, ordinal]) => ballot(round, ordinal));
const anyOrdinal = fc.integer({ min: 0, max: 30 });

/** Every number of acceptors up to seven, with every size of a phase-2 quorum. */
const systems = [1, 2, 3, 4, 5, 6, 7].flatMap((members) =>
  Array.from({ length: members }, (_, at) => ({ members, acceptQuorum: at + 1 })),
);

describe('ballots', () => {
  test('pack a round and a proposer, and order by round first', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 40 }), anyOrdinal, (round, ordinal) => {
        const packed = ballotOf({ round, ordinal });
        expect([roundOf(packed), proposerOf(packed)]).toEqual([round, ordinal]);
        expect(ballotOf({ round: round + 1, ordinal: 0 })).toBeGreaterThan(packed);
      }),
    );
  });

  test('[PaxosSimple §2.2] of different proposers are disjoint, and a new one is above all that was seen', () => {
    fc.assert(
      fc.property(anyBallot, anyOrdinal, (seen, ordinal) => {
        const next = ballotAbove(seen, { ordinal });
        expect(next).toBeGreaterThan(seen);
        expect(proposerOf(next)).toBe(ordinal);
      }),
    );
    expect(ballotAbove(noBallot, { ordinal: 0 })).toBeGreaterThan(noBallot);
  });

  test('refuse what no ballot can be', () => {
    expect(() => ballotOf({ round: 1, ordinal: 31 })).toThrow('ordinal');
    expect(() => ballotOf({ round: 0, ordinal: 1 })).toThrow('round');
    expect(() => ballotOf({ round: 2 ** 50, ordinal: 1 })).toThrow('safe integer');
  });
});

describe('promises', () => {
  test.each([
    { ballot: 5, promised: 4, promise: true, accept: true, after: 5 },
    { ballot: 5, promised: 5, promise: true, accept: true, after: 5 },
    { ballot: 5, promised: 6, promise: false, accept: false, after: 6 },
    { ballot: 5, promised: 0, promise: true, accept: true, after: 5 },
  ])('ballot $ballot against a promise of $promised', ({ ballot, promised, promise, accept, after }) => {
    const asked = { ballot, promised } as Parameters<typeof mayPromise>[0];
    expect(mayPromise(asked)).toBe(promise);
    expect(mayAccept(asked)).toBe(accept);
    expect(promiseAfterAccept(asked)).toBe(after);
  });
});

describe('quorums', () => {
  test('a set of acceptors is a set', () => {
    fc.assert(
      fc.property(fc.array(anyOrdinal), (ordinals) => {
        const set = ordinals.reduce(withAcceptor, noAcceptors);
        expect(acceptorCount(set)).toBe(new Set(ordinals).size);
        for (let ordinal = 0; ordinal < 31; ordinal++) {
          expect(hasAcceptor(set, ordinal)).toBe(ordinals.includes(ordinal));
        }
      }),
    );
  });

  test.each(systems)(
    '[FlexiblePaxos §2] of $members acceptors, $acceptQuorum to choose: every phase-1 quorum meets every phase-2 quorum',
    ({ members, acceptQuorum }) => {
      const quorums = phaseQuorums(members, acceptQuorum);
      const sets = Array.from({ length: 2 ** members }, (_, mask) => mask as typeof noAcceptors);
      const electing = sets.filter((set) => isPhase1Quorum(set, quorums));
      const choosing = sets.filter((set) => isPhase2Quorum(set, quorums));
      const meet = (one: number, other: number): boolean => (one & other) !== 0;
      expect(electing.length).toBeGreaterThan(0);
      expect(choosing.length).toBeGreaterThan(0);
      expect(electing.every((one) => choosing.every((other) => meet(one, other)))).toBe(true);
      for (const set of sets) {
        const names = Array.from({ length: members }, (_, at) => at).filter((at) => hasAcceptor(set, at));
        // The twins are plain about it: a set chooses if it is large enough, and elects if no choice can miss it.
        expect(isPhase2Quorum(set, quorums)).toBe(names.length >= acceptQuorum);
        expect(isPhase1Quorum(set, quorums)).toBe(choosing.every((other) => meet(set, other)));
        expect(meetsEveryPhase1Quorum(set, quorums)).toBe(electing.every((other) => meet(set, other)));
        expect(canElectAndChoose(set, quorums)).toBe(electing.includes(set) && choosing.includes(set));
      }
    },
  );

  test('are majorities unless told, and the phase-1 quorum is never larger than it has to be', () => {
    expect([1, 2, 3, 4, 5].map((members) => phaseQuorums(members))).toEqual([
      { phase1Size: 1, phase2Size: 1 },
      { phase1Size: 1, phase2Size: 2 },
      { phase1Size: 2, phase2Size: 2 },
      { phase1Size: 2, phase2Size: 3 },
      { phase1Size: 3, phase2Size: 3 },
    ]);
    for (const acceptQuorum of [0, 4, 1.5]) expect(() => phaseQuorums(3, acceptQuorum)).toThrow('choose');
  });
});

describe('the confirmation of a round', () => {
  test('[FlexiblePaxos §2] agrees with a twin that looks for a phase 1 which nobody who answered took part in', () => {
    const anySystem = fc.constantFrom(...systems);
    const anyRounds = fc.array(fc.nat({ max: 6 }), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(anySystem, fc.nat(), anyRounds, fc.nat({ max: 8 }), (system, own, answers, round) => {
        const { members, acceptQuorum } = system;
        const quorums = phaseQuorums(members, acceptQuorum);
        const ordinal = own % members;
        const others = Array.from({ length: members }, (_, at) => at).filter((at) => at !== ordinal);
        const peers = new Map(
          others.map((peer, at) => [`n${peer}`, { ordinal: peer, confirmedRound: answers[at] ?? 0 }]),
        );
        // The leader has sent six rounds, and obeys itself in each.
        const sent = 6;
        const answered = [ordinal, ...others.filter((_, at) => (answers[at] ?? 0) >= round)];
        const canElectBehindTheirBack = Array.from({ length: 2 ** members }, (_, mask) => mask)
          .filter((mask) => isPhase1Quorum(mask as typeof noAcceptors, quorums))
          .some((mask) => answered.every((at) => (mask & (1 << at)) === 0));
        const confirmed = isRoundConfirmed(
          { ordinal, quorums } as never,
          { round: sent, peers } as never,
          round,
        );
        expect(confirmed).toBe(round <= sent && !canElectBehindTheirBack);
      }),
      { numRuns: 500 },
    );
  });
});

describe('stability', () => {
  const heard = { leads: false, rests: false, nowMs: 1_000, electionTimeoutMinMs: 150 };
  test.each([
    { leaderHeardMs: 900, alive: true },
    { leaderHeardMs: 850, alive: false },
    { leaderHeardMs: Number.NEGATIVE_INFINITY, alive: false },
  ])('a leader heard at $leaderHeardMs of 1000 ms seems alive: $alive', ({ leaderHeardMs, alive }) => {
    expect(leaderSeemsAlive({ ...heard, leaderHeardMs })).toBe(alive);
    expect(leaderSeemsAlive({ ...heard, leaderHeardMs, leads: true })).toBe(true);
    expect(leaderSeemsAlive({ ...heard, leaderHeardMs, rests: true })).toBe(true);
  });

  test('an acceptor can report what it has not forgotten', () => {
    expect(canReportFrom({ fromSlot: slot(5), forgottenUpTo: slot(4) })).toBe(true);
    expect(canReportFrom({ fromSlot: slot(5), forgottenUpTo: slot(5) })).toBe(false);
  });

  test('candidates after a death are a fifth of a heartbeat apart', () => {
    expect([0, 1, 2].map((rank) => staggerMs({ rank, heartbeatMs: 50 }))).toEqual([0, 10, 20]);
  });

  test('a read sees what is chosen and what phase 1 found', () => {
    expect(readIndex({ chosenUpTo: slot(4), recoveredUpTo: slot(7) })).toBe(7);
    expect(readIndex({ chosenUpTo: slot(9), recoveredUpTo: slot(7) })).toBe(9);
  });
});

describe('value adoption', () => {
  test.each([
    {
      story: 'the highest ballot wins over the most frequent',
      reports: [
        [3, 'x'],
        [2, 'y'],
        [2, 'y'],
      ],
      adopted: 'x',
    },
    {
      story: 'the order of arrival does not matter',
      reports: [
        [2, 'y'],
        [3, 'x'],
      ],
      adopted: 'x',
    },
    { story: 'nobody reports anything: a no-op', reports: [], adopted: '-' },
  ] as const)('[PaxosSimple §2.2, phase 2(a)] $story', ({ reports, adopted }) => {
    const reported = new ReportedValues();
    for (const [round, text] of reports) reported.report(entry(1, ballot(round, 0), text));
    const proposal = reported.proposalFor(slot(1), ballot(9, 1));
    expect([textOf(proposal), proposal.reign]).toEqual([adopted, ballot(9, 1)]);
  });

  test('agrees with a twin that keeps every report and sorts', () => {
    const anyReport = fc.tuple(fc.integer({ min: 1, max: 8 }), anyBallot);
    fc.assert(
      fc.property(fc.array(anyReport, { maxLength: 40 }), (reports) => {
        // One ballot carries one value in a slot.
        const entries = reports.map(([index, reign]) => entry(index, reign, `${index}@${reign}`));
        const reported = new ReportedValues();
        for (const value of entries) reported.report(value);
        for (let index = 1; index <= 8; index++) {
          const all = entries.filter((value) => value.index === index).sort((a, b) => b.reign - a.reign);
          const expected = all[0] === undefined ? '-' : textOf(all[0]);
          expect(textOf(reported.proposalFor(slot(index), ballot(9, 0)))).toBe(expected);
        }
        expect(reported.last).toBe(Math.max(0, ...entries.map(({ index }) => index)));
      }),
    );
  });
});

describe('the slot log', () => {
  const anyIndex = fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 250, max: 800 }),
    fc.constant(2 ** 40),
  );
  const anyStep = fc.oneof(
    fc.record({ type: fc.constant('put' as const), index: anyIndex, reign: anyBallot }),
    fc.record({ type: fc.constant('forget' as const), index: fc.integer({ min: 1, max: 600 }) }),
  );

  test('agrees with a plain map', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), anyIndex, anyIndex, (steps, first, last) => {
        const log = new SlotLog();
        const twin = new Map<number, Entry>();
        let forgotten = 0;
        for (const step of steps) {
          if (step.type === 'put' && step.index > forgotten) {
            const value = entry(step.index, step.reign, 'v');
            log.put(value);
            twin.set(step.index, value);
          } else if (step.type === 'forget' && step.index > forgotten) {
            log.forget(slot(step.index));
            forgotten = step.index;
            for (const index of twin.keys()) if (index <= forgotten) twin.delete(index);
          }
        }
        expect(log.forgottenUpTo).toBe(forgotten);
        expect(log.last).toBe(Math.max(forgotten, ...twin.keys()));
        expect(log.get(slot(first))).toBe(twin.get(first));
        if (last - first > 1_000) return;
        const within = [...twin.values()].filter(({ index }) => index >= first && index <= last);
        expect(log.range(slot(first), slot(last))).toEqual(within.sort((a, b) => a.index - b.index));
      }),
      { numRuns: 300 },
    );
  });

  test('refuses to write what it has forgotten', () => {
    const log = new SlotLog();
    log.forget(slot(5));
    expect(() => log.put(entry(5, ballot(1, 0), 'x'))).toThrow('forgotten');
  });
});

describe('the chosen rule', () => {
  test('agrees with a twin of one set per slot', () => {
    const anyAcceptance = fc.tuple(
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 0, max: 5 }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...systems.filter(({ members }) => members <= 5)),
        fc.integer({ min: 0, max: 5 }),
        fc.array(anyAcceptance, { maxLength: 80 }),
        ({ members, acceptQuorum }, start, acceptances) => {
          const tally = new AcceptanceTally(phaseQuorums(members, acceptQuorum), slot(start));
          const twin = new Map<number, Set<number>>();
          let reached = start;
          for (const [who, first, more] of acceptances) {
            const ordinal = who % members;
            tally.accepted(ordinal, { first: slot(first), last: slot(first + more) });
            for (let at = first; at <= first + more; at++) {
              twin.set(at, (twin.get(at) ?? new Set()).add(ordinal));
            }
            while ((twin.get(reached + 1)?.size ?? 0) >= acceptQuorum) reached += 1;
            expect(tally.chosenWithoutGap()).toBe(reached);
          }
        },
      ),
    );
  });

  test('keeps its books over thousands of slots', () => {
    const tally = new AcceptanceTally(phaseQuorums(3), slot(7));
    for (let at = 8; at < 10_000; at++) {
      tally.accepted(0, { first: slot(at), last: slot(at) });
      expect(tally.chosenWithoutGap()).toBe(Math.max(7, at - 2));
      if (at > 8) tally.accepted(2, { first: slot(at - 1), last: slot(at - 1) });
    }
  });

  test('a learner knows the values of the ballot whose leader speaks, up to the first other one', () => {
    const log = new SlotLog();
    const [b1, b2] = [ballot(1, 0), ballot(2, 1)];
    for (const [index, reign] of [
      [1, b2],
      [2, b2],
      [3, b1],
      [4, b2],
      [6, b2],
    ] as const) {
      log.put(entry(index, reign, 'v'));
    }
    expect(knownChosenUpTo(log, { ballot: b2, watermark: slot(9) }, slot(0))).toBe(2);
    expect(knownChosenUpTo(log, { ballot: b2, watermark: slot(1) }, slot(0))).toBe(1);
    expect(knownChosenUpTo(log, { ballot: b2, watermark: slot(9) }, slot(3))).toBe(4);
    expect(knownChosenUpTo(log, { ballot: b1, watermark: slot(9) }, slot(0))).toBe(0);
  });
});

describe('the hard state', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (promised, chosenUpTo) => {
        const hardState = { promised: promised as typeof noBallot, chosenUpTo: slot(chosenUpTo) };
        expect(decodeHardState(encodeHardState(hardState))).toEqual(hardState);
      }),
    );
  });

  test.each([
    new Uint8Array(0),
    new Uint8Array(17),
    new Uint8Array(18).fill(1),
    new Uint8Array(17).fill(255).fill(1, 0, 1),
  ])('other bytes are ERR_LOG_CORRUPT', (bytes) => {
    expect(() => decodeHardState(bytes)).toThrow(expect.objectContaining({ code: 'ERR_LOG_CORRUPT' }));
  });
});
