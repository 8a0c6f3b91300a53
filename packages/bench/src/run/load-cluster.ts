/**
 * A cluster under load: started, struck by faults on schedule, and stopped whatever happens.
 */
import { Cluster, type ClusterStorage } from '@quorate/consensus';
import { type Clock, seededRandom, systemClock } from '@quorate/core';
import { HistoryRecorder, numberedKeys } from '@quorate/simulation';
import { injectFaults, type StruckFault } from '../faults/inject.ts';
import { scheduleFaults } from '../faults/schedule.ts';
import { withStarted } from '../interrupt.ts';
import { closedLoop, type Execute } from '../workload/closed-loop.ts';
import { executeOperations, type RegisterCluster } from '../workload/execute-operations.ts';
import type { LoadMeter } from '../workload/load-meter.ts';
import { type MeasuredLoad, measureLoad, warmUpMsDefault } from '../workload/measure-load.ts';
import { openLoop } from '../workload/open-loop.ts';
import { paddedValues, registerOperations } from '../workload/register-operations.ts';
import type { RunPlan } from './options.ts';

/** A fresh cluster's first leader is awaited so long. */
const readyMsMax = 30_000;

export interface LoadedCluster {
  readonly load: MeasuredLoad;
  readonly struck: readonly StruckFault[];
  /** How many operations ended with which code. */
  readonly errors: ReadonlyMap<string, number>;
  readonly warnings: readonly string[];
  /** Undefined: no history was kept. */
  readonly recorder: HistoryRecorder | undefined;
}

/**
 * @param onBegin called when the load starts, warm-up included
 * @throws CodedError whatever keeps the cluster from starting, or a fault from being carried out
 */
export async function loadCluster(
  plan: RunPlan,
  storage: 'memory' | ClusterStorage,
  onBegin: () => void,
): Promise<LoadedCluster> {
  const { algorithm, nodes } = plan;
  const stateMachine = new URL('../workload/register-machine.js', import.meta.url);
  const starting: Promise<RegisterCluster> = Cluster.start({ algorithm, nodes, storage, stateMachine });
  return withStarted(
    starting,
    (cluster) => cluster.stop(),
    (cluster) => loadStarted(plan, cluster, onBegin),
  );
}

async function loadStarted(
  plan: RunPlan,
  cluster: RegisterCluster,
  onBegin: () => void,
): Promise<LoadedCluster> {
  const warnings = new Set<string>();
  cluster.on('warning', ({ message }) => warnings.add(message));
  cluster.on('node-failed', ({ node, code, message }) => warnings.add(`node ${node}: ${code}: ${message}`));
  const values = paddedValues(plan.payloadBytes);
  const isRecording = plan.verify || plan.historyFile !== undefined;
  const recorder = isRecording ? new HistoryRecorder({ values, keys: numberedKeys }) : undefined;
  const errors = new Map<string, number>();
  const keys = Array.from({ length: plan.keys }, (_, key) => numberedKeys.nameOf(key) ?? '');
  const execute = executeOperations({
    cluster,
    operations: registerOperations({ ...plan, random: seededRandom(plan.seed).fork('operations') }),
    values,
    keys,
    consistency: plan.consistency,
    timeoutMs: plan.timeoutMs,
    recorder,
    onError: (code) => errors.set(code, (errors.get(code) ?? 0) + 1),
  });
  await cluster.query(keys[0] ?? '', { timeoutMs: readyMsMax });
  onBegin();
  const loaded = await loadWithFaults(plan, cluster, execute);
  return { ...loaded, errors, warnings: [...warnings], recorder };
}

async function loadWithFaults(
  plan: RunPlan,
  cluster: RegisterCluster,
  execute: Execute,
): Promise<Pick<LoadedCluster, 'load' | 'struck'>> {
  const clock = systemClock;
  const ended = new AbortController();
  let injection: Promise<StruckFault[]> = Promise.resolve([]);
  const inject = (beganMs: number): void => {
    injection = injectFaults({
      cluster,
      schedule: scheduleFaults(plan.faults, plan.durationMs),
      isDurable: plan.storage === 'disk',
      random: seededRandom(plan.seed).fork('faults'),
      clock,
      beganMs,
      signal: ended.signal,
    });
    // Whatever goes wrong with a fault is told when the load has ended, below.
    injection.catch(() => undefined);
  };
  const load = await measureLoad({
    drive: (meter, signal) => drive({ plan, execute, meter, clock, signal }),
    warmUpMs: warmUpMsDefault,
    durationMs: plan.durationMs,
    clock,
    onBegin: inject,
  });
  ended.abort();
  return { load, struck: await injection };
}

function drive(options: {
  readonly plan: RunPlan;
  readonly execute: Execute;
  readonly meter: LoadMeter;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { plan, ...parts } = options;
  const { ratePerSecond, clients } = plan;
  if (ratePerSecond === undefined) return closedLoop({ ...parts, clients });
  return openLoop({ ...parts, ratePerSecond, outstandingMax: clients });
}
