/**
 * Stability: the rules that keep a working leader in place. What is chosen is safe without them, any ballot
 * may be prepared at any time; they keep one slow or half cut off node from costing everyone an
 * election. Only the leader's lease counts on one of them, the loyalty of acceptors. [PaxosLive §4.2, §5.2]
 */
import type { NodeId } from '@quorate/core';
import type { AcceptorSet } from './acceptor-set.ts';
import type { Ballot, Slot } from './ballot.ts';
import { canElectAndChoose, isPhase2Quorum, type PhaseQuorums } from './phase-quorums.ts';

/**
 * Whether an acceptor still counts the leader that it heard last among the living: itself, one that said
 * that it would be silent, or one that was heard within the shortest election timeout. As long as that is so
 * it answers nobody else's prepare.
 */
export function leaderSeemsAlive(heard: {
  readonly leads: boolean;
  readonly rests: boolean;
  readonly leaderHeardMs: number;
  readonly nowMs: number;
  readonly electionTimeoutMinMs: number;
}): boolean {
  return heard.leads || heard.rests || heard.nowMs - heard.leaderHeardMs < heard.electionTimeoutMinMs;
}

/**
 * Whether the leader that an acceptor is loyal to has given way to the proposer that asks. It speaks of one
 * ballot, so an acceptor that does not know whose ballot it last heard, as after a restart, is not free.
 */
export function leaderGaveWay(acceptor: {
  readonly leader: NodeId | undefined;
  readonly promised: Ballot;
  readonly gaveWay: Ballot;
}): boolean {
  return acceptor.leader !== undefined && acceptor.gaveWay === acceptor.promised;
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
 * Whether anybody could follow a leader that lets go: with a small `acceptQuorum` a leader may serve among fewer
 * acceptors than it takes to elect. It keeps the lead then, whoever asks for it.
 */
export function canBeSucceeded(present: AcceptorSet, quorums: PhaseQuorums): boolean {
  return canElectAndChoose(present, quorums);
}

/**
 * How long a leader that let go because of its disk leaves it to the others to stand: long enough for one of
 * them to miss it and to win, or a disk that stalls now and then would win again each time.
 */
export function unfitMs(electionTimeoutMaxMs: number): number {
  return 2 * electionTimeoutMaxMs;
}

/**
 * How long after a leader's thread has ended a follower stands: the first of the rest at once, each
 * further one a fifth of a heartbeat later, so that they do not duel.
 */
export function staggerMs(follower: { readonly rank: number; readonly heartbeatMs: number }): number {
  return (follower.rank * follower.heartbeatMs) / 5;
}
