/** Whether a series of trials is good: all were carried out, and every write was what its client was told. */
import { faultOf } from '../outage/account.ts';
import type { FailoverSeries } from './result.ts';

/** @returns what is wrong, in a few words, or undefined */
export function whatDoesNotHold(series: FailoverSeries): string | undefined {
  const { trials, trialsWanted, failure } = series;
  const fault = faultOf(series);
  if (fault !== undefined) return fault;
  if (trials.length < trialsWanted)
    return `${trials.length} of ${trialsWanted} trials carried out: ${failure}`;
  return undefined;
}
