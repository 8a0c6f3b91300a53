/**
 * When a member of one of many groups stands for election after a start: each group at a time of its own, and of a
 * group one member after the other.
 *
 * A node that starts with hundreds of groups begins hundreds of elections. Were all of them drawn from the same
 * few hundred milliseconds, their candidates would take each other's votes and all of them each other's time, and
 * with enough groups no election would ever end in time. The first turn goes round with the number of the group,
 * so that each node comes to lead as many groups as the others.
 */
import type { NodeId } from '@quorate/core';

/** About what an election costs a machine: so far apart, those of many groups do not pile up. */
const electionMs = 1;

/** @returns milliseconds from the start of this member on, for as long as it hears no leader */
export function firstTurnMs(
  member: { readonly group: number; readonly self: NodeId; readonly members: readonly NodeId[] },
  [minMs, maxMs]: readonly [min: number, max: number],
): number {
  const { group, self, members } = member;
  const rank = (members.indexOf(self) + members.length - (group % members.length)) % members.length;
  return minMs + group * electionMs + rank * maxMs;
}
