/** The result of `failover`, as `--json` writes it and the tables read it. Fields are added, never renamed. */

import type { Account } from '../outage/account.ts';
import type { OutageSummary } from '../outage/summary.ts';
import type { ResultContext } from '../result.ts';
import type { FailoverKind } from './kind.ts';

/** One trial; times in milliseconds since the strike, which is the moment at which it was ordered. */
export interface FailoverTrial {
  /** The node or link that was hit. */
  readonly target: string;
  /** When the app heard that the leader's thread had ended; null: it did not. */
  readonly nodeDownAfterMs: number | null;
  /** When the app heard of each new leader, in order; more than one: they contended. */
  readonly leadersAfterMs: readonly number[];
  /** The first acknowledgement of a write under another leader. */
  readonly firstAckAfterMs: number;
  /** The longest time without an acknowledgement, from the strike until soon after the first new one. */
  readonly longestGapMs: number;
  /** The longest time without an acknowledgement in the calm before the strike: what passes without any. */
  readonly calmGapMs: number;
  /** By how much the term grew, or the ballot as one number. */
  readonly termsPassed: number;
  /** When every node was up and caught up again. */
  readonly wholeAfterMs: number;
}

/** All trials of one algorithm under one kind of strike. */
export interface FailoverSeries extends Account {
  readonly algorithm: string;
  readonly kind: string;
  readonly measure: FailoverKind['measure'];
  readonly trialsWanted: number;
  readonly trials: readonly FailoverTrial[];
  /** Of {@link FailoverTrial.firstAckAfterMs} or `longestGapMs`, as `measure` says. */
  readonly outageMs: OutageSummary;
  /** Why trials are missing. */
  readonly failure?: string;
}

export interface FailoverConditions {
  readonly nodes: number;
  readonly storage: 'disk';
  readonly payloadBytes: number;
  readonly outstanding: number;
  readonly electionTimeoutMs: readonly [min: number, max: number];
  readonly heartbeatMs: number;
  /** Whether the end of a thread was a hint to the others. */
  readonly peerDownHints: boolean;
}

export interface FailoverResult extends ResultContext {
  readonly seed: number;
  readonly conditions: FailoverConditions;
  readonly failovers: readonly FailoverSeries[];
}
