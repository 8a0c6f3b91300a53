/**
 * Standing for election: first ask whether it could be won, then ask for votes. [Raft §5.2], [RaftThesis §9.6]
 */
import type { NodeId } from '@quorate/core';
import { isMajority } from '../quorum/majority.ts';
import { assumeLeadership } from './leader.ts';
import type { Term } from './log.ts';
import type { PreVoteReply, PreVoteRequest, TimeoutNow, VoteReply, VoteRequest } from './message.ts';
import { becomeCandidate, becomePreCandidate } from './role-change.ts';
import type { Campaigner, Effects, RaftState } from './state.ts';

/** Starts with pre-votes, so that a server which cannot win leaves everybody's term alone. */
export function campaign(state: RaftState, effects: Effects): void {
  const campaigner = becomePreCandidate(state);
  if (isMajority(state.options.members, campaigner.grantedBy)) {
    standForElection(state, nobodyGaveWay);
    return;
  }
  const request = preVoteRequest(state);
  for (const to of state.peers) effects.push({ type: 'send', to, message: request });
}

/** The leader of `term` gives way to this server: it stands at once. [RaftThesis §3.10] */
export function onTimeoutNow(state: RaftState, from: NodeId, { term }: TimeoutNow): void {
  const { role, currentTerm } = state;
  const isFromLeader = role.name === 'follower' && role.leader === from && term === currentTerm;
  if (isFromLeader && mayCampaign(state)) standForElection(state, term);
}

function standForElection(state: RaftState, gaveWay: Term): void {
  const candidate = becomeCandidate(state, gaveWay);
  const request = voteRequest(state, candidate);
  for (const to of state.peers) state.durability.sendWhenWritten(to, request);
}

/**
 * A server whose disk does not answer cannot vote for itself, let alone lead: it waits, and leaves the
 * election to others.
 */
export function mayCampaign(state: RaftState): boolean {
  if (state.nowMs < state.standBack.untilMs) return false;
  return state.durability.waitingMs(state.nowMs) <= state.options.electionTimeoutMs[1];
}

/** Asks those again who have not answered; requests and answers get lost. */
export function askAgain(state: RaftState, campaigner: Campaigner, effects: Effects): void {
  campaigner.askAgainAtMs = state.nowMs + state.options.heartbeatMs;
  const isOwnVoteDurable = state.durability.durableTerm === state.currentTerm;
  if (campaigner.name === 'candidate' && !isOwnVoteDurable) return;
  const message = campaigner.name === 'candidate' ? voteRequest(state, campaigner) : preVoteRequest(state);
  for (const to of state.peers) {
    if (!campaigner.answeredBy.has(to)) effects.push({ type: 'send', to, message });
  }
}

export function onPreVoteReply(state: RaftState, from: NodeId, reply: PreVoteReply): void {
  const { role } = state;
  if (role.name !== 'pre-candidate') return;
  role.answeredBy.add(from);
  if (!reply.granted || reply.term !== state.currentTerm + 1) return;
  role.grantedBy.add(from);
  if (isMajority(state.options.members, role.grantedBy)) standForElection(state, nobodyGaveWay);
}

export function onVoteReply(state: RaftState, from: NodeId, reply: VoteReply, effects: Effects): void {
  const { role } = state;
  if (role.name !== 'candidate' || reply.term !== state.currentTerm) return;
  role.answeredBy.add(from);
  if (reply.granted) countVote(state, role, from, effects);
}

/** The vote for oneself is durable. */
export function onOwnVoteDurable(state: RaftState, candidate: Campaigner, effects: Effects): void {
  countVote(state, candidate, state.options.self, effects);
}

function countVote(state: RaftState, candidate: Campaigner, voter: NodeId, effects: Effects): void {
  candidate.grantedBy.add(voter);
  if (isMajority(state.options.members, candidate.grantedBy)) assumeLeadership(state, 'votes-won', effects);
}

export function preVoteRequest(state: RaftState): PreVoteRequest {
  const { index: lastIndex, term: lastTerm } = state.log.last;
  return { type: 'pre-vote-request', term: (state.currentTerm + 1) as Term, lastIndex, lastTerm };
}

function voteRequest(state: RaftState, { gaveWay }: Campaigner): VoteRequest {
  const { index: lastIndex, term: lastTerm } = state.log.last;
  return { type: 'vote-request', term: state.currentTerm, lastIndex, lastTerm, gaveWay };
}

const nobodyGaveWay = 0 as Term;
