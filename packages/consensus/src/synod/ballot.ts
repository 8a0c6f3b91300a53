/**
 * Ballots: the numbers of proposals, totally ordered, each owned by one proposer.
 *
 * "Different proposers choose their numbers from disjoint sets of numbers, so two different proposers never
 * issue a proposal with the same number" [PaxosSimple §2.5]: a ballot carries its owner's name, and names
 * decide between equal rounds. [PaxosParliament §2.1, B1]
 */
import { invariant, type NodeId } from '@quorate/core';

/**
 * The number of a proposal: by round, then by proposer, so that no two proposers share one. [PaxosSimple §2.2]
 */
export interface Ballot {
  /** 1 for the first. */
  readonly round: number;
  /** The only proposer that may use this ballot. */
  readonly proposer: NodeId;
}

/** Whether `one` stands above `other`; above "none yet" stands every ballot. */
export function isHigher(one: Ballot, other: Ballot | undefined): boolean {
  if (other === undefined) return true;
  if (one.round !== other.round) return one.round > other.round;
  return one.proposer > other.proposer;
}

export function isSameBallot(one: Ballot, other: Ballot | undefined): boolean {
  return other !== undefined && one.round === other.round && one.proposer === other.proposer;
}

/**
 * The lowest ballot of `proposer` above all that it knows of. It has to stand above every ballot that this
 * proposer ever used, in this life or an earlier one: used twice, one number would stand for two values.
 * [PaxosSimple §2.5]
 */
export function ballotAbove(known: readonly (Ballot | undefined)[], proposer: NodeId): Ballot {
  const round = 1 + Math.max(0, ...known.map((ballot) => ballot?.round ?? 0));
  invariant(Number.isSafeInteger(round), 'a round is a safe integer');
  return { round, proposer };
}
