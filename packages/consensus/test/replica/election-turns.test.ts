/** Elections of many groups: each group at its time, one member after the other, and a few under way at once. */
import type { NodeId } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';
import type { Effect, LogIndex, Protocol, ProtocolOptions, Reign } from '../../src/protocol.ts';
import { raft } from '../../src/raft/raft.ts';
import { ElectionTurns, electionsAtOnce } from '../../src/replica/election-turns.ts';
import { firstTurnMs } from '../../src/replica/first-turn.ts';

const members = ['a', 'b', 'c'] as NodeId[];
const timeouts = [150, 300] as const;

describe('the first turn', () => {
  test('is that of another member in each group, so that each comes to lead as many', () => {
    const firsts = Array.from({ length: 300 }, (_, group) => {
      const turns = members.map((self) => firstTurnMs({ group, self, members }, timeouts));
      return members[turns.indexOf(Math.min(...turns))] ?? '';
    });
    for (const member of members) expect(firsts.filter((first) => first === member)).toHaveLength(100);
  });

  test('comes after those who were loyal before a restart are free, and leaves time for an election', () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 2, maxLength: 31 });
    fc.assert(
      fc.property(names, fc.nat(4_095), (nodes, group) => {
        const sorted = nodes.sort() as NodeId[];
        const turns = sorted.map((self) => firstTurnMs({ group, self, members: sorted }, timeouts));
        turns.sort((one, other) => one - other);
        expect(turns[0]).toBeGreaterThanOrEqual(150);
        for (const [at, turn] of turns.slice(1).entries()) {
          expect(turn - (turns[at] ?? 0)).toBeGreaterThanOrEqual(300);
        }
      }),
    );
  });

  test.each([
    ['raft', raft as Protocol<unknown, unknown>],
    ['multi-paxos', multiPaxos as Protocol<unknown, unknown>],
  ])('is kept to the millisecond by %s', (_, protocol) => {
    const options: ProtocolOptions = {
      self: 'b' as NodeId,
      members,
      electionTimeoutMs: timeouts,
      heartbeatMs: 50,
      appendBytesMax: 1_024,
      appendsInFlightMax: 4,
      uncommittedBytesMax: 1_024,
      seed: 1,
      firstTurnMs: 777,
    };
    const blank = {
      hardState: undefined,
      snapshot: { index: 0 as LogIndex, reign: 0 as Reign },
      entries: [],
    };
    const state = protocol.start(options, blank, 1_000);
    const said = (nowMs: number): number => {
      const effects: Effect<unknown>[] = [];
      protocol.step(state, { type: 'tick' }, nowMs, effects);
      return effects.filter(({ type }) => type === 'send').length;
    };
    expect(said(1_776)).toBe(0);
    expect(said(1_777)).toBe(2);
  });
});

describe('replicas without a leader', () => {
  const leaderless = (): { isLeaderless: boolean } => ({ isLeaderless: true });

  test('are given time while they are few, and whoever has a leader always is', () => {
    const turns = new ElectionTurns(600);
    const replicas = Array.from({ length: electionsAtOnce + 1 }, leaderless);
    expect(replicas.map((replica) => turns.admits(replica, 0))).toEqual(
      replicas.map((_, at) => at < electionsAtOnce),
    );
    expect(turns.admits({ isLeaderless: false }, 0)).toBe(true);
    // Asked again within its turn.
    expect(replicas.filter((replica) => turns.admits(replica, 1))).toHaveLength(electionsAtOnce);
  });

  test('make way when they are led, or have had their time', () => {
    const turns = new ElectionTurns(600);
    const replicas = Array.from({ length: electionsAtOnce }, leaderless);
    for (const replica of replicas) turns.admits(replica, 0);
    const [next, last] = [leaderless(), leaderless()];
    turns.review(599);
    expect(turns.admits(next, 599)).toBe(false);
    for (const replica of replicas.slice(1)) replica.isLeaderless = false;
    turns.review(599);
    expect(turns.admits(next, 599)).toBe(true);
    turns.review(600);
    for (let at = 1; at < electionsAtOnce; at++) expect(turns.admits(leaderless(), 600)).toBe(true);
    expect(turns.admits(last, 600)).toBe(false);
  });

  test('that can never have one leave half of the turns to others', () => {
    const turns = new ElectionTurns(600);
    const hopeless = Array.from({ length: electionsAtOnce }, leaderless);
    for (const replica of hopeless) turns.admits(replica, 0);
    turns.review(600);
    expect(hopeless.filter((replica) => turns.admits(replica, 600))).toHaveLength(electionsAtOnce / 2);
    const healthy = leaderless();
    expect(turns.admits(healthy, 600)).toBe(true);
    // Who found a leader once is like the others again.
    for (const replica of hopeless) {
      replica.isLeaderless = false;
      turns.admits(replica, 700);
    }
    turns.review(700);
    for (const replica of hopeless) replica.isLeaderless = true;
    expect(hopeless.filter((replica) => turns.admits(replica, 700))).toHaveLength(electionsAtOnce - 1);
  });
});
