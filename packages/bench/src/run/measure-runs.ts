/**
 * A whole bench: every run that was planned, one after the other, and the limit beside them.
 */
import { measureLimit } from '../limit/measure.ts';
import type { BenchResult, RunResult } from '../result.ts';
import { warmUpMsDefault } from '../workload/measure-load.ts';
import { withLimitShare } from './limit-share.ts';
import { measureRun, type OnProgress } from './measure-run.ts';
import { planRuns, type RunOptions } from './options.ts';

/** A row of the limit is steady long before a run with its faults is over. */
const limitRowMsMax = 3_000;

/** What a run or a row takes beyond its load, about; for the progress bar. */
const overheadMs = 1_500;

/**
 * @param onProgress is told how far the whole bench is
 * @throws CodedError see {@link measureRun} and {@link measureLimit}
 */
export async function measureRuns(
  options: RunOptions,
  onProgress: OnProgress = () => {},
): Promise<Pick<BenchResult, 'runs' | 'limits'>> {
  const { nodes, storage, payloadBytes, clients } = options;
  const plans = planRuns(options);
  const rowMs = Math.min(limitRowMsMax, options.durationMs);
  const runMs = options.durationMs + warmUpMsDefault + overheadMs;
  const limitMs = options.limit ? 2 * clients.length * (rowMs + overheadMs) : 0;
  const totalMs = plans.length * runMs + limitMs;

  const limits = options.limit
    ? await measureLimit({ nodes, storage, payloadBytes, clients, durationMs: rowMs }, (fraction, note) =>
        onProgress((fraction * limitMs) / totalMs, note),
      )
    : [];
  const runs: RunResult[] = [];
  for (const plan of plans) {
    const beforeMs = limitMs + runs.length * runMs;
    const run = await measureRun(plan, (fraction, note) =>
      onProgress((beforeMs + fraction * runMs) / totalMs, note),
    );
    runs.push(withLimitShare(run, limits));
  }
  return { runs, limits };
}
