/**
 * One run: a cluster is loaded and struck by faults, and what came of it is measured and judged.
 */
import { join } from 'node:path';
import { type HistoryRecorder, writeHistoryFile } from '@quorate/simulation';
import { asDiskError } from '@quorate/storage';
import type { StruckFault } from '../faults/inject.ts';
import type { FaultRecord, RunResult } from '../result.ts';
import { withTemporaryDirectory } from '../temporary-directory.ts';
import { type Verdict, verify, whyNotJudged } from '../verification/verify.ts';
import { figuresOf, type MeasuredLoad, warmUpMsDefault } from '../workload/measure-load.ts';
import { firstAckAfterMs } from '../workload/silence.ts';
import { type LoadedCluster, loadCluster } from './load-cluster.ts';
import type { RunPlan } from './options.ts';

/** @param fraction of the run, 0 to 1 @param note what is being done, a few words */
export type OnProgress = (fraction: number, note: string) => void;

/** Where the load begins and ends in a run, which goes on with the check: a guess, for the progress bar. */
const loadBegins = 0.05;
const loadEnds = 0.85;

/**
 * @throws CodedError whatever keeps the cluster from starting or a fault from being carried out;
 * `ERR_DISK_FULL` or `ERR_DISK_FAILED` where the history cannot be written
 */
export async function measureRun(plan: RunPlan, onProgress: OnProgress): Promise<RunResult> {
  const { load, struck, errors, warnings, recorder } = await loadWithProgress(plan, onProgress);
  if (recorder !== undefined) onProgress(loadEnds, `${nameOf(plan)}: history`);
  const verdict = await judge(plan, recorder);
  const { algorithm, nodes, storage, payloadBytes, clients, keys, reads, consistency } = plan;
  return {
    algorithm,
    nodes,
    storage,
    payloadBytes,
    clients,
    ...figuresOf(load),
    timeline: load.timeline,
    faults: withSilences(struck, load),
    recorded: recorder !== undefined,
    ...verdict,
    limitRatio: null,
    keys,
    reads,
    consistency,
    ratePerSecond: plan.ratePerSecond ?? null,
    slices: load.slices,
    errors: Object.fromEntries(errors),
    warnings,
  };
}

async function loadWithProgress(plan: RunPlan, onProgress: OnProgress): Promise<LoadedCluster> {
  onProgress(0, `${nameOf(plan)}: starting`);
  const loadMs = warmUpMsDefault + plan.durationMs;
  let ticker: NodeJS.Timeout | undefined;
  const onBegin = (): void => {
    const beganMs = performance.now();
    ticker = setInterval(() => {
      const done = Math.min((performance.now() - beganMs) / loadMs, 1);
      onProgress(loadBegins + done * (loadEnds - loadBegins), nameOf(plan));
    }, 200);
  };
  try {
    if (plan.storage === 'memory') return await loadCluster(plan, 'memory', onBegin);
    return await withTemporaryDirectory('run', (directory) =>
      loadCluster(plan, { directory: join(directory, 'cluster') }, onBegin),
    );
  } finally {
    clearInterval(ticker);
  }
}

function nameOf({ algorithm, clients }: RunPlan): string {
  return `${algorithm}, ${clients} outstanding`;
}

/** Writes the history where it was asked for, then judges it. */
async function judge(plan: RunPlan, recorder: HistoryRecorder | undefined): Promise<Verdict> {
  if (recorder === undefined) return { verified: null };
  const { historyFile, payloadBytes } = plan;
  const history = recorder.history();
  if (historyFile !== undefined) {
    await writeHistoryFile(historyFile, history).catch((error: unknown) => {
      throw asDiskError(error, 'write', historyFile);
    });
  }
  if (!plan.verify) return { verified: null };
  const whyNot = whyNotJudged(plan);
  return whyNot === undefined ? verify(history, payloadBytes) : { verified: null, verdictNote: whyNot };
}

/** Adds to each fault how long it silenced the cluster. */
function withSilences(struck: readonly StruckFault[], { silences }: MeasuredLoad): FaultRecord[] {
  return struck.map((fault) => ({ ...fault, firstAckAfterMs: firstAckAfterMs(silences, fault.atMs) }));
}
