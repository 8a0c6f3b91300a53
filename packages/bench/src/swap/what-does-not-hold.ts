/** Whether the swaps are good: all were carried out, and every write was what its client was told. */
import { faultOf } from '../outage/account.ts';
import type { SwapSeries } from './result.ts';

/** @returns what is wrong, in a few words, or undefined */
export function whatDoesNotHold(series: SwapSeries): string | undefined {
  const { swaps, swapsWanted, failure } = series;
  const fault = faultOf(series);
  if (fault !== undefined) return fault;
  if (swaps.length < swapsWanted) return `${swaps.length} of ${swapsWanted} swaps carried out: ${failure}`;
  return undefined;
}
