/**
 * Answering candidates, in whatever role one is. [Raft §5.2, §5.4.1], [RaftThesis §4.2.3, §9.6]
 */
import type { NodeId } from '@quorate/core';
import { preVoteRequest } from './candidate.ts';
import {
  type Candidacy,
  hasPrecedence,
  isLeaderFresh,
  mayGrantPreVote,
  mayGrantVote,
  type Voter,
} from './election-restriction.ts';
import { isReleased } from './leadership-transfer.ts';
import type { PreVoteRequest, VoteRequest } from './message.ts';
import { keepAwake, wakeFollower } from './quiescence.ts';
import { becomeFollower } from './role-change.ts';
import { type Effects, type RaftState, resetElectionTimer } from './state.ts';

/** Binds nobody, so neither term nor timer changes. */
export function onPreVoteRequest(state: RaftState, from: NodeId, request: PreVoteRequest): void {
  disturb(state);
  if (request.term > state.currentTerm && isLoyal(state)) return;
  if (insistsOnItsTurn(state, from, request)) {
    // Who asks has given up the leader for whose sake it may have ignored this server's own request.
    state.durability.sendWhenTermWritten(from, preVoteRequest(state));
    return;
  }
  const granted = mayGrantPreVote(asVoter(state), asCandidacy(from, request));
  const term = granted ? request.term : state.currentTerm;
  state.durability.sendWhenTermWritten(from, { type: 'pre-vote-reply', term, granted });
}

/** Whether this server asks for the same term as its rival, goes first, and has not been at it for long. */
function insistsOnItsTurn(state: RaftState, from: NodeId, request: PreVoteRequest): boolean {
  const { role, options, nowMs } = state;
  if (role.name !== 'pre-candidate' || nowMs >= role.insistsUntilMs) return false;
  return hasPrecedence(asCandidacy(options.self, preVoteRequest(state)), asCandidacy(from, request));
}

export function onVoteRequest(state: RaftState, from: NodeId, request: VoteRequest, effects: Effects): void {
  disturb(state);
  // Only a stale request is answered by the loyal, and one that this server has answered before. The term alone
  // does not tell: a mere reply may have brought this server to the candidate's term, and the leader that it
  // heard in the term before may still count on its loyalty.
  const isNews = request.term > state.currentTerm || state.votedFor !== from;
  if (request.term >= state.currentTerm && isNews && isBound(state, request)) return;
  if (request.term > state.currentTerm) {
    becomeFollower(state, 'higher-term', { term: request.term, leader: undefined }, effects);
  }
  const granted = mayGrantVote(asVoter(state), asCandidacy(from, request));
  if (granted) {
    if (state.votedFor === undefined) {
      state.votedFor = from;
      state.durability.changeHardState();
    }
    resetElectionTimer(state);
  }
  state.durability.sendWhenWritten(from, { type: 'vote-reply', term: state.currentTerm, granted });
}

/** Who asks for votes has missed something: nobody rests while it does. */
function disturb(state: RaftState): void {
  wakeFollower(state);
  if (state.role.name === 'leader') keepAwake(state, state.role);
}

/** Whether this server owes a leader that it elects nobody else now, and that leader has not given way. */
function isBound(state: RaftState, { gaveWay }: VoteRequest): boolean {
  const loyalToTerm = state.role.name === 'leader' ? state.currentTerm : state.lastHeardLeaderTerm;
  return isLoyal(state) && !isReleased({ loyalToTerm }, gaveWay);
}

/** Whether this server leads, or has just heard who does. */
function isLoyal({ role, lastHeardLeaderMs, nowMs, options }: RaftState): boolean {
  const [electionTimeoutMinMs] = options.electionTimeoutMs;
  return (
    role.name === 'leader' || isLeaderFresh({ lastHeardMs: lastHeardLeaderMs, nowMs, electionTimeoutMinMs })
  );
}

function asVoter({ currentTerm, votedFor, log }: RaftState): Voter {
  return { currentTerm, votedFor, lastPosition: log.last };
}

function asCandidacy(candidate: NodeId, request: PreVoteRequest | VoteRequest): Candidacy {
  const { term, lastIndex, lastTerm } = request;
  return { candidate, term, lastPosition: { index: lastIndex, term: lastTerm } };
}
