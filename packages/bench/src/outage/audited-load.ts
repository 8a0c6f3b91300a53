/**
 * A cluster under a steady load of writes, of which every single one is accounted for in the end.
 *
 * So many clients write in a closed loop; a few slow readers beside them see what there is to see. When the
 * work is done, the cluster's own tally is held against what the clients were told, and the history is judged.
 */
import { join } from 'node:path';
import { Cluster, type ClusterOptions } from '@quorate/consensus';
import { type Clock, seededRandom, systemClock } from '@quorate/core';
import { HistoryRecorder, numberedKeys } from '@quorate/simulation';
import { withStarted } from '../interrupt.ts';
import type { OperationCounts } from '../result.ts';
import { withTemporaryDirectory } from '../temporary-directory.ts';
import { type Verdict, verify } from '../verification/verify.ts';
import { closedLoop } from '../workload/closed-loop.ts';
import { type ExecuteOptions, executeOperations } from '../workload/execute-operations.ts';
import { warmUpMsDefault } from '../workload/measure-load.ts';
import { pacedReaders } from '../workload/paced-readers.ts';
import type { RegisterAnswer } from '../workload/register-machine.ts';
import {
  paddedValues,
  type RegisterOperations,
  registerOperations,
} from '../workload/register-operations.ts';
import type talliedRegisters from '../workload/tallied-registers.ts';
import { AckWatch } from './ack-watch.ts';
import { auditWrites, type WriteAudit } from './write-audit.ts';

export type TalliedCluster = Cluster<typeof talliedRegisters>;

/** The load, which is the same whatever strikes. */
export const steadyLoad = {
  nodes: 3,
  storage: 'disk',
  payloadBytes: 16,
  keys: 1_000,
  /** Share of the writes that compare and set. */
  compareAndSets: 0.1,
  readers: 4,
  readPauseMs: 5,
  timeoutMs: 5_000,
} as const;

/** A fresh cluster's first leader is awaited so long, and so is the tally at the end. */
const answerMsMax = 30_000;
/** Commands whose tally is asked for at once. */
const tallyPart = 2 ** 20;

export interface LoadSettings {
  readonly cluster: Pick<ClusterOptions, 'algorithm' | 'electionTimeoutMs' | 'heartbeatMs' | 'peerDownHints'>;
  /** Writes outstanding. */
  readonly outstanding: number;
  readonly seed: number;
  /** Whether to keep a history, and to judge it and the tally in the end. */
  readonly verify: boolean;
}

/** What there is to work with while the load goes on. */
export interface Stage {
  readonly cluster: TalliedCluster;
  readonly acks: AckWatch;
  readonly clock: Clock;
}

export interface AccountedLoad<T> extends Verdict {
  readonly value: T;
  readonly operations: OperationCounts;
  /** Undefined: nothing was recorded that could be audited. */
  readonly audit: WriteAudit | undefined;
  /** How many operations ended with which code. */
  readonly errors: ReadonlyMap<string, number>;
  readonly warnings: readonly string[];
}

/** @throws CodedError whatever keeps the cluster from starting, or `work` throws */
export async function underAuditedLoad<T>(
  settings: LoadSettings,
  work: (stage: Stage) => Promise<T>,
): Promise<AccountedLoad<T>> {
  const { recorder, ...load } = await withTemporaryDirectory('outage', (directory) => {
    const storage = { directory: join(directory, 'cluster') };
    const stateMachine = new URL('../workload/tallied-registers.js', import.meta.url);
    const { nodes } = steadyLoad;
    return withStarted(
      Cluster.start<typeof talliedRegisters>({ ...settings.cluster, nodes, storage, stateMachine }),
      (cluster) => cluster.stop(),
      (cluster) => loadStarted(settings, cluster, work),
    );
  });
  if (recorder === undefined) return { ...load, verified: null };
  return { ...load, ...(await verify(recorder.history(), steadyLoad.payloadBytes)) };
}

async function loadStarted<T>(
  settings: LoadSettings,
  cluster: TalliedCluster,
  work: (stage: Stage) => Promise<T>,
): Promise<Omit<AccountedLoad<T>, keyof Verdict> & { readonly recorder: HistoryRecorder | undefined }> {
  const warnings = new Set<string>();
  cluster.on('warning', ({ message }) => warnings.add(message));
  cluster.on('node-failed', ({ node, code, message }) => warnings.add(`node ${node}: ${code}: ${message}`));
  const errors = new Map<string, number>();
  const acks = new AckWatch();
  const ended = new AbortController();
  const { drive, recorder } = loadOf(settings, cluster, (code) =>
    errors.set(code, (errors.get(code) ?? 0) + 1),
  );
  await cluster.query('', { timeoutMs: answerMsMax });
  const driving = drive(acks, ended.signal);
  let value: T;
  try {
    await new Promise<void>((resolve) => systemClock.after(warmUpMsDefault, resolve));
    value = await work({ cluster, acks, clock: systemClock });
  } finally {
    ended.abort();
    await driving;
  }
  const audit = recorder === undefined ? undefined : await auditAtEnd(cluster, recorder);
  return { value, operations: acks.operations, audit, errors, warnings: [...warnings], recorder };
}

interface Load {
  readonly drive: (acks: AckWatch, signal: AbortSignal) => Promise<void>;
  readonly recorder: HistoryRecorder | undefined;
}

function loadOf(settings: LoadSettings, cluster: TalliedCluster, onError: (code: string) => void): Load {
  const { payloadBytes, compareAndSets, readers, readPauseMs, timeoutMs } = steadyLoad;
  const clock = systemClock;
  const values = paddedValues(payloadBytes);
  const recorder = settings.verify ? new HistoryRecorder({ values, keys: numberedKeys }) : undefined;
  const random = seededRandom(settings.seed);
  const writes = registerOperations({
    keys: steadyLoad.keys,
    reads: 0,
    compareAndSets,
    random: random.fork('writes'),
  });
  const looking = random.fork('reads');
  const reads: RegisterOperations = {
    next: () => ({ f: 'read', key: looking.below(steadyLoad.keys) }),
    // A compare-and-set has a fair chance only where somebody has looked.
    observe: (key, value) => writes.observe(key, value),
  };
  const keys = Array.from({ length: steadyLoad.keys }, (_, key) => numberedKeys.nameOf(key) ?? '');
  const registers: ExecuteOptions['cluster'] = {
    propose: (command, options) => cluster.propose(command, options),
    query: (key, options) => cluster.query(key, options) as Promise<RegisterAnswer>,
  };
  const shared = {
    cluster: registers,
    values,
    keys,
    consistency: 'linearizable',
    timeoutMs,
    recorder,
    onError,
  } as const;
  const write = executeOperations({ ...shared, operations: writes });
  const read = executeOperations({ ...shared, operations: reads });
  const drive = async (acks: AckWatch, signal: AbortSignal): Promise<void> => {
    await Promise.all([
      closedLoop({ clients: settings.outstanding, execute: write, meter: acks, clock, signal }),
      pacedReaders({ readers, pauseMs: readPauseMs, execute: read, clock, signal }),
    ]);
  };
  return { drive, recorder };
}

async function auditAtEnd(cluster: TalliedCluster, recorder: HistoryRecorder): Promise<WriteAudit> {
  const writes = recorder.operationCount;
  const tally = new Uint8Array(writes);
  for (let from = 0; from < writes; from += tallyPart) {
    const part = await cluster.query([from, Math.min(from + tallyPart, writes)], { timeoutMs: answerMsMax });
    tally.set(part as Uint8Array, from);
  }
  return auditWrites(recorder.history(), tally);
}
