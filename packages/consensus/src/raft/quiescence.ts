/**
 * Quiescence: a leader with nothing to say says so, and then its group sends nothing at all.
 *
 * The leader's last heartbeats carry `rests`, for each follower that holds the whole log; they commit all of it.
 * Such a follower stops its election timer and stays loyal, until anybody asks it for anything or it is told
 * that the leader's node has gone silent. When all have answered, the leader stops too. Whoever missed the word
 * stands after a while as ever, finds nobody to vote for it, and wakes the leader by asking.
 *
 * Safety has no part in this. An election that comes for want of loyalty is decided as ever; and the lease is not
 * extended in the silence, while every promise that it counts on lasts at least as long as without it.
 */
import { majoritySize } from '../quorum/majority.ts';
import type { Progress } from './progress.ts';
import { type Leader, type RaftState, resetElectionTimer } from './state.ts';

/** What a leader keeps about its rest. */
export interface Rest {
  isSilent: boolean;
  /** The last round sent, if it announced the rest; 0 if it did not. */
  round: number;
  /** When anything was last asked of this leader. */
  activeAtMs: number;
}

/** Decides whether the round that is about to be sent announces the rest. */
export function announceRest(state: RaftState, leader: Leader): void {
  leader.rest.round = mayRest(state, leader) ? leader.round : 0;
}

/**
 * Whether all is committed and held by everyone that lives, and nobody has asked for anything lately. A transfer
 * is given up by then; a read that still waits is answered by the same round that ends in silence.
 */
function mayRest(state: RaftState, { rest, progress }: Leader): boolean {
  const { options, nowMs, commitIndex, log, durability } = state;
  if (options.quiesces !== true || nowMs - rest.activeAtMs < options.electionTimeoutMs[0]) return false;
  if (commitIndex < log.lastIndex || durability.waitingMs(nowMs) > 0) return false;
  for (const peer of progress.values()) if (!peer.isGone && !holdsAll(state, peer)) return false;
  return true;
}

/** Whether a follower may be told to rest: it must not take a part of the log for the whole. */
export function isToldToRest(state: RaftState, { rest, round }: Leader, peer: Progress): boolean {
  return rest.round === round && holdsAll(state, peer);
}

function holdsAll({ log }: RaftState, { matchIndex }: Progress): boolean {
  return matchIndex === log.lastIndex;
}

/** A round was answered: if that was the last answer to be waited for, the leader falls silent. */
export function restIfAllKnow(state: RaftState, { rest, progress }: Leader): void {
  if (rest.round === 0) return;
  let know = 1;
  for (const { isGone, ackedRound } of progress.values()) {
    if (isGone) continue;
    if (ackedRound < rest.round) return;
    know += 1;
  }
  // Without a majority there is nobody to lead, and check-quorum shall find that out.
  rest.isSilent = know >= majoritySize(state.options.members.length);
}

/** Something is asked of the leader. After a silence its peers get the time to answer that they always get. */
export function keepAwake({ nowMs }: RaftState, leader: Leader): void {
  const { rest, progress } = leader;
  rest.activeAtMs = nowMs;
  rest.round = 0;
  if (!rest.isSilent) return;
  rest.isSilent = false;
  leader.heartbeatDueMs = nowMs;
  for (const peer of progress.values()) peer.lastHeardMs = nowMs;
}

/** The leader falls silent, and this server has committed all that it has: it waits without a timer. */
export function restWithLeader(state: RaftState): void {
  const { role, options, commitIndex, log } = state;
  if (options.quiesces !== true || role.name !== 'follower' || commitIndex < log.lastIndex) return;
  role.rests = true;
}

/**
 * Somebody asks a follower for something. If it rested, its timer starts now, and so does the time for which it
 * is loyal: up to here it had no reason to doubt its leader.
 */
export function wakeFollower(state: RaftState): void {
  const { role } = state;
  if (role.name !== 'follower' || !role.rests) return;
  role.rests = false;
  state.lastHeardLeaderMs = state.nowMs;
  resetElectionTimer(state);
}
