/**
 * What a bench of runs is asked to do, and the runs that this means.
 */
import type { Consistency } from '@quorate/consensus';
import type { Fault } from '../faults/fault.ts';
import type { StorageKind } from '../result.ts';

/** What all runs of a bench have in common. */
export interface RunConditions {
  readonly nodes: number;
  readonly storage: StorageKind;
  /** Operations per second that are due, whatever became of the earlier ones; undefined: a closed loop. */
  readonly ratePerSecond: number | undefined;
  /** Of each run, without its warm-up. */
  readonly durationMs: number;
  readonly payloadBytes: number;
  readonly keys: number;
  /** Share of operations that read, 0 to 1. */
  readonly reads: number;
  /** Share of the other operations that compare and set, 0 to 1. */
  readonly compareAndSets: number;
  readonly consistency: Consistency;
  /** Each operation's own deadline. */
  readonly timeoutMs: number;
  readonly faults: readonly Fault[];
  readonly seed: number;
  readonly verify: boolean;
}

/** The options of `run`, checked. */
export interface RunOptions extends RunConditions {
  readonly algorithms: readonly string[];
  /** Operations outstanding, in an open loop at most; a run for each. */
  readonly clients: readonly number[];
  /** Where the history goes; with several runs each one's name is put before the extension. */
  readonly historyFile: string | undefined;
  /** Whether to measure the limit beside the runs. */
  readonly limit: boolean;
}

/** One run: an algorithm under one load. */
export interface RunPlan extends RunConditions {
  readonly algorithm: string;
  readonly clients: number;
  readonly historyFile: string | undefined;
}

/** A run of each algorithm with each number of clients; the algorithms side by side, to be compared. */
export function planRuns(options: RunOptions): RunPlan[] {
  const { algorithms, clients, historyFile, limit: _limit, ...conditions } = options;
  return clients.flatMap((count) =>
    algorithms.map((algorithm) => {
      const names = [...(algorithms.length > 1 ? [algorithm] : []), ...(clients.length > 1 ? [count] : [])];
      const file = historyFile === undefined ? undefined : withSuffix(historyFile, names.join('-'));
      return { ...conditions, algorithm, clients: count, historyFile: file };
    }),
  );
}

/** `history.jsonl` with `raft` is `history-raft.jsonl`. */
function withSuffix(file: string, suffix: string): string {
  if (suffix === '') return file;
  const [, stem = file, extension = ''] = /^(.*[^/])(\.[^./]+)$/.exec(file) ?? [];
  return `${stem}-${suffix}${extension}`;
}
