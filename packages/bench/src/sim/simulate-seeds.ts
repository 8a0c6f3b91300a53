/**
 * Many seeds, spread over the cores: what each algorithm withstood, and what it did not.
 */
import type { SimulationOptions, SimulationResult } from '@quorate/simulation';
import { Piscina } from 'piscina';

export interface SeedsOptions {
  readonly algorithms: readonly string[];
  readonly firstSeed: number;
  readonly seeds: number;
  readonly threads: number;
  /** Ends the runs of an algorithm at its first failure. */
  readonly stopsAtFailure: boolean;
  readonly simulation: Omit<SimulationOptions, 'algorithm' | 'seed'>;
}

/** What the seeds of one algorithm came to. */
export interface SeedsResult {
  readonly algorithm: string;
  readonly seeds: number;
  readonly failures: readonly SimulationResult[];
  readonly acknowledged: number;
  readonly acknowledgedLeast: number;
  readonly unknown: number;
  readonly leaderChanges: number;
  readonly leaderChangesLeast: number;
  readonly virtualSeconds: number;
  readonly elapsedSeconds: number;
  /** Faults of each kind, over all seeds. */
  readonly faults: SimulationResult['faults'];
}

/** @param onSeed called after each seed with how many are done of how many */
export async function simulateSeeds(
  options: SeedsOptions,
  onSeed: (done: number, of: number, last: SimulationResult) => void,
): Promise<readonly SeedsResult[]> {
  const pool = new Piscina<SimulationOptions, SimulationResult>({
    filename: new URL('./seed-task.js', import.meta.url).href,
    maxThreads: options.threads,
    minThreads: options.threads,
    concurrentTasksPerWorker: 1,
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
          const result = await pool.run({ ...options.simulation, algorithm, seed });
          finished.push(result);
          done += 1;
          onSeed(done, options.seeds * options.algorithms.length, result);
          if (result.violation !== undefined && options.stopsAtFailure) seeds.length = 0;
        }
      };
      await Promise.all(Array.from({ length: options.threads }, work));
      results.push(summarize(algorithm, finished, (performance.now() - startedMs) / 1_000));
    }
    return results;
  } finally {
    await pool.destroy();
  }
}

type Faults = SimulationResult['faults'];

function addFaults(total: Partial<Faults>, more: Faults): Partial<Faults> {
  const kinds = Object.keys(more) as (keyof Faults)[];
  return Object.fromEntries(kinds.map((kind) => [kind, (total[kind] ?? 0) + more[kind]]));
}

function summarize(
  algorithm: string,
  finished: readonly SimulationResult[],
  elapsedSeconds: number,
): SeedsResult {
  const sum = (of: (result: SimulationResult) => number): number =>
    finished.reduce((total, one) => total + of(one), 0);
  const least = (of: (result: SimulationResult) => number): number => Math.min(...finished.map(of));
  const faults = finished.reduce(
    (total, one) => addFaults(total, one.faults),
    {} as Partial<Faults>,
  ) as Faults;
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
    faults,
  };
}
