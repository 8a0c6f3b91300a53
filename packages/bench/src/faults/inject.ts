/**
 * Carries out a schedule of faults on a running cluster and writes down what was hit, and when.
 */
import type { Cluster } from '@quorate/consensus';
import type { Clock, Random } from '@quorate/core';
import type { FaultRecord } from '../result.ts';
import type { ScheduledFault } from './schedule.ts';

export type StruckFault = Omit<FaultRecord, 'firstAckAfterMs'>;

/** Who leads is asked so often while a fault waits for a leader to hit. */
const leaderPollMs = 5;

export interface Injection {
  readonly cluster: Pick<Cluster, 'faults' | 'status'>;
  readonly schedule: readonly ScheduledFault[];
  readonly isDurable: boolean;
  readonly random: Random;
  readonly clock: Clock;
  /** The clock's reading at the start of the run. */
  readonly beganMs: number;
  /** Aborted when the load has ended: what has not struck by then does not, what is broken stays so. */
  readonly signal: AbortSignal;
}

/** @returns what struck, in order; resolves when the last fault is mended, or the load has ended */
export async function injectFaults(injection: Injection): Promise<StruckFault[]> {
  const { cluster, schedule, isDurable, random, clock, beganMs, signal } = injection;
  const struck: StruckFault[] = [];
  const elapsedMs = (): number => clock.nowMs() - beganMs;
  for (const { fault, strikeAtMs, lastsMs } of schedule) {
    await waitUntil(beganMs + strikeAtMs, clock, signal);
    const nodes = await nodesUnderLeader(cluster, clock, signal);
    if (nodes === undefined) break;
    const atMs = elapsedMs();
    const { target, mend } = await fault.strike({ faults: cluster.faults, isDurable, random, ...nodes });
    const record = { kind: fault.name, target, atMs };
    if (mend !== undefined) await waitUntil(beganMs + atMs + lastsMs, clock, signal);
    const isMended = mend !== undefined && !signal.aborted;
    if (isMended) await mend();
    struck.push({ ...record, healedAtMs: isMended ? elapsedMs() : null });
  }
  return struck;
}

interface Nodes {
  readonly leader: string;
  readonly followers: readonly string[];
}

/** Waits for a leader; undefined when the load ended before there was one. */
async function nodesUnderLeader(
  cluster: Pick<Cluster, 'status'>,
  clock: Clock,
  signal: AbortSignal,
): Promise<Nodes | undefined> {
  while (!signal.aborted) {
    const { leader, nodes } = cluster.status();
    const up = Object.entries(nodes).flatMap(([node, { role }]) => (isUp(role) ? [node] : []));
    if (leader !== undefined && up.includes(leader)) {
      return { leader, followers: up.filter((node) => node !== leader) };
    }
    await waitUntil(clock.nowMs() + leaderPollMs, clock, signal);
  }
  return undefined;
}

function isUp(role: string): boolean {
  return role !== 'down' && role !== 'failed';
}

/** Resolves at the moment, or when the signal is aborted. */
function waitUntil(momentMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(Math.max(momentMs - clock.nowMs(), 0), done);
    signal.addEventListener('abort', done);
  });
}
