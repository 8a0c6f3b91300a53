/**
 * Stability: the rules that keep a working leader in place. None of them is needed for safety, any
 * ballot may be prepared at any time; they keep one slow or half cut off node from costing everyone an
 * election. [PaxosLive §4.2], [PaxosModerately]
 */
import type { AcceptorSet } from './acceptor-set.ts';
import type { Slot } from './ballot.ts';
import { canElectAndChoose, isPhase2Quorum, type PhaseQuorums } from './phase-quorums.ts';

/** Whether an acceptor still counts the leader that it heard last among the living. */
export function leaderSeemsAlive(heard: {
  readonly leads: boolean;
  readonly leaderHeardMs: number;
  readonly nowMs: number;
  readonly electionTimeoutMinMs: number;
}): boolean {
  return heard.leads || heard.nowMs - heard.leaderHeardMs < heard.electionTimeoutMinMs;
}

/**
 * Whether an acceptor still has what a proposer must hear from it. What is forgotten was chosen: a
 * proposer that asks for it must learn it first, and not take silence for an empty slot.
 */
export function canReportFrom(acceptor: { readonly fromSlot: Slot; readonly forgottenUpTo: Slot }): boolean {
  return acceptor.fromSlot > acceptor.forgottenUpTo;
}

/** Whether a canvass found enough acceptors to make a phase 1 worth its ballot. */
export function canvassSucceeded(granted: AcceptorSet, quorums: PhaseQuorums): boolean {
  return canElectAndChoose(granted, quorums);
}

/** Whether a leader has heard so few acceptors that it can choose nothing, and should let go. */
export function hasLostItsQuorum(heard: AcceptorSet, quorums: PhaseQuorums): boolean {
  return !isPhase2Quorum(heard, quorums);
}

/**
 * How long after a leader's thread has ended a follower stands: the first of the rest at once, each
 * further one a fifth of a heartbeat later, so that they do not duel.
 */
export function staggerMs(follower: { readonly rank: number; readonly heartbeatMs: number }): number {
  return (follower.rank * follower.heartbeatMs) / 5;
}
