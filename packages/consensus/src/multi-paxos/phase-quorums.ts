/**
 * The quorums of the two phases, named apart: Paxos needs every phase-1 quorum to meet every phase-2
 * quorum, and nothing else. Both are majorities here; a flexible pair changes these two functions
 * and nothing around them. [PaxosSimple §2.2]
 */
import { majoritySize } from '../quorum/majority.ts';
import { type AcceptorSet, acceptorCount } from './acceptor-set.ts';

/** Enough promises to propose: no value chosen under a lower ballot can be hidden from these acceptors. */
export function isPhase1Quorum(acceptors: AcceptorSet, memberCount: number): boolean {
  return acceptorCount(acceptors) >= majoritySize(memberCount);
}

/**
 * Enough acceptances under one ballot to choose. Also what confirms a leader to its readers: a set that
 * meets every phase-1 quorum cannot have missed a later leader's promises.
 */
export function isPhase2Quorum(acceptors: AcceptorSet, memberCount: number): boolean {
  return acceptorCount(acceptors) >= majoritySize(memberCount);
}
