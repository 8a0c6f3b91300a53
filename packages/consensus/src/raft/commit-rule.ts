/**
 * The commit rule: how far a leader may call its log committed. [Raft §5.3, §5.4.2]
 *
 * Counting copies of an older leader's entry is the famous trap: the entry can sit on a quorum and
 * still be overwritten [Raft fig. 8]. Only an entry of the leader's own term counts; everything before
 * it is then committed with it, by Log Matching.
 */
import { invariant } from '@quorate/core';
import type { LogIndex } from '../protocol.ts';
import { majorityReached } from '../quorum/majority.ts';
import type { RaftLog, Term } from './log.ts';

export interface CommitView {
  readonly commitIndex: LogIndex;
  readonly currentTerm: Term;
  /** One per member, the leader's own included: up to where it durably holds the leader's log. */
  readonly matchIndexes: readonly LogIndex[];
}

/** @returns the new commitIndex; never lower than the old one */
export function advanceCommitIndex(log: RaftLog, view: CommitView): LogIndex {
  const heldByMajority = majorityReached(view.matchIndexes) as LogIndex;
  invariant(heldByMajority <= log.lastIndex, 'a majority cannot hold more than its leader wrote');
  if (heldByMajority <= view.commitIndex) return view.commitIndex;

  const isOwnEntry = log.termAt(heldByMajority) === view.currentTerm;
  return isOwnEntry ? heldByMajority : view.commitIndex;
}

/** How far a follower may commit after an append: never past what that append has matched. [Raft fig. 2] */
export function followerCommitIndex(known: {
  readonly commitIndex: LogIndex;
  readonly leaderCommitIndex: LogIndex;
  readonly matchedIndex: LogIndex;
}): LogIndex {
  return Math.max(known.commitIndex, Math.min(known.leaderCommitIndex, known.matchedIndex)) as LogIndex;
}
