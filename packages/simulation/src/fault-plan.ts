/**
 * The fault plan of a seed: which faults strike when, and for how long, all drawn before they happen.
 *
 * A plan is a list of strikes, one after the other. Each lasts a while and is then mended, so that the
 * cluster is sometimes whole, mostly not, and never without a quorum for good.
 */
import type { NodeId, Random } from '@quorate/core';

export type StrikeKind =
  | 'crash-leader'
  | 'crash-one'
  | 'crash-all'
  | 'crash-writing-leader'
  | 'crash-writing-one'
  | 'kill-leader'
  | 'kill-one'
  | 'pause-leader'
  | 'pause-one'
  | 'isolate-leader'
  | 'partition'
  | 'storm';

export interface Strike {
  readonly kind: StrikeKind;
  /** Quiet time before it, in milliseconds. */
  readonly afterMs: number;
  readonly forMs: number;
  /** For strikes at one node, or for the side of a partition: indexes into the members. */
  readonly members: readonly number[];
}

export interface FaultPlan {
  readonly nodes: number;
  readonly strikes: readonly Strike[];
  /** Loss and the like while no storm blows. */
  readonly dropRate: number;
  readonly duplicateRate: number;
  readonly reorderRate: number;
  readonly delayMs: readonly [min: number, max: number];
  /** The slower a sync, the more a crash finds unsynced. */
  readonly datasyncMs: readonly [min: number, max: number];
  /** Whether peers are told at once of a thread's end. */
  readonly tellsOfExits: boolean;
  readonly snapshotEveryBytes: number;
}

const kinds: readonly StrikeKind[] = [
  'crash-leader',
  'crash-one',
  'crash-all',
  'crash-writing-leader',
  'crash-writing-one',
  'kill-leader',
  'kill-one',
  'pause-leader',
  'pause-one',
  'isolate-leader',
  'partition',
  'storm',
];

/** Draws the plan of a seed. The first strikes always take a leader, lose writes and cut the network. */
export function drawFaultPlan(random: Random): FaultPlan {
  const nodes = random.chance(0.7) ? 3 : 5;
  const always: readonly StrikeKind[] = [
    'crash-leader',
    'partition',
    'crash-writing-one',
    'crash-writing-leader',
  ];
  const extra = Array.from(
    { length: 2 + random.below(4) },
    () => kinds[random.below(kinds.length)] as StrikeKind,
  );
  return {
    nodes,
    strikes: [...always, ...extra].map((kind) => drawStrike(kind, nodes, random)),
    dropRate: random.next() * 0.03,
    duplicateRate: random.next() * 0.05,
    reorderRate: random.next() * 0.1,
    delayMs: [0.1, 0.3 + random.next() * 2],
    datasyncMs: [0.1, 1 + random.next() * 7],
    tellsOfExits: random.chance(0.5),
    snapshotEveryBytes: random.chance(0.6) ? 4_096 + random.below(12_000) : 1 << 30,
  };
}

function drawStrike(kind: StrikeKind, nodes: number, random: Random): Strike {
  const afterMs = 20 + random.next() * 200;
  const forMs = 30 + random.next() * 600;
  const order = Array.from({ length: nodes }, (_, at) => at);
  for (let at = order.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [order[at], order[other]] = [order[other] as number, order[at] as number];
  }
  const side = kind === 'partition' ? 1 + random.below(nodes - 1) : 1;
  return { kind, afterMs, forMs, members: order.slice(0, side) };
}

/** The two sides of a partition. */
export function sidesOf(strike: Strike, members: readonly NodeId[]): readonly (readonly NodeId[])[] {
  const isOnSide = (at: number): boolean => strike.members.includes(at);
  return [members.filter((_, at) => isOnSide(at)), members.filter((_, at) => !isOnSide(at))];
}
