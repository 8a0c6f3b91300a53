/**
 * A set of acceptors as a mask of ordinals: whoever answers twice is still in it once.
 *
 * Counting answers instead of collecting who answered is how a duplicated message elects a leader.
 */
import { type Brand, invariant } from '@quorate/core';
import { acceptorCountMax } from './ballot.ts';

export type AcceptorSet = Brand<number, 'AcceptorSet'>;

export const noAcceptors = 0 as AcceptorSet;

export function withAcceptor(set: AcceptorSet, ordinal: number): AcceptorSet {
  invariant(ordinal >= 0 && ordinal < acceptorCountMax, 'an ordinal names one of the members');
  return (set | (1 << ordinal)) as AcceptorSet;
}

export function hasAcceptor(set: AcceptorSet, ordinal: number): boolean {
  return (set & (1 << ordinal)) !== 0;
}

export function acceptorCount(set: AcceptorSet): number {
  let count = 0;
  // Each turn clears the lowest bit that is set.
  for (let rest: number = set; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
