/**
 * The circumstances of a seed: what a cluster has to live with from the first moment to the last, in contrast
 * to what strikes it. How bad the links are, how slow the disks and threads, how far the clocks drift, and how
 * tight the limits: small ones make pages, chunks, windows and segments overflow that in production rarely do.
 */
import {
  type ClientOptions,
  type Consistency,
  clockRateRatioMax,
  defaultTuning,
  type OpenNodeOptions,
  type ReplicaTuning,
} from '@quorate/consensus';
import { optionInvalid, type Random } from '@quorate/core';
import { drawWeighted } from './fault-plan.ts';
import type { Weather } from './simulated-network.ts';

export interface Circumstances {
  readonly weather: Weather;
  /** How fast the clock of each node runs, and of each client after them; used in turn. */
  readonly clockRates: readonly number[];
  readonly datasyncMs: readonly [min: number, max: number];
  /** What applying one command costs the thread of each node, in milliseconds. */
  readonly applyMs: readonly number[];
  /** How many groups the nodes carry. The clients talk to the last; the others have nothing to do and fall silent. */
  readonly groups: number;
  /** How long clients ask for nothing between two bursts, so that a group of several may fall silent; 0: no lulls. */
  readonly lullMs: number;
  readonly tuning: ReplicaTuning;
  readonly sessionLimits: OpenNodeOptions['sessionLimits'];
  readonly clientLimits: ClientOptions['limits'];
  /** Whether peers are told at once of a thread's end. */
  readonly tellsOfExits: boolean;
  readonly sessionsPerClient: number;
  /** Whether sessions have names, under which a restarted client goes on. */
  readonly isNamed: boolean;
  readonly readShares: readonly (readonly [Consistency, number])[];
}

/** What can be made harmless, to find out what a failure needs. */
export const calmable = ['weather', 'clocks', 'speed', 'limits', 'groups'] as const;
/** One of {@link calmable}. */
export type Calmable = (typeof calmable)[number];

export const calmWeather: Weather = { dropRate: 0, duplicateRate: 0, reorderRate: 0, delayMs: [0.1, 0.3] };

/**
 * Draws the circumstances of a seed; those named in `calm` are as harmless as can be, the others unchanged.
 * @throws CodedError ERR_OPTION_INVALID for what cannot be made harmless
 */
export function drawCircumstances(random: Random, calm: readonly string[] = []): Circumstances {
  for (const one of calm) {
    if (!calmable.includes(one as Calmable)) throw optionInvalid('calm', one, calmable.join(', '));
  }
  const isCalm = (what: Calmable): boolean => calm.includes(what);
  const weather = drawWeather(random.fork('weather'));
  const clockRates = drawClockRates(random.fork('clocks'));
  const speed = drawSpeed(random.fork('speed'));
  const limits = drawLimits(random.fork('limits'));
  const groups = drawGroups(random.fork('groups'));
  const calmSpeed = { datasyncMs: [0.1, 1] as const, applyMs: [0] };
  const calmLimits = { tuning: baseTuning, sessionLimits: undefined, clientLimits: undefined };
  return {
    weather: isCalm('weather') ? calmWeather : weather,
    clockRates: isCalm('clocks') ? [1] : clockRates,
    ...(isCalm('speed') ? calmSpeed : speed),
    ...(isCalm('limits') ? calmLimits : limits),
    ...drawHabits(random.fork('habits')),
    ...(isCalm('groups') ? { groups: 1, lullMs: 0 } : groups),
  };
}

const baseTuning: ReplicaTuning = {
  ...defaultTuning,
  segmentBytes: 64 * 1024,
  appendBytesMax: 16 * 1024,
  appendsInFlightMax: 8,
  snapshotEveryBytes: 12_000,
};

function drawWeather(random: Random): Weather {
  const badness = drawWeighted(random, [
    [0, 25],
    [1, 50],
    [4, 25],
  ]);
  if (badness === 0) return calmWeather;
  return {
    dropRate: random.next() * 0.03 * badness,
    duplicateRate: random.next() * 0.05 * badness,
    reorderRate: random.next() * 0.1 * badness,
    delayMs: [0.1, 0.3 + random.next() * 2 * badness],
  };
}

