/**
 * The ways to lose a leader that `failover` tries, and what is measured of each.
 */
import { invariant } from '@quorate/core';
import type { Scene, Struck } from '../faults/fault.ts';
import { leaderKill } from '../faults/leader-kill.ts';
import { leaderPause } from '../faults/leader-pause.ts';
import { partition } from '../faults/partition.ts';

export interface FailoverKind {
  readonly name: string;
  /** `first-ack`: from the strike to the first acknowledgement under a new leader. `longest-gap`: between two. */
  readonly measure: 'first-ack' | 'longest-gap';
  readonly strike: (scene: FailoverScene) => Promise<Struck>;
}

export interface FailoverScene extends Scene {
  readonly transferLeadership: (to: string) => Promise<void>;
}

export const failoverKinds: readonly FailoverKind[] = [
  { name: 'crash', measure: 'first-ack', strike: (scene) => leaderKill.strike(scene) },
  { name: 'hang', measure: 'first-ack', strike: (scene) => leaderPause.strike(scene) },
  { name: 'partition', measure: 'first-ack', strike: (scene) => partition.strike(scene) },
  { name: 'transfer', measure: 'longest-gap', strike: transfer },
];

/** The leader hands over to a follower, drawn, as an operator would have it do before a restart. */
async function transfer({ leader, followers, random, transferLeadership }: FailoverScene): Promise<Struck> {
  const to = followers[random.below(followers.length)];
  invariant(to !== undefined, 'a cluster of two or more has a follower to hand over to');
  await transferLeadership(to);
  return { target: `${leader} to ${to}`, mend: undefined };
}
