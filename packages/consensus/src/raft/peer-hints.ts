/**
 * Hints about peers from outside the protocol: they shorten a wait or end a rest, and decide nothing.
 *
 * A hint that a peer's thread has ended voids the loyalty that a leader's lease counts on, though no timeout has
 * passed. That is safe because it comes from the thread's own exit, for the very life that ended: a leader that
 * has no thread serves no read, and its next life begins as a follower. Mere silence proves no such thing; it
 * ends a rest, and leaves the loyal bound until their timeout has passed.
 */
import type { NodeId } from '@quorate/core';
import { expectLastWords } from '../last-words.ts';
import { campaign, mayCampaign } from './candidate.ts';
import { keepAwake } from './quiescence.ts';
import { becomeFollower } from './role-change.ts';
import { type Effects, ownTurnMs, type RaftState, resetElectionTimer } from './state.ts';

/** The thread of `peer` has ended. */
export function onPeerDown(state: RaftState, peer: NodeId, effects: Effects): void {
  const { nowMs, options, lastWords } = state;
  expectLastWords(lastWords, peer, { nowMs, electionTimeoutMinMs: options.electionTimeoutMs[0] });
  if (state.role.name === 'leader') noteGone(state, peer);
  if (state.role.name !== 'follower' || state.role.leader !== peer) return;
  becomeFollower(state, 'leader-down', { term: state.currentTerm, leader: undefined }, effects);
  state.lastHeardLeaderMs = Number.NEGATIVE_INFINITY;
  standInTurn(state, peer, effects);
}

/** The node of `peer` has not been heard for an election timeout. */
export function onPeerSilent(state: RaftState, peer: NodeId, effects: Effects): void {
  const { role, nowMs, options } = state;
  if (role.name === 'leader') noteGone(state, peer);
  if (role.name !== 'follower' || role.leader !== peer || !role.rests) return;
  role.rests = false;
  resetElectionTimer(state);
  // The timeout has passed already, unless the leader was heard since.
  if (nowMs - state.lastHeardLeaderMs >= options.electionTimeoutMs[0]) standInTurn(state, peer, effects);
}

/**
 * A leader does not wait for a peer that is gone before it rests. It may be this server that is cut off,
 * so the news ends a rest: the next rounds will tell.
 */
function noteGone(state: RaftState, peer: NodeId): void {
  const { role } = state;
  if (role.name !== 'leader') return;
  const progress = role.progress.get(peer);
  if (progress === undefined || progress.isGone) return;
  progress.isGone = true;
  keepAwake(state, role);
}

function standInTurn(state: RaftState, gone: NodeId, effects: Effects): void {
  state.electionDueMs = ownTurnMs(state, gone);
  if (state.electionDueMs === state.nowMs && mayCampaign(state)) campaign(state, effects);
}
