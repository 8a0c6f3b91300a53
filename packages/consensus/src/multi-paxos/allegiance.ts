/**
 * Allegiance: raising the promise, following a leader, and letting go of the lead.
 */
import { invariant, type NodeId } from '@quorate/core';
import { isLastWord } from '../last-words.ts';
import { type Ballot, higherBallot, noSlot } from './ballot.ts';
import { staggerMs } from './stability.ts';
import { drawElectionTimeoutMs, idle, type MultiPaxosState } from './state.ts';

/** Raises the promise, to be durable with this step's write. Whoever proposes under a lower ballot stops. */
export function raisePromise(state: MultiPaxosState, ballot: Ballot): void {
  if (ballot <= state.promised) return;
  stopProposing(state);
  state.promised = ballot;
  state.highestBallotSeen = higherBallot(state.highestBallotSeen, ballot);
  state.outbox.hardStateChanged = true;
  state.leader = undefined;
  state.leaderWatermark = noSlot;
  // It rested with a leader that is passed by. Whom it follows next has to be heard first, and may not live so long.
  if (!state.rests) return;
  state.rests = false;
  resetStandTimer(state);
}

/**
 * Takes `from` for the leader of `ballot`, which is at least the one promised; unless it has ended meanwhile.
 * @returns whether it is followed
 */
export function follow(state: MultiPaxosState, ballot: Ballot, from: NodeId): boolean {
  invariant(ballot >= state.promised, 'only the leader of the highest ballot is followed');
  raisePromise(state, ballot);
  if (isLastWord(state.lastWords, from, state.nowMs)) {
    // Word of its end may have come before word of its lead.
    if (state.proposer.phase === 'idle') hastenStanding(state, from);
    return false;
  }
  invariant(
    state.proposer.phase !== 'leading' && state.proposer.phase !== 'preparing',
    'a ballot has one proposer',
  );
  state.proposer = idle;
  if (state.leader !== from) {
    state.leader = from;
    // What a new leader knows to be chosen it does not propose again: whoever lacks some of it asks now.
    state.catchUpAtMs = state.nowMs;
  }
  state.leaderHeardMs = state.nowMs;
  state.rests = false;
  resetStandTimer(state);
  return true;
}

/** The acceptor's loyalty goes to nobody: it answers another proposer, or its leader is gone. */
export function forsakeLeader(state: MultiPaxosState): void {
  state.leader = undefined;
  state.leaderHeardMs = Number.NEGATIVE_INFINITY;
  state.rests = false;
}

/** Ends whatever this proposer was about. Reads that wait for its lead are refused. */
export function stopProposing(state: MultiPaxosState): void {
  const { proposer } = state;
  if (proposer.phase === 'leading') {
    for (const { read } of proposer.reads) state.outbox.effects.push({ type: 'read-refused', read });
    state.leader = undefined;
    state.rests = false;
  }
  if (proposer.phase === 'idle') return;
  state.proposer = idle;
  resetStandTimer(state);
}

/** A new random time to stand: proposers that collided do not collide again. */
export function resetStandTimer(state: MultiPaxosState): void {
  state.standAtMs = state.nowMs + drawElectionTimeoutMs(state.options, state.random);
}

/** `gone` led, and its thread has ended: its followers need not wait for its silence. */
export function hastenStanding(state: MultiPaxosState, gone: NodeId): void {
  const { members, self, heartbeatMs } = state.options;
  const rank = members.filter((member) => member !== gone).indexOf(self);
  state.standAtMs = Math.min(state.standAtMs, state.nowMs + staggerMs({ rank, heartbeatMs }));
}

/** Notes a ballot that someone else has promised; the next own ballot will be above it. */
export function noteBallot(state: MultiPaxosState, ballot: Ballot): void {
  state.highestBallotSeen = higherBallot(state.highestBallotSeen, ballot);
}