/** The whole width that leases count on, and no more. */
function drawClockRates(random: Random): readonly number[] {
  if (random.chance(0.4)) return [1];
  const slowest = 1 / Math.sqrt(clockRateRatioMax);
  const fastest = Math.sqrt(clockRateRatioMax);
  const isExtreme = random.chance(0.3);
  return Array.from({ length: 11 }, () => {
    const part = random.next();
    return slowest + (fastest - slowest) * (isExtreme ? Math.round(part) : part);
  });
}

function drawSpeed(random: Random): Pick<Circumstances, 'datasyncMs' | 'applyMs'> {
  const datasyncMs: readonly [number, number] = [0.1, 1 + random.next() * 7];
  const kind = random.next();
  const applyMs = Array.from({ length: 7 }, () => random.next());
  if (kind < 0.5) return { datasyncMs, applyMs: [0] };
  if (kind < 0.75) return { datasyncMs, applyMs: applyMs.map((part) => part * 0.8) };
  const laggard = random.below(3);
  return { datasyncMs, applyMs: applyMs.map((part, at) => (at === laggard ? 0.3 + part * 2 : 0)) };
}

function drawLimits(random: Random): Pick<Circumstances, 'tuning' | 'sessionLimits' | 'clientLimits'> {
  const pick = <Choice>(...choices: readonly Choice[]): Choice =>
    choices[random.below(choices.length)] as Choice;
  const tuning = {
    ...baseTuning,
    // A narrow range brings elections about as early as voters may take part in them.
    electionTimeoutMs: pick(defaultTuning.electionTimeoutMs, defaultTuning.electionTimeoutMs, [150, 180]),
    segmentBytes: pick(2, 8, 64) * 1024,
    // Less than any entry: each goes alone, and so does each page of a promise.
    appendBytesMax: pick(1, 1, 120, 600, 16 * 1024, 16 * 1024),
    appendsInFlightMax: pick(1, 2, 8, 8),
    uncommittedBytesMax: random.chance(0.2) ? 300 + random.below(1_500) : defaultTuning.uncommittedBytesMax,
    snapshotEveryBytes: random.chance(0.65) ? 1_500 + random.below(14_000) : 1 << 30,
    snapshotChunkBytes: pick(500, 2_000, 256 * 1024),
  };
  const clientLimits = {
    batchesInFlightMax: pick(4, 16),
    batchCommandsMax: pick(1, 3, 8_192),
    batchBytesMax: pick(60, 1 << 20),
    outstandingMax: 100_000,
  };
  const hasClientLimits = random.chance(0.5);
  const batchesInFlightMax = hasClientLimits ? clientLimits.batchesInFlightMax : 16;
  const sessionLimits = {
    sessionsMax: pick(3, 4, 6, 10_000),
    idleMsMax: pick(300, 2_000, 3_600_000),
    // With more under way than the window is wide, a client could wait for itself.
    windowBatchesMax: batchesInFlightMax + pick(1, 8, 4_096),
    resultBytesMax: pick(40, 400, 1 << 20),
  };
  return {
    tuning,
    sessionLimits: random.chance(0.4) ? sessionLimits : undefined,
    clientLimits: hasClientLimits ? clientLimits : undefined,
  };
}

function drawGroups(random: Random): Pick<Circumstances, 'groups' | 'lullMs'> {
  const groups = drawWeighted(random, [
    [1, 60],
    [2, 25],
    [3, 15],
  ]);
  return { groups, lullMs: groups > 1 && random.chance(0.5) ? 200 + random.below(1_000) : 0 };
}

function drawHabits(
  random: Random,
): Pick<Circumstances, 'tellsOfExits' | 'sessionsPerClient' | 'isNamed' | 'readShares'> {
  return {
    tellsOfExits: random.chance(0.5),
    sessionsPerClient: 1 + random.below(2),
    isNamed: random.chance(0.5),
    readShares: [
      ['linearizable', 0.2 + random.next()],
      ['lease', 0.2 + random.next()],
      ['session', random.next()],
      ['eventual', random.next() / 2],
    ],
  };
}
