/**
 * Leadership transfer: how a leader passes its lead on without a pause that anyone would call a failure.
 * [RaftThesis §3.10]
 *
 * The leader takes no more proposals, brings the target's log up to its own, gives up its lease and tells the
 * target to stand at once. The target asks for votes without asking for pre-votes first, and its requests
 * name the term whose leader gave way: who is loyal to that leader is free to answer.
 *
 * A message may be lost: it is repeated, and the leader keeps the lead when nothing has come of it after an
 * election timeout. Its lease does not come back, for the word that it gave way may still be under way.
 */
import type { NodeId } from '@quorate/core';
import { endLease } from './leader-lease.ts';
import type { Term } from './log.ts';
import { keepAwake } from './quiescence.ts';
import type { Effects, Leader, RaftState } from './state.ts';

export interface Transfer {
  readonly to: NodeId;
  /** When it is given up. */
  readonly untilMs: number;
  /** When the target was last told to stand. */
  sentAtMs: number;
}

/** To itself, to a stranger, or to a second target at a time a leader cannot hand over, and says so at once. */
export function onTransfer(state: RaftState, leader: Leader, to: NodeId, effects: Effects): void {
  if (leader.transfer?.to === to) return;
  if (leader.transfer !== undefined || !leader.progress.has(to)) {
    effects.push({ type: 'transfer-failed', to });
    return;
  }
  keepAwake(state, leader);
  const untilMs = state.nowMs + state.options.electionTimeoutMs[0];
  leader.transfer = { to, untilMs, sentAtMs: Number.NEGATIVE_INFINITY };
  advanceTransfer(state, leader, effects);
}

/** Takes the next step of a transfer that is under way, if its time has come. */
export function advanceTransfer(state: RaftState, leader: Leader, effects: Effects): void {
  const { transfer } = leader;
  if (transfer === undefined) return;
  const { to, untilMs, sentAtMs } = transfer;
  if (state.nowMs >= untilMs) {
    leader.transfer = undefined;
    effects.push({ type: 'transfer-failed', to });
    return;
  }
  const hasWholeLog = leader.progress.get(to)?.matchIndex === state.log.lastIndex;
  if (!hasWholeLog || state.nowMs - sentAtMs < state.options.heartbeatMs) return;
  transfer.sentAtMs = state.nowMs;
  // In this order: once the target may be elected, nobody may be told anything by lease.
  endLease(leader.lease);
  effects.push({ type: 'send', to, message: { type: 'timeout-now', term: state.currentTerm } });
}

/**
 * Whether a candidate's word that a leader gave way frees a voter that is loyal: it must speak of the very
 * leader that has the voter's loyalty, or of a later one. An earlier leader's lease had run out, or was given
 * up, before a later leader could be elected at all.
 */
export function isReleased(voter: { readonly loyalToTerm: Term }, gaveWay: Term): boolean {
  return gaveWay > 0 && gaveWay >= voter.loyalToTerm;
}
