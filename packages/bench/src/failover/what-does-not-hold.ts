/** Whether a series of trials is good: all were carried out, and every write was what its client was told. */
import { writesAtFault } from '../outage/write-audit.ts';
import type { FailoverSeries } from './result.ts';

/** @returns what is wrong, in a few words, or undefined */
export function whatDoesNotHold(series: Omit<FailoverSeries, 'outageMs'>): string | undefined {
  const { trials, trialsWanted, failure, audit, recorded, verified } = series;
  const atFault = audit === null ? undefined : writesAtFault(audit);
  if (atFault !== undefined) return atFault;
  if (verified === false) return 'NOT linearizable';
  if (trials.length < trialsWanted)
    return `${trials.length} of ${trialsWanted} trials carried out: ${failure}`;
  return recorded && verified === null ? 'the check of its history came to no verdict' : undefined;
}
