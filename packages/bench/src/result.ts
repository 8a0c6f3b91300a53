/**
 * The result of a bench, as `--json` writes it and the table and the report read it.
 *
 * Fields are added, never renamed. Whatever shaped a figure stands beside it: whether the history was
 * recorded and verified, what was injected, and on which machine and commit.
 */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** Such as `v20.19.0`. */
  readonly node: string;
  /** Such as `linux x64`. */
  readonly platform: string;
}

/** Milliseconds; null where no operation was measured. Resolution: one microsecond, three digits. */
export interface LatencySummary {
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly p999: number | null;
  readonly max: number | null;
}

/** How many operations ended how. `failed` did not happen; `unknown` may or may not have. */
export interface OperationCounts {
  readonly ok: number;
  readonly failed: number;
  readonly unknown: number;
}

/** One second of a run, by the moment at which operations ended. Null where none ended well. */
export interface TimelineSecond {
  /** 0 for the first. */
  readonly second: number;
  readonly ok: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** A finer part of the timeline, so that a failover of a few hundred milliseconds can be seen. */
export interface TimelineSlice {
  /** Since the start of the run. The slice goes on to the next one's `atMs`. */
  readonly atMs: number;
  readonly ok: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** A fault as it was carried out; all times in milliseconds since the start of the run. */
export interface FaultRecord {
  readonly kind: string;
  /** The node or link that was hit. */
  readonly target: string;
  readonly atMs: number;
  /** Null: never healed within the run. */
  readonly healedAtMs: number | null;
  /** From the fault to the first acknowledgement of an operation thereafter; null: there was none. */
  readonly firstAckAfterMs: number | null;
}

/** Where nodes keep their data in a run. */
export type StorageKind = 'disk' | 'memory';

/** What is measured of a load, with a protocol or without. */
export interface Measurement {
  readonly nodes: number;
  readonly storage: StorageKind;
  readonly payloadBytes: number;
  /** Operations outstanding, in a closed loop; the most that may be, in an open one. */
  readonly clients: number;
  readonly durationSeconds: number;
  readonly operations: OperationCounts;
  readonly throughputPerSecond: number;
  /** Of all threads of the process, user and system; null where no operation went well. */
  readonly cpuMicrosecondsPerOperation: number | null;
  readonly latencyMs: LatencySummary;
}

/** What one algorithm did under one load. The whole of it stands in `run --json`. */
export interface RunResult extends Measurement {
  readonly algorithm: string;
  readonly timeline: readonly TimelineSecond[];
  readonly faults: readonly FaultRecord[];
  /** Whether the history was recorded: recording costs time, so it is part of every figure. */
  readonly recorded: boolean;
  /** Whether the history is linearizable; null: not checked, or the checker gave up. */
  readonly verified: boolean | null;
  /** Throughput as a share of the limit's row for the same clients, payload and storage, decoded. */
  readonly limitRatio: number | null;
  readonly keys: number;
  /** Share of operations that read, 0 to 1. */
  readonly reads: number;
  readonly consistency: string;
  /** Null: closed loop. */
  readonly ratePerSecond: number | null;
  readonly slices: readonly TimelineSlice[];
  /** Why `verified` is what it is, in one line, when there is more to say than yes or no. */
  readonly verdictNote?: string;
  /** In what the run is unlike the limit's row that `limitRatio` compares it with, in one line. */
  readonly limitNote?: string;
  /** How many operations did not end well for which reason, by the code of the error. */
  readonly errors: Readonly<Record<string, number>>;
  /** What the cluster warned of, and nodes that stopped for good; each once. */
  readonly warnings: readonly string[];
}

/** One row of the limit: the same bytes with no protocol at all. */
export interface LimitRow extends Measurement {
  readonly mode: 'opaque' | 'decoded';
}

/** What is said of every result, whichever command made it. */
export interface ResultContext {
  readonly machine: Machine;
  /** Git's name of the commit, with `-dirty` where files had changed; null outside a checkout. */
  readonly commit: string | null;
  /** What to type to do it again. */
  readonly commandLine: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
}

/** What `limit --json` writes. */
export interface LimitResult extends ResultContext {
  readonly limits: readonly LimitRow[];
}

/** What `run --json` writes. */
export interface BenchResult extends ResultContext {
  readonly seed: number;
  readonly runs: readonly RunResult[];
  /** Measured beside the runs with `--limit`; empty without. */
  readonly limits: readonly LimitRow[];
}
