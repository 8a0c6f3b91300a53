/**
 * Hazards that only one hand-fed message shows: each is told to a single node, and told once more with the guard
 * taken out that the hazard is about, when it must go wrong. Numbers are those of `docs/TRACK-RECORD.md`.
 */
import { resolve } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';

// biome-ignore lint/suspicious/noExplicitAny: guards of every shape are replaced here
type AnyFunction = (...values: any[]) => any;

/** A guard is an exported function of this file below `src`. */
interface Guard {
  readonly file: string;
  readonly name: string;
  readonly spoil: (original: AnyFunction) => AnyFunction;
}

/** What an append ends with is taken for the end of the log. */
const appendEndsTheLog: Guard = {
  file: 'raft/follower.ts',
  name: 'onAppend',
  spoil: (original) => (state, from, append, effects) => {
    original(state, from, append, effects);
    const end = append.prevIndex + append.entries.length;
    if (state.log.lastIndex > end) state.log.truncateAfter(end);
  },
};
const commitsWhatTheLeaderSays: Guard = {
  file: 'raft/commit-rule.ts',
  name: 'followerCommitIndex',
  spoil: () => (known) => known.leaderCommitIndex,
};
const acceptsWithoutPromise: Guard = {
  file: 'multi-paxos/allegiance.ts',
  name: 'follow',
  spoil: () => (state, _, from) => {
    state.leader = from;
  },
};
/** What was reported last is taken for what binds. */
const adoptsTheLatestReport: Guard = {
  file: 'multi-paxos/proposer.ts',
  name: 'onPromise',
  spoil: (original) => (state, from, message) => {
    const accepted = message.accepted.map((entry: object) => ({ ...entry, reign: reportsHeard++ }));
    original(state, from, { ...message, accepted });
  },
};
let reportsHeard = 1_000_000;

const guards = [appendEndsTheLog, commitsWhatTheLeaderSays, acceptsWithoutPromise, adoptsTheLatestReport];
let absent: Guard | undefined;
for (const { file, name, spoil } of guards) {
  vi.doMock(resolve(import.meta.dirname, '../../src', file), async (importOriginal) => {
    const module = await importOriginal<Record<string, AnyFunction>>();
    const original = module[name] as AnyFunction;
    const isOut = (): boolean => absent?.file === file && absent.name === name;
    const guarded = (...values: unknown[]) => (isOut() ? spoil(original) : original)(...values);
    return { ...module, [name]: guarded };
  });
}
const { LoneServer, appendOf } = await import('../raft/lone-server.ts');
const { Member, accept, ballot, entry, prepare, textOf } = await import('../multi-paxos/member.ts');

/** 3. [Raft fig. 2] The leader sent [5, 6], and a delayed copy of [5] arrives after it. */
function lateShorterAppend(): void {
  const server = new LoneServer({ terms: [1, 1, 1, 1], term: 1 });
  server.receive('b', appendOf({ term: 1, prev: [4, 1], terms: [1, 1] }));
  server.receive('b', appendOf({ term: 1, prev: [4, 1], terms: [1] }));
  server.sync();
  expect(server.terms).toHaveLength(6);
  expect(server.heard('append-accepted').map(({ message }) => message.matchIndex)).toEqual([6, 5]);
}

/** 4. [Raft fig. 2] An append without entries tells of a commit beyond what it matches. */
function emptyAppendWithHighCommit(): void {
  const server = new LoneServer({ terms: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], term: 1 });
  server.receive('b', appendOf({ term: 2, prev: [9, 1], commit: 10 }));
  expect(server.status.commitIndex).toBe(9);
  const committed = server.done('committed').flatMap(({ entries }) => entries);
  expect(committed.map(({ index }) => index)).not.toContain(10);
}

/** 6. [PaxosSimple §2.2] An acceptor accepts under a ballot that it never promised; then a lower one asks. */
function acceptBindsLikeAPromise(): void {
  const acceptor = new Member('b');
  const [lower, higher] = [ballot(4, 0), ballot(5, 2)];
  acceptor.receive('c', accept(higher, [entry(1, higher, 'x')]));
  acceptor.sync();
  acceptor.restart();
  acceptor.nowMs += 1_000;
  acceptor.receive('a', prepare(lower));
  acceptor.receive('a', accept(lower, [entry(1, lower, 'y')]));
  acceptor.sync();
  expect(acceptor.take('promise')).toEqual([]);
  expect(acceptor.view.entriesAbove(0 as never).map(textOf)).toEqual(['x']);
}

/** 8. [PaxosSimple §2.2] One acceptor reports x under ballot 3, two report y under ballot 2, one reports nothing. */
function highestBallotBinds(): void {
  const proposer = new Member('e', ['a', 'b', 'c', 'd', 'e']);
  const [second, third] = [ballot(2, 1), ballot(3, 2)];
  proposer.leads(
    { a: [entry(1, third, 'x')], b: [entry(1, second, 'y')], c: [entry(1, second, 'y')], d: [] },
    third,
  );
  const proposed = proposer.take('accept').flatMap(({ entries }) => entries.map(textOf));
  expect(new Set(proposed)).toEqual(new Set(['x']));
}

const hazards: readonly (readonly [string, () => void, Guard])[] = [
  ['3 [Raft fig. 2] a late and shorter append removes nothing', lateShorterAppend, appendEndsTheLog],
  [
    '4 [Raft fig. 2] an empty append commits no further than it matches',
    emptyAppendWithHighCommit,
    commitsWhatTheLeaderSays,
  ],
  [
    '6 [PaxosSimple §2.2] an acceptance binds like a promise of its ballot',
    acceptBindsLikeAPromise,
    acceptsWithoutPromise,
  ],
  [
    '8 [PaxosSimple §2.2] the value of the highest ballot is proposed, not the most frequent one',
    highestBallotBinds,
    adoptsTheLatestReport,
  ],
];

describe.each(hazards)('scenario %s', (_, play, guard) => {
  afterEach(() => {
    absent = undefined;
  });

  test('holds', () => play());

  test('goes red without its guard', () => {
    absent = guard;
    expect(play).toThrow();
  });
});
