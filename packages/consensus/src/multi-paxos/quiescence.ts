/**
 * Quiescence: a leader with nothing to say says so, and then nobody sends anything.
 *
 * The last heartbeats carry `rests`. An acceptor that has learned everything takes that for the leader's word
 * that it will be silent: it stops its own timer, and stays loyal until it hears anything, or is told that
 * the leader's node is gone. When all have answered, the leader stops too. Whoever missed it stands after
 * a while as ever, is refused by those who rest, and wakes the leader by asking. Nothing of this is
 * needed for safety: what confirms a leader to its readers is asked anew after every rest.
 */
import type { NodeId } from '@quorate/core';
import { resetStandTimer } from './allegiance.ts';
import { diskSilenceMs } from './outbox.ts';
import { isRoundConfirmed } from './round-confirmation.ts';
import { staggerMs } from './stability.ts';
import type { Leading, MultiPaxosState } from './state.ts';

/** Decides for the round that is being sent whether it may be the last, and keeps its number. */
export function nowIsRestRound(state: MultiPaxosState, leading: Leading): boolean {
  const rests = mayRest(state, leading);
  leading.restRound = rests ? leading.round : undefined;
  return rests;
}

/** Whether everything is chosen and known to everyone that lives, and nobody has asked for anything lately. */
function mayRest(state: MultiPaxosState, leading: Leading): boolean {
  const { quiesces, electionTimeoutMs } = state.options;
  if (quiesces !== true || state.nowMs - leading.activeAtMs < electionTimeoutMs[0]) return false;
  if (leading.lastProposed > state.chosenUpTo || leading.reads.length > 0) return false;
  if (leading.handOver !== undefined || diskSilenceMs(state) > 0) return false;
  for (const peer of leading.peers.values()) {
    if (!peer.isGone && peer.learnedUpTo < state.chosenUpTo) return false;
  }
  return true;
}

/** An acceptor has answered: if it was the last one to be waited for, the leader falls silent. */
export function restIfAllKnow(state: MultiPaxosState, leading: Leading): void {
  const { restRound } = leading;
  if (restRound === undefined || !isRoundConfirmed(state, leading, restRound)) return;
  for (const peer of leading.peers.values()) {
    if (!peer.isGone && peer.confirmedRound < restRound) return;
  }
  state.rests = true;
}

/** Something is wanted of the leader. After a rest its acceptors get the time to answer that they always get. */
export function keepAwake(state: MultiPaxosState, leading: Leading): void {
  leading.activeAtMs = state.nowMs;
  leading.restRound = undefined;
  if (!state.rests) return;
  state.rests = false;
  leading.heartbeatAtMs = state.nowMs;
  for (const peer of leading.peers.values()) peer.heardMs = state.nowMs;
}

/** The leader says that it falls silent; who lacks nothing believes it. */
export function restWithLeader(state: MultiPaxosState): void {
  if (state.chosenUpTo < state.leaderWatermark) return;
  state.rests = true;
  state.standAtMs = Number.POSITIVE_INFINITY;
}

/** The node of `peer` has not been heard for an election timeout. */
export function onPeerSilent(state: MultiPaxosState, peer: NodeId): void {
  const { proposer, options } = state;
  if (proposer.phase === 'leading') {
    notePeerGone(state, proposer, peer);
    // It may be this node that is cut off: the next rounds will tell.
    if (state.rests) keepAwake(state, proposer);
    return;
  }
  if (state.leader !== peer || !state.rests) return;
  state.rests = false;
  resetStandTimer(state);
  // The timeout has passed already, unless the leader was heard since.
  if (state.nowMs - state.leaderHeardMs < options.electionTimeoutMs[0]) return;
  const rank = options.members.filter((member) => member !== peer).indexOf(options.self);
  state.standAtMs = state.nowMs + staggerMs({ rank, heartbeatMs: options.heartbeatMs });
}

/** A leader does not wait for a dead acceptor before it rests; that one will ask when it is back. */
export function notePeerGone(state: MultiPaxosState, leading: Leading, gone: NodeId): void {
  const peer = leading.peers.get(gone);
  if (peer === undefined) return;
  peer.isGone = true;
  restIfAllKnow(state, leading);
}
