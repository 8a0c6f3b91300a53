/**
 * When faults strike: each has an equal share of the run to itself, with calm before it and after it.
 */
import type { Fault } from './fault.ts';

export interface ScheduledFault {
  readonly fault: Fault;
  /** Since the start of the run. */
  readonly strikeAtMs: number;
  /** From the strike until it is mended. */
  readonly lastsMs: number;
}

/** Within a fault's share of the run. The calm before shows what is normal, the one after that it returned. */
const strikesAt = 0.35;
const mendedAt = 0.65;

export function scheduleFaults(faults: readonly Fault[], durationMs: number): ScheduledFault[] {
  const shareMs = durationMs / faults.length;
  return faults.map((fault, at) => ({
    fault,
    strikeAtMs: Math.round((at + strikesAt) * shareMs),
    lastsMs: Math.round((mendedAt - strikesAt) * shareMs),
  }));
}
