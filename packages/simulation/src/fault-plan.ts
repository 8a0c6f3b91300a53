/**
 * The fault plan of a seed: which faults strike when, and for how long, all drawn before they happen.
 *
 * A plan is a list of strikes at fixed times; they overlap as they fall. Each lasts a while and is then
 * mended. Seeds differ in mood and in taste: some see next to nothing, some are struck all the time, and each
 * kind of strike is left out of many seeds, so that the others get to show what they do alone [SwarmTesting].
 */
import type { Random } from '@quorate/core';

/** What may strike a simulated cluster. */
export const strikeKinds = [
  /** The power fails: unsynced writes may be lost. */
  'crash',
  'crash-all',
  /** The power fails in the middle of a write to the disk. */
  'crash-mid-write',
  /** The thread ends; its writes stay with the system. */
  'kill',
  /** The thread stands still; afterwards its timers and messages are stale. */
  'pause',
  /** Nothing gets in or out. */
  'isolate',
  /** Can send and not receive. */
  'deafen',
  /** Can receive and not send. */
  'mute',
  /** Two or three sides. */
  'partition',
  /** Single links, some in one direction only: everyone is reached by somebody. */
  'cut-links',
  'cut-client',
  /** Loss, duplication, reordering and delay on all links. */
  'storm',
  /** Delays beyond an election timeout on the links of one node. */
  'slow-links',
  /** Delays about as long as an election timeout on all links: votes come late, for candidates that stand again. */
  'slow-mesh',
  /** Whoever begins to lead is struck a moment later, again and again. */
  'hunt-leaders',
  /** No operation on the disk returns. */
  'hang-disk',
  'slow-disk',
  /** One write or sync fails with EIO. */
  'fail-disk',
  /** No space is left. */
  'fill-disk',
  /** Somebody sets the wall clock, forwards or backwards. */
  'jump-clock',
  /** A client's process ends, and another takes its place and its session names. */
  'restart-client',
] as const;

/** One of {@link strikeKinds}. */
export type StrikeKind = (typeof strikeKinds)[number];

export interface Strike {
  readonly kind: StrikeKind;
  /** Milliseconds of virtual time since the beginning. */
  readonly atMs: number;
  readonly forMs: number;
  /** Whom it strikes: whoever leads then, or the member at this part of the list, 0 to 1. */
  readonly target: 'leader' | number;
  /** For whatever else is drawn when it strikes: sides, links, amounts. */
  readonly seed: number;
}

export interface FaultPlan {
  readonly nodes: number;
  /** By time; a strike is known by its place, so that a part of the plan can be repeated. */
  readonly strikes: readonly Strike[];
}

/**
 * In so many seeds no leader lasts from the beginning to the end of the plan. What one leaves half done, and
 * the next, is what elections are about; and since little else happens, such seeds cost little.
 */
const contestedShare = 0.25;

/** These show what they do only after a few elections. */
const lasting: ReadonlySet<StrikeKind> = new Set([
  'storm',
  'slow-mesh',
  'slow-links',
  'hunt-leaders',
  'cut-links',
]);

/** What was not synced is lost by these alone. */
const losing: ReadonlySet<StrikeKind> = new Set(['crash', 'crash-all', 'crash-mid-write']);

/** How many of a hundred seeds have so many nodes. */
const nodesShares: readonly (readonly [nodes: number, share: number])[] = [
  [1, 3],
  [2, 4],
  [3, 46],
  [4, 6],
  [5, 33],
  [6, 3],
  [7, 5],
];

/** Draws the plan of a seed. */
export function drawFaultPlan(random: Random): FaultPlan {
  const nodes = drawWeighted(random, nodesShares);
  const isContested = random.chance(contestedShare);
  const horizonMs = (600 + random.next() * 2_400) * (isContested ? 2 : 1);
  const count = isContested ? random.below(4) : drawStrikeCount(random);
  const shares = strikeKinds.map(
    (kind) => [kind, random.chance(0.45) ? 0 : random.next() * (losing.has(kind) ? 2 : 1)] as const,
  );
  const strikes = Array.from({ length: count }, () =>
    drawStrike(drawWeighted(random, shares), horizonMs, random),
  );
  if (isContested) {
    const kinds: readonly StrikeKind[] = drawWeighted<readonly StrikeKind[]>(random, [
      [['hunt-leaders'], 6],
      [['slow-mesh'], 3],
      [['hunt-leaders', 'slow-mesh'], 1],
    ]);
    for (const kind of kinds) strikes.push({ ...drawStrike(kind, 0, random), forMs: horizonMs });
  }
  return { nodes, strikes: strikes.sort((one, other) => one.atMs - other.atMs) };
}

function drawStrikeCount(random: Random): number {
  const mood = random.next();
  if (mood < 0.12) return random.below(2);
  if (mood < 0.8) return 3 + random.below(10);
  return 12 + random.below(18);
}

function drawStrike(kind: StrikeKind, horizonMs: number, random: Random): Strike {
  return {
    kind,
    atMs: 10 + random.next() * horizonMs,
    forMs: (lasting.has(kind) ? 60 : 20) * 2 ** (random.next() * 5),
    target: random.chance(0.5) ? 'leader' : random.next(),
    seed: random.below(2 ** 32),
  };
}

/** One of the choices, by weight; the first if all weigh nothing. */
export function drawWeighted<Choice>(
  random: Random,
  choices: readonly (readonly [choice: Choice, weight: number])[],
): Choice {
  let left = random.next() * choices.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [choice, weight] of choices) {
    left -= weight;
    if (left < 0) return choice;
  }
  return (choices[0] as readonly [Choice, number])[0];
}
