/**
 * Shrinking: of a run that failed, the smallest that fails still.
 *
 * What happens in a run follows from its seed, so less can only be had by leaving out: strikes, operations,
 * nodes, bad circumstances. Each is tried in turn and kept out if the run fails without it. Any failure will do:
 * a smaller one of another kind is the one to look at first.
 */
import { calmable } from './circumstances.ts';
import { type SimulationOptions, type SimulationResult, simulate } from './simulate.ts';

/** The smallest failing run that was found. */
export interface Shrunk {
  /** What to repeat it with. */
  readonly options: SimulationOptions;
  readonly result: SimulationResult;
  /** Runs that it took. */
  readonly attempts: number;
}

type Run = (options: SimulationOptions) => Promise<SimulationResult>;

/**
 * @param failing a run that fails, and its result
 * @param limits `attemptsMax`: runs after which the smallest so far is good enough; default 60
 */
export async function shrink(
  failing: { readonly options: SimulationOptions; readonly result: SimulationResult },
  limits: { readonly attemptsMax?: number } = {},
  run: Run = simulate,
): Promise<Shrunk> {
  const search = new Search(failing, limits.attemptsMax ?? 60, run);
  await search.try({ leaderChanges: 0 });
  await search.fewerStrikes();
  await search.firstOf([1, 10, 50, 200].map((operations) => ({ operations })));
  const { nodes } = search.result;
  await search.firstOf(Array.from({ length: nodes - 1 }, (_, at) => ({ nodes: at + 1 })));
  for (const one of calmable) await search.try({ calm: [...(search.options.calm ?? []), one] });
  await search.fewerStrikes();
  const { options, result, attempts } = search;
  return { options, result, attempts };
}

class Search {
  options: SimulationOptions;
  result: SimulationResult;
  attempts = 0;
  readonly #attemptsMax: number;
  readonly #run: Run;

  constructor(
    failing: { readonly options: SimulationOptions; readonly result: SimulationResult },
    attemptsMax: number,
    run: Run,
  ) {
    this.options = failing.options;
    this.result = failing.result;
    this.#attemptsMax = attemptsMax;
    this.#run = run;
  }

  /** @returns whether it fails with this change too; then the change stays */
  async try(change: Partial<SimulationOptions>): Promise<boolean> {
    if (this.attempts >= this.#attemptsMax) return false;
    this.attempts += 1;
    const options = { ...this.options, ...change };
    const result = await this.#run(options);
    if (result.violation === undefined) return false;
    this.options = options;
    this.result = result;
    return true;
  }

  async firstOf(changes: readonly Partial<SimulationOptions>[]): Promise<void> {
    for (const change of changes) if (await this.try(change)) return;
  }

  /** Leaves out halves, then quarters, and in the end single strikes. [DeltaDebugging] */
  async fewerStrikes(): Promise<void> {
    let strikes = this.options.strikes ?? Array.from({ length: this.result.planned }, (_, at) => at);
    let pieces = 1;
    while (strikes.length > 0) {
      const size = Math.ceil(strikes.length / pieces);
      const smaller = await this.#without(strikes, size);
      if (smaller !== undefined) {
        strikes = smaller;
        pieces = Math.max(1, pieces - 1);
      } else if (size === 1) return;
      else pieces = Math.min(strikes.length, pieces * 2);
    }
  }

  async #without(strikes: readonly number[], size: number): Promise<number[] | undefined> {
    for (let at = 0; at < strikes.length; at += size) {
      const rest = [...strikes.slice(0, at), ...strikes.slice(at + size)];
      if (await this.try({ strikes: rest })) return rest;
    }
    return undefined;
  }
}
