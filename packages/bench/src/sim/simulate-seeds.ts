/**
 * Many seeds, spread over the cores: what each algorithm withstood, and what it did not.
 */
import type { Shrunk, SimulationOptions, SimulationResult } from '@quorate/simulation';
import { Piscina } from 'piscina';

export interface SeedsOptions {
  readonly algorithms: readonly string[];
  readonly firstSeed: number;
  readonly seeds: number;
  readonly threads: number;
  /** Ends the runs of an algorithm at its first failure. */
  readonly stopsAtFailure: boolean;
  /** Whether the first failure of each algorithm is looked into, for a smaller one. */
  readonly shrinks: boolean;
  readonly simulation: Omit<SimulationOptions, 'algorithm' | 'seed'>;
}

/** What the seeds of one algorithm came to. */
export interface SeedsResult {
  readonly algorithm: string;
  readonly seeds: number;
  /** What every one of them was asked for. */
  readonly asked: SeedsOptions['simulation'];
  readonly failures: readonly SimulationResult[];
  /** The first failure, made small. */
  readonly shrunk: Shrunk | undefined;
  readonly acknowledged: number;
  readonly acknowledgedLeast: number;
  readonly unknown: number;
  readonly leaderChanges: number;
  readonly leaderChangesLeast: number;
  readonly virtualSeconds: number;
  readonly elapsedSeconds: number;
  /** Faults, strikes and reads of each kind, over all seeds. */
  readonly faults: SimulationResult['faults'];
  readonly strikes: SimulationResult['strikes'];
  readonly reads: SimulationResult['reads'];
  readonly staleReads: SimulationResult['staleReads'];
  readonly readsBehindSession: SimulationResult['readsBehindSession'];
  readonly orders: SimulationResult['orders'];
  /** Seeds that passed, though the search for an order of their whole history gave up. */
  readonly historiesUnjudged: number;
}

const youngMegabytes = 64;

/** @param onSeed called after each seed with how many are done of how many */
export async function simulateSeeds(
  options: SeedsOptions,
  onSeed: (done: number, of: number, last: SimulationResult) => void,
): Promise<readonly SeedsResult[]> {
  const pool = new Piscina({
    filename: new URL('./seed-task.js', import.meta.url).href,
    maxThreads: options.threads,
    minThreads: options.threads,
    concurrentTasksPerWorker: 1,
    // Nearly all that a run makes is garbage soon: with room to die young, it costs next to nothing.
    resourceLimits: { maxYoungGenerationSizeMb: youngMegabytes },
  });
  let done = 0;
  try {
    const results: SeedsResult[] = [];
    for (const algorithm of options.algorithms) {
      const startedMs = performance.now();
      const finished: SimulationResult[] = [];
      const seeds = Array.from({ length: options.seeds }, (_, at) => options.firstSeed + at);
      const work = async (): Promise<void> => {
        for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
          const result: SimulationResult = await pool.run({ ...options.simulation, algorithm, seed });
          finished.push(result);
          done += 1;
          onSeed(done, options.seeds * options.algorithms.length, result);
          if (result.violation !== undefined && options.stopsAtFailure) seeds.length = 0;
        }
      };
      await Promise.all(Array.from({ length: options.threads }, work));
      const summary = summarize(algorithm, finished, (performance.now() - startedMs) / 1_000);
      const [first] = summary.failures;
      const shrunk: Shrunk | undefined =
        first === undefined || !options.shrinks
          ? undefined
          : await pool.run(failureOf(first, options), { name: 'shrinkSeed' });
      results.push({ ...summary, asked: options.simulation, shrunk });
    }
    return results;
  } finally {
    await pool.destroy();
  }
}

function failureOf(result: SimulationResult, { simulation }: SeedsOptions): Omit<Shrunk, 'attempts'> {
  const { algorithm, seed } = result;
  // What the run took from its own randomness is not to be sent along: only its options count.
  return { options: { ...simulation, algorithm, seed }, result: { ...result, trace: '' } };
}

/** Adds up counts of the same kinds. */
function addCounts<Counts extends object>(all: readonly Counts[]): Counts {
  const sum: Record<string, number> = {};
  for (const counts of all) {
    for (const [kind, count] of Object.entries(counts)) sum[kind] = (sum[kind] ?? 0) + (count as number);
  }
  return sum as Counts;
}

function summarize(
  algorithm: string,
  finished: readonly SimulationResult[],
  elapsedSeconds: number,
): Omit<SeedsResult, 'shrunk' | 'asked'> {
  const sum = (of: (result: SimulationResult) => number): number =>
    finished.reduce((total, one) => total + of(one), 0);
  const least = (of: (result: SimulationResult) => number): number => Math.min(...finished.map(of));
  return {
    algorithm,
    seeds: finished.length,
    failures: finished.filter(({ violation }) => violation !== undefined).sort((a, b) => a.seed - b.seed),
    acknowledged: sum((one) => one.acknowledged),
    acknowledgedLeast: least((one) => one.acknowledged),
    unknown: sum((one) => one.unknown),
    leaderChanges: sum((one) => one.leaderChanges),
    leaderChangesLeast: least((one) => one.leaderChanges),
    virtualSeconds: sum((one) => one.virtualMs) / 1_000,
    elapsedSeconds,
    faults: addCounts(finished.map(({ faults }) => faults)),
    strikes: addCounts(finished.map(({ strikes }) => strikes)),
    reads: addCounts(finished.map(({ reads }) => reads)),
    staleReads: addCounts(finished.map(({ staleReads }) => staleReads)),
    readsBehindSession: addCounts(finished.map(({ readsBehindSession }) => readsBehindSession)),
    orders: addCounts(finished.map(({ orders }) => orders)),
    historiesUnjudged: sum((one) => Number(one.violation === undefined && !one.isHistoryJudged)),
  };
}
