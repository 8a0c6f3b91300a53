/**
 * Who may have a vote: the rules that keep a leader's log complete and a working leader undisturbed.
 * [Raft §5.2, §5.4.1], [RaftThesis §4.2.3, §9.6]
 */
import type { NodeId } from '@quorate/core';
import type { LogPosition, Term } from './log.ts';

/** Election restriction: later term wins, then longer log. [Raft §5.4.1] */
export function isAtLeastAsUpToDate(candidate: LogPosition, voter: LogPosition): boolean {
  if (candidate.term !== voter.term) return candidate.term > voter.term;
  return candidate.index >= voter.index;
}

export interface Voter {
  readonly currentTerm: Term;
  readonly votedFor: NodeId | undefined;
  readonly lastPosition: LogPosition;
}

export interface Candidacy {
  readonly candidate: NodeId;
  readonly term: Term;
  readonly lastPosition: LogPosition;
}

/** One vote a term, for a candidate of this very term whose log lacks nothing that the voter has. [Raft §5.2] */
export function mayGrantVote(voter: Voter, candidacy: Candidacy): boolean {
  const isFree = voter.votedFor === undefined || voter.votedFor === candidacy.candidate;
  return (
    candidacy.term === voter.currentTerm &&
    isFree &&
    isAtLeastAsUpToDate(candidacy.lastPosition, voter.lastPosition)
  );
}

/** A pre-vote says "I would", and binds nobody; the term asked for must be a new one. [RaftThesis §9.6] */
export function mayGrantPreVote(voter: Voter, candidacy: Candidacy): boolean {
  return (
    candidacy.term > voter.currentTerm && isAtLeastAsUpToDate(candidacy.lastPosition, voter.lastPosition)
  );
}

/**
 * Which of two that ask for the same pre-votes goes first: with logs that are equally good, the earlier name.
 * Two followers that miss their leader at the same moment would otherwise grant each other's wish, stand both,
 * vote for themselves, and lose a whole election timeout.
 *
 * Drawing timeouts from a wide interval makes that rare [Raft §5.2], but a hint lets both stand within
 * milliseconds. A rank by name as the only rule would let one that cannot win keep another from it; so whoever
 * goes first insists on it for a heartbeat, and grants as ever after that.
 */
export function hasPrecedence(own: Candidacy, rival: Candidacy): boolean {
  const { lastPosition: ours } = own;
  const { lastPosition: theirs } = rival;
  const isLogEqual = ours.term === theirs.term && ours.index === theirs.index;
  return own.term === rival.term && isLogEqual && own.candidate < rival.candidate;
}

/**
 * Leader stickiness: who heard a leader within the minimum election timeout takes no part in an
 * election, not even by adopting its term. Otherwise a server that is merely cut off from the leader,
 * and not the rest of the cluster, could depose it again and again. [RaftThesis §4.2.3]
 */
export function isLeaderFresh(heard: {
  readonly lastHeardMs: number;
  readonly nowMs: number;
  readonly electionTimeoutMinMs: number;
}): boolean {
  return heard.nowMs - heard.lastHeardMs < heard.electionTimeoutMinMs;
}
