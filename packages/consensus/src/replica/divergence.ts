/**
 * Divergence: what a replica concludes about itself from the state hashes that members report.
 *
 * Equal index means equal state, so two hashes at one index prove that a state machine is not
 * deterministic; which of them is right only a majority can say. Each replica judges itself alone: nobody
 * is stopped by another's word, and a report that is lost or late costs time and nothing else.
 */
import type { NodeId } from '@quorate/core';
import { majoritySize } from '../quorum/majority.ts';
import type { HashValue } from './state-hash.ts';

/** Entries from one comparison to the next. Counted by index, so that every replica stops at the same ones. */
export const checkpointEntries = 64;

export function isCheckpoint(index: number): boolean {
  return index % checkpointEntries === 0;
}

export type DivergenceVerdict =
  /** A majority of the voters has this very hash. */
  | { readonly type: 'agreed' }
  /** A majority has one hash, and this replica another. */
  | { readonly type: 'outvoted'; readonly majority: HashValue }
  /** Whatever the silent ones will say, no hash can get a majority any more. */
  | { readonly type: 'no-majority' }
  /** Hashes differ, and the silent ones may settle it. */
  | { readonly type: 'disputed' }
  /** Nobody has contradicted, and too few have spoken. */
  | { readonly type: 'open' };

export interface Testimony {
  /** Voters of the epoch. Whoever only learns is not counted, and may be outvoted all the same. */
  readonly voters: readonly NodeId[];
  /** What each replica has reported for the index, this one's own included. */
  readonly reports: ReadonlyMap<NodeId, HashValue>;
  /** This replica's own. */
  readonly own: HashValue;
}

/** The rule: a minority that differs stops, and without a majority all stop. */
export function judgeDivergence({ voters, reports, own }: Testimony): DivergenceVerdict {
  const counts = new Map<HashValue, number>([[own, 0]]);
  let silent = 0;
  for (const voter of voters) {
    const hash = reports.get(voter);
    if (hash === undefined) silent += 1;
    else counts.set(hash, (counts.get(hash) ?? 0) + 1);
  }
  const needed = majoritySize(voters.length);
  for (const [hash, count] of counts) {
    if (count < needed) continue;
    return hash === own ? { type: 'agreed' } : { type: 'outvoted', majority: hash };
  }
  if (counts.size === 1) return { type: 'open' };
  const most = Math.max(...counts.values());
  return most + silent < needed ? { type: 'no-majority' } : { type: 'disputed' };
}
