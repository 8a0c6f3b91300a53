/**
 * Ballots and slots: the two numbers that Multi-Paxos is made of.
 *
 * A ballot packs a round and the ordinal of its proposer (its place among the sorted members) into one
 * safe integer, so that ballots of different proposers never collide and compare like numbers
 * [PaxosSimple §2.2: "different proposers choose their numbers from disjoint sets"]. Ballot and slot
 * are the neutral interface's reign and index under their own names: an accepted value crosses that
 * border as it is, without a copy.
 */
import { invariant } from '@quorate/core';
import type { LogIndex, Reign } from '../protocol.ts';

/** The number of a proposal: 0 before any, total order, each owned by one proposer. */
export type Ballot = Reign;

/** One instance of Paxos in the sequence of them: 1 for the first. */
export type Slot = LogIndex;

/** Members that an ordinal can tell apart; a set of acceptors is a mask of 31 bits. */
export const acceptorCountMax = 31;

const ordinalsPerRound = 32;

/** Lower than every ballot that a proposer uses. */
export const noBallot = 0 as Ballot;

/** The slot before the first. */
export const noSlot = 0 as Slot;

export function ballotOf(parts: { readonly round: number; readonly ordinal: number }): Ballot {
  invariant(parts.ordinal >= 0 && parts.ordinal < acceptorCountMax, 'an ordinal names one of the members');
  const ballot = parts.round * ordinalsPerRound + parts.ordinal;
  invariant(Number.isSafeInteger(ballot) && parts.round >= 1, 'a ballot is a safe integer of a round >= 1');
  return ballot as Ballot;
}

export function roundOf(ballot: Ballot): number {
  return Math.floor(ballot / ordinalsPerRound);
}

/** The ordinal of the only proposer that may use `ballot`. */
export function proposerOf(ballot: Ballot): number {
  return ballot % ordinalsPerRound;
}

/** The lowest round above everything that the proposer has promised or seen. [PaxosSimple §2.5] */
export function ballotAbove(seen: Ballot, proposer: { readonly ordinal: number }): Ballot {
  return ballotOf({ round: roundOf(seen) + 1, ordinal: proposer.ordinal });
}

export function higherBallot(a: Ballot, b: Ballot): Ballot {
  return a > b ? a : b;
}

export function nextSlot(slot: Slot): Slot {
  return (slot + 1) as Slot;
}

export function previousSlot(slot: Slot): Slot {
  return (slot - 1) as Slot;
}

export function earlierSlot(a: Slot, b: Slot): Slot {
  return a < b ? a : b;
}

export function laterSlot(a: Slot, b: Slot): Slot {
  return a > b ? a : b;
}
