/** The result of `swap`, as `--json` writes it and the table reads it. Fields are added, never renamed. */
import type { Account } from '../outage/account.ts';
import type { OutageSummary } from '../outage/summary.ts';
import type { ResultContext } from '../result.ts';

/** One swap; times in milliseconds since it was ordered. */
export interface Swap {
  readonly from: string;
  readonly to: string;
  /** The number of the epoch that it began. */
  readonly epoch: number;
  /** The longest time without an acknowledgement in the calm before the order: what passes without any swap. */
  readonly calmGapMs: number;
  /** The longest time without an acknowledgement, from the order until soon after the new epoch had a leader. */
  readonly stallMs: number;
  /** When the new epoch was known to have a leader. */
  readonly ledAfterMs: number;
  /** When every node followed in the new epoch and had caught up. */
  readonly wholeAfterMs: number;
}

export interface SwapConditions {
  readonly nodes: number;
  readonly storage: 'disk';
  readonly payloadBytes: number;
  readonly outstanding: number;
  readonly electionTimeoutMs: readonly [min: number, max: number];
  readonly heartbeatMs: number;
}

export interface SwapSeries extends Account {
  readonly swapsWanted: number;
  readonly swaps: readonly Swap[];
  readonly stallMs: OutageSummary;
  /** Of the calm before each swap, to compare. */
  readonly calmGapMs: OutageSummary;
  /** By the algorithm that was swapped for. */
  readonly stallMsTo: Readonly<Record<string, OutageSummary>>;
  /** Why swaps are missing. */
  readonly failure?: string;
}

export interface SwapResult extends ResultContext {
  readonly seed: number;
  readonly conditions: SwapConditions;
  readonly series: SwapSeries;
}
