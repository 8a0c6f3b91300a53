/**
 * Majorities: any two of them share a member, which is all that Raft and Paxos need of a quorum.
 * [PaxosSimple §2.2], [Raft §5.2, §5.3]
 */
import { invariant, type NodeId } from '@quorate/core';

/** The smallest number of members of which any two sets overlap. */
export function majoritySize(memberCount: number): number {
  invariant(memberCount >= 1, 'a quorum needs at least one member');
  return Math.floor(memberCount / 2) + 1;
}

/** Whether the members that agreed are a majority. A member counts once, a stranger not at all. */
export function isMajority(members: readonly NodeId[], agreed: ReadonlySet<NodeId>): boolean {
  let count = 0;
  for (const member of members) if (agreed.has(member)) count += 1;
  return count >= majoritySize(members.length);
}

/** The highest number that a majority has reached. @param reached one number per member */
export function majorityReached(reached: readonly number[]): number {
  const descending = [...reached].sort((a, b) => b - a);
  const slowestOfQuorum = descending[majoritySize(reached.length) - 1];
  invariant(slowestOfQuorum !== undefined, 'one number per member');
  return slowestOfQuorum;
}
