/** The result of `failover`, as `--json` writes it and the tables read it. Fields are added, never renamed. */

import type { WriteAudit } from '../outage/write-audit.ts';
import type { OperationCounts, ResultContext } from '../result.ts';
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
  /** By how much the term grew, or the ballot as one number. */
  readonly termsPassed: number;
  /** When every node was up and caught up again. */
  readonly wholeAfterMs: number;
}

/** Milliseconds; null where no trial was carried out. */
export interface FailoverSummary {
  readonly median: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  readonly mean: number | null;
}

/** All trials of one algorithm under one kind of strike. */
export interface FailoverSeries {
  readonly algorithm: string;
  readonly kind: string;
  readonly measure: FailoverKind['measure'];
  readonly trialsWanted: number;
  readonly trials: readonly FailoverTrial[];
  /** Of {@link FailoverTrial.firstAckAfterMs} or `longestGapMs`, as `measure` says. */
  readonly outageMs: FailoverSummary;
  readonly operations: OperationCounts;
  /** Null: no history was kept. */
  readonly audit: WriteAudit | null;
  readonly recorded: boolean;
  /** Whether every history is linearizable; null: not checked, or the checker gave up. */
  readonly verified: boolean | null;
  readonly verdictNote?: string;
  /** Why trials are missing. */
  readonly failure?: string;
  readonly errors: Readonly<Record<string, number>>;
  readonly warnings: readonly string[];
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
