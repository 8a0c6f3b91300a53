/**
 * What share of the limit a run reached, and what the two do not have in common.
 */
import type { LimitRow, RunResult } from '../result.ts';

/** @returns the run with its share of the decoded row for as many operations outstanding */
export function withLimitShare(run: RunResult, limits: readonly LimitRow[]): RunResult {
  const row = limits.find(({ mode, clients }) => mode === 'decoded' && clients === run.clients);
  if (row === undefined) return run;
  const note = unlikeness(run);
  return {
    ...run,
    limitRatio: run.throughputPerSecond / row.throughputPerSecond,
    ...(note === undefined ? {} : { limitNote: note }),
  };
}

/** The limit's load: writes only, in a closed loop, undisturbed and unrecorded. */
function unlikeness({ reads, ratePerSecond, faults, recorded }: RunResult): string | undefined {
  const differences = [
    ...(reads > 0 ? [`${+(reads * 100).toFixed(1)} % reads`] : []),
    ...(ratePerSecond === null ? [] : ['held to a rate']),
    ...(faults.length === 0 ? [] : ['struck by faults']),
    ...(recorded ? ['history recorded'] : []),
  ];
  if (differences.length === 0) return undefined;
  return `not quite like the limit, which only writes, undisturbed and unrecorded: ${differences.join(', ')}`;
}
