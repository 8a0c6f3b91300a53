/**
 * The quorums of the two phases: every phase-1 quorum must meet every phase-2 quorum, and nothing else is
 * needed. [FlexiblePaxos §2]
 *
 * Two phase-1 quorums need not share an acceptor, nor two of phase 2. So fewer acceptors can be made to
 * choose, if more are needed to elect, and the other way round. Here a quorum is a set that is large enough:
 * `acceptQuorum` acceptors choose, and the smallest sets that cannot miss them elect.
 */
import { invariant } from '@quorate/core';
import { majoritySize } from '../quorum/majority.ts';
import { type AcceptorSet, acceptorCount } from './acceptor-set.ts';

export interface PhaseQuorums {
  /** Promises that let a proposer lead. */
  readonly phase1Size: number;
  /** Acceptances that choose. */
  readonly phase2Size: number;
}

/** @param acceptQuorum how many choose, 1 to `memberCount`; a majority unless told */
export function phaseQuorums(
  memberCount: number,
  acceptQuorum: number = majoritySize(memberCount),
): PhaseQuorums {
  invariant(
    Number.isInteger(acceptQuorum) && acceptQuorum >= 1 && acceptQuorum <= memberCount,
    'some of the acceptors choose, or all',
  );
  return { phase1Size: memberCount + 1 - acceptQuorum, phase2Size: acceptQuorum };
}

/** Enough promises to propose: no value chosen under a lower ballot can be hidden from these acceptors. */
export function isPhase1Quorum(acceptors: AcceptorSet, quorums: PhaseQuorums): boolean {
  return acceptorCount(acceptors) >= quorums.phase1Size;
}

/** Enough acceptances under one ballot to choose. */
export function isPhase2Quorum(acceptors: AcceptorSet, quorums: PhaseQuorums): boolean {
  return acceptorCount(acceptors) >= quorums.phase2Size;
}

/**
 * Whether no proposer can finish a phase 1 without one of these acceptors: what a reader needs to hear
 * before it believes that no later leader has chosen anything yet. Phase 2 asks for the very same.
 */
export function meetsEveryPhase1Quorum(acceptors: AcceptorSet, quorums: PhaseQuorums): boolean {
  return isPhase2Quorum(acceptors, quorums);
}

/**
 * Enough acceptors to elect a leader that can also choose something: whoever finds fewer need not try.
 */
export function canElectAndChoose(acceptors: AcceptorSet, quorums: PhaseQuorums): boolean {
  return isPhase1Quorum(acceptors, quorums) && isPhase2Quorum(acceptors, quorums);
}
