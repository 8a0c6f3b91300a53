/** The public surface of `@quorate/bench`: what the command line does, callable, and the shape of its results. */

export type { Fault, Scene, Struck } from './faults/fault.ts';
export { readFaults, requireSurvivable } from './faults/table.ts';
export { type LimitOptions, measureLimit } from './limit/measure.ts';
export { renderReport } from './report/page.ts';
export { writeReport } from './report/report.ts';
export type {
  BenchResult,
  FaultRecord,
  LatencySummary,
  LimitResult,
  LimitRow,
  Machine,
  OperationCounts,
  ResultContext,
  RunResult,
  StorageKind,
  TimelineSecond,
  TimelineSlice,
} from './result.ts';
export { measureRuns } from './run/measure-runs.ts';
export type { RunConditions, RunOptions } from './run/options.ts';
