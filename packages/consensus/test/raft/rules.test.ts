import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Entry, LogIndex } from '../../src/protocol.ts';
import { advanceCommitIndex, followerCommitIndex } from '../../src/raft/commit-rule.ts';
import { conflictHint, nextToProbe } from '../../src/raft/conflict-hint.ts';
import { isAtLeastAsUpToDate, mayGrantPreVote, mayGrantVote } from '../../src/raft/election-restriction.ts';
import { beforeFirst, type LogPosition, RaftLog, type Term } from '../../src/raft/log.ts';
import { checkTransition, type RoleEvent, type RoleName, roleTable } from '../../src/raft/role-table.ts';
import { entriesOf, entryOf } from './lone-server.ts';

const at = (index: number, term: number): LogPosition => ({ index: index as LogIndex, term: term as Term });
const ascending = (terms: number[]): number[] => [...terms].sort((a, b) => a - b);
const someTerms = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 20 }).map(ascending);

describe('[Raft §5.4.1] which log is more up to date', () => {
  test.each([
    { candidate: at(1, 2), voter: at(9, 1), isUpToDate: true },
    { candidate: at(9, 1), voter: at(1, 2), isUpToDate: false },
    { candidate: at(3, 2), voter: at(3, 2), isUpToDate: true },
    { candidate: at(4, 2), voter: at(3, 2), isUpToDate: true },
    { candidate: at(2, 2), voter: at(3, 2), isUpToDate: false },
  ])('$candidate against $voter: $isUpToDate', ({ candidate, voter, isUpToDate }) => {
    expect(isAtLeastAsUpToDate(candidate, voter)).toBe(isUpToDate);
  });
});

describe('[Raft §5.2] who may have the vote of a voter in term 4 with log (3, 2)', () => {
  test.each([
    { term: 4, votedFor: undefined, last: at(3, 2), vote: true, preVote: false },
    { term: 4, votedFor: 'me', last: at(3, 2), vote: true, preVote: false },
    { term: 4, votedFor: 'other', last: at(3, 2), vote: false, preVote: false },
    { term: 4, votedFor: undefined, last: at(2, 2), vote: false, preVote: false },
    { term: 3, votedFor: undefined, last: at(3, 2), vote: false, preVote: false },
    { term: 5, votedFor: 'other', last: at(3, 2), vote: false, preVote: true },
    { term: 5, votedFor: undefined, last: at(9, 1), vote: false, preVote: false },
  ])('term $term, voted for $votedFor, log $last: vote $vote, pre-vote $preVote', (row) => {
    const voter = { currentTerm: 4 as Term, votedFor: row.votedFor as never, lastPosition: at(3, 2) };
    const candidacy = { candidate: 'me' as never, term: row.term as Term, lastPosition: row.last };
    expect(mayGrantVote(voter, candidacy)).toBe(row.vote);
    expect(mayGrantPreVote(voter, candidacy)).toBe(row.preVote);
  });
});

