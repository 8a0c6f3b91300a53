/**
 * The ways to lose a leader that `failover` tries, and what is measured of each.
 */
import type { Fault } from '../faults/fault.ts';
import { leaderKill } from '../faults/leader-kill.ts';
import { leaderPause } from '../faults/leader-pause.ts';
import { partition } from '../faults/partition.ts';

export interface FailoverKind {
  readonly name: string;
  /** `first-ack`: from the strike to the first acknowledgement under a new leader. `longest-gap`: between two. */
  readonly measure: 'first-ack' | 'longest-gap';
  readonly strike: Fault['strike'];
}

export const failoverKinds: readonly FailoverKind[] = [
  { name: 'crash', measure: 'first-ack', strike: (scene) => leaderKill.strike(scene) },
  { name: 'hang', measure: 'first-ack', strike: (scene) => leaderPause.strike(scene) },
  { name: 'partition', measure: 'first-ack', strike: (scene) => partition.strike(scene) },
];