describe('[Raft §5.3, §5.4.2] the commit rule', () => {
  test.each([
    { name: 'a majority holds an entry of the own term', terms: [1, 2, 4], match: [3, 3, 3, 1, 1], to: 3 },
    { name: 'a minority does', terms: [1, 2, 4], match: [3, 3, 1, 1, 1], to: 1 },
    { name: 'fig. 8 (c): a majority holds an older entry', terms: [1, 2, 4], match: [3, 2, 2, 1, 1], to: 1 },
    { name: 'fig. 8 (e): the older is committed with it', terms: [1, 2, 4], match: [3, 3, 3, 1, 1], to: 3 },
    { name: 'two of four are no majority', terms: [1, 4], match: [2, 2, 1, 1], to: 1 },
  ])('$name', ({ terms, match, to }) => {
    const log = new RaftLog(beforeFirst, entriesOf(terms));
    const view = { commitIndex: 1 as LogIndex, currentTerm: 4 as Term, matchIndexes: match as LogIndex[] };
    expect(advanceCommitIndex(log, view)).toBe(to);
  });

  test('is the same as the sentence of the paper, tried index by index', () => {
    const members = fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(someTerms, members, fc.nat({ max: 20 }), fc.nat({ max: 1 }), (terms, raw, c, ahead) => {
        const currentTerm = (terms.at(-1) ?? 1) + ahead;
        const matchIndexes = raw.map((index) => Math.min(index, terms.length));
        const commitIndex = Math.min(c, terms.length);
        let expected = commitIndex;
        // "If there exists an N such that N > commitIndex, a majority of matchIndex[i] >= N, and
        // log[N].term == currentTerm: set commitIndex = N" [Raft fig. 2]
        for (let n = commitIndex + 1; n <= terms.length; n++) {
          const holders = matchIndexes.filter((index) => index >= n).length;
          if (holders * 2 > matchIndexes.length && terms[n - 1] === currentTerm) expected = n;
        }
        const view = { commitIndex, currentTerm, matchIndexes } as never;
        expect(advanceCommitIndex(new RaftLog(beforeFirst, entriesOf(terms)), view)).toBe(expected);
      }),
    );
  });

  test.each([
    { commitIndex: 3, leaderCommitIndex: 9, matchedIndex: 5, to: 5 },
    { commitIndex: 3, leaderCommitIndex: 4, matchedIndex: 5, to: 4 },
    { commitIndex: 3, leaderCommitIndex: 2, matchedIndex: 5, to: 3 },
    { commitIndex: 3, leaderCommitIndex: 9, matchedIndex: 1, to: 3 },
  ])('[Raft fig. 2] a follower commits to min(leaderCommit, last new entry): %o', ({ to, ...known }) => {
    expect(followerCommitIndex(known as never)).toBe(to);
  });
});

describe('[Raft §5.3] where two logs meet', () => {
  test('is found in a round per term at most, and no common entry is sent again', () => {
    const suffix = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 12 }).map(ascending);
    fc.assert(
      fc.property(someTerms, suffix, suffix, fc.nat({ max: 10 }), (common, ofLeader, ofFollower, compact) => {
        // Terms that the logs do not share: even here, odd there, all above the common ones.
        const leaderTerms = [...common, ...ofLeader.map((term) => 2 * term + 6)];
        const followerTerms = [...common, ...ofFollower.map((term) => 2 * term + 7)];
        const leader = new RaftLog(beforeFirst, entriesOf(leaderTerms));
        const follower = new RaftLog(beforeFirst, entriesOf(followerTerms));
        follower.compactTo(Math.min(compact, common.length) as LogIndex);
        let next = (leaderTerms.length + 1) as LogIndex;
        let rounds = 0;
        for (;;) {
          const prev = { index: (next - 1) as LogIndex, term: leader.termAt((next - 1) as LogIndex) as Term };
          if (prev.index < follower.snapshot.index || follower.matches(prev)) break;
          next = nextToProbe(leader, prev.index, conflictHint(follower, prev));
          expect(next).toBeLessThanOrEqual(prev.index);
          rounds += 1;
        }
        expect(next - 1).toBe(common.length);
        expect(rounds).toBeLessThanOrEqual(new Set([...ofLeader, ...ofFollower]).size + 1);
      }),
    );
  });

  test('below what the leader holds, the answer is at or below its snapshot', () => {
    const leader = new RaftLog(at(5, 2), entriesOf([2, 3], 5));
    expect(nextToProbe(leader, 7 as LogIndex, at(2, 1))).toBe(3);
    expect(nextToProbe(leader, 7 as LogIndex, at(0, 0))).toBe(1);
    expect(nextToProbe(leader, 5 as LogIndex, at(5, 2))).toBe(5);
    expect(nextToProbe(leader, 7 as LogIndex, at(6, 2))).toBe(7);
  });
});

describe('the log', () => {
  /** Every entry ever appended and not truncated, and how far it is forgotten: what the log must look like. */
  class NaiveLog {
    all: Entry[] = [];
    forgotten = 0;
  }

  type Change = { readonly type: 'append' | 'truncate' | 'compact' | 'reset'; readonly amount: number };
  const change: fc.Arbitrary<Change> = fc.record({
    type: fc.constantFrom('append', 'append', 'append', 'truncate', 'compact', 'reset'),
    amount: fc.nat({ max: 900 }),
  });

  test('is the same as an array that forgets nothing', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const log = new RaftLog(beforeFirst, []);
        const naive = new NaiveLog();
        let term = 1;
        for (const { type, amount } of changes) {
          apply(log, naive, { type, amount, term });
          term += amount % 2;
          compare(log, naive);
        }
      }),
      { numRuns: 60 },
    );
  });

  function apply(
    log: RaftLog,
    naive: NaiveLog,
    { type, amount, term }: Change & { readonly term: number },
  ): void {
    const { all, forgotten } = naive;
    const kept = all.length - forgotten;
    if (type === 'append') {
      const entries = entriesOf(new Array<number>(amount).fill(term), all.length);
      log.append(entries);
      all.push(...entries);
    } else if (type === 'truncate') {
      const after = forgotten + Math.min(amount, kept);
      log.truncateAfter(after as LogIndex);
      all.length = after;
    } else if (type === 'compact') {
      naive.forgotten += Math.min(amount, kept);
      log.compactTo(naive.forgotten as LogIndex);
    } else if (amount < 100) {
      naive.all = entriesOf(new Array<number>(all.length + amount).fill(term));
      naive.forgotten = naive.all.length;
      log.resetTo(at(naive.forgotten, naive.all.length === 0 ? 0 : term));
    }
  }

  function compare(log: RaftLog, { all, forgotten }: NaiveLog): void {
    const termOf = (index: number): number => all[index - 1]?.reign ?? 0;
    expect(log.lastIndex).toBe(all.length);
    expect(log.last).toEqual(at(all.length, termOf(all.length)));
    expect(log.snapshot).toEqual(at(forgotten, termOf(forgotten)));
    expect(log.between({ from: (forgotten + 1) as LogIndex, to: log.lastIndex })).toEqual(
      all.slice(forgotten),
    );
    for (const index of [forgotten - 1, forgotten, forgotten + 1, all.length, all.length + 1]) {
      const isKnown = index >= forgotten && index <= all.length;
      expect(log.termAt(index as LogIndex)).toBe(isKnown ? termOf(index) : undefined);
    }
    const middle = Math.floor((forgotten + all.length) / 2);
    const bytes = all.slice(middle).reduce((sum, { payload }) => sum + payload.byteLength, 0);
    expect(log.bytesAfter(middle as LogIndex)).toBe(bytes);
    const bound = at(all.length - 3, termOf(middle));
    const lowest = Math.max(forgotten, 0);
    let found = Math.min(bound.index, all.length);
    while (found > lowest && termOf(found) > bound.term) found -= 1;
    expect(log.lastAtOrBelow(bound).index).toBe(Math.max(found, lowest));
  }

  test('a batch holds as many entries as fit, and one at least', () => {
    const log = new RaftLog(beforeFirst, entriesOf([1, 1, 1, 1]));
    const sizes = (bytesMax: number, entriesMax = 10, from = 1): number =>
      log.batch(from as LogIndex, { bytesMax, entriesMax }).length;
    expect([sizes(0), sizes(3), sizes(5), sizes(6), sizes(99), sizes(99, 2), sizes(99, 9, 3)]).toEqual([
      1, 1, 1, 2, 4, 2, 2,
    ]);
  });

  test('refuses a gap, a term that decreases, and to truncate a snapshot', () => {
    const log = new RaftLog(at(2, 2), []);
    expect(() => log.append([entryOf(4, 2)])).toThrow('no gap');
    expect(() => log.append([entryOf(3, 1)])).toThrow('never decrease');
    expect(() => log.truncateAfter(1 as LogIndex)).toThrow('never truncated');
    expect(() => log.compactTo(3 as LogIndex)).toThrow('only what the log holds');
  });
});

describe('[Raft fig. 4] the table of roles', () => {
  const cells = Object.entries(roleTable).flatMap(([from, row]) =>
    Object.entries(row).map(([event, to]) => ({ from, event, to })),
  ) as { from: RoleName; event: RoleEvent; to: RoleName | 'illegal' }[];

  test.each(cells)('$from on $event: $to', ({ from, event, to }) => {
    for (const other of ['follower', 'pre-candidate', 'candidate', 'leader'] as const) {
      if (other === to) checkTransition(from, event, other);
      else expect(() => checkTransition(from, event, other)).toThrow(event);
    }
  });
});
