/**
 * What many groups cost: each number of them on a fresh cluster, in a process of its own, so that none inherits
 * the memory of the one before.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster } from '@quorate/consensus';
import { CodedError, errorToData, systemClock } from '@quorate/core';
import { undoOnInterrupt, withStarted } from '../interrupt.ts';
import { withTemporaryDirectory } from '../temporary-directory.ts';
import type registers from '../workload/register-machine.ts';
import type { GroupsRow } from './result.ts';

export interface GroupsOptions {
  readonly algorithm: string;
  readonly groups: number;
  /** How long the idle cluster is watched. */
  readonly idleMs: number;
}

/** What the child process sends, once. */
type Report = { readonly row: GroupsRow } | { readonly error: ReturnType<typeof errorToData> };

/** A leader is awaited so long: with thousands of groups on few cores, elections take their time. */
const writeMsMax = 120_000;
/** After so long without a request every group is at rest. */
const calmMs = 3_000;

/** @throws CodedError whatever keeps the cluster from starting, or a group from answering */
export async function measureGroups(options: GroupsOptions): Promise<GroupsRow> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(options)]);
  const release = undoOnInterrupt(() => void child.kill());
  try {
    const report = await new Promise<Report>((resolve, reject) => {
      child.once('message', (message) => resolve(message as Report));
      child.once('error', reject);
      child.once('exit', (code) =>
        reject(new CodedError('ERR_STOPPED', `the measuring process ended with ${code}`, {})),
      );
    });
    if ('row' in report) return report.row;
    throw new CodedError('ERR_NO_QUORUM', report.error.message, { code: report.error.code });
  } finally {
    release();
  }
}

/** Measures in this process. */
async function measureHere({ algorithm, groups, idleMs }: GroupsOptions): Promise<GroupsRow> {
  return withTemporaryDirectory('groups', (directory) => {
    const stateMachine = new URL('../workload/register-machine.js', import.meta.url);
    const storage = { directory: join(directory, 'cluster') };
    const begun = { ms: systemClock.nowMs(), cpuMs: cpuMs() };
    return withStarted(
      Cluster.start<typeof registers>({ algorithm, groups, nodes: 3, storage, stateMachine }),
      (cluster) => cluster.stop(),
      async (cluster) => {
        const startMs = systemClock.nowMs() - begun.ms;
        const firstWritesMs = await writeToEach(cluster, groups);
        const startCpuMs = cpuMs() - begun.cpuMs;
        const writesMs = await writeToEach(cluster, groups);
        await new Promise<void>((resolve) => systemClock.after(calmMs, resolve));
        const idle = await watchIdle(cluster, idleMs);
        const residentBytes = process.memoryUsage().rss;
        return {
          algorithm,
          groups,
          startMs,
          firstWritesMs,
          cpuMs: startCpuMs,
          writesMs,
          ...idle,
          residentBytes,
        };
      },
    );
  });
}

/** @returns how long it took until the last of them was acknowledged */
async function writeToEach(cluster: Cluster<typeof registers>, groups: number): Promise<number> {
  const sinceMs = systemClock.nowMs();
  await Promise.all(
    Array.from({ length: groups }, (_, group) =>
      cluster.group(group).propose(['key', 'value'], { timeoutMs: writeMsMax }),
    ),
  );
  return systemClock.nowMs() - sinceMs;
}

async function watchIdle(
  cluster: Cluster<typeof registers>,
  idleMs: number,
): Promise<Pick<GroupsRow, 'idleMessagesPerSecond' | 'idleCpuShare'>> {
  const before = { ms: systemClock.nowMs(), cpuMs: cpuMs(), messages: await messagesBetweenNodes(cluster) };
  await new Promise<void>((resolve) => systemClock.after(idleMs, resolve));
  const passedMs = systemClock.nowMs() - before.ms;
  const idleCpuShare = (cpuMs() - before.cpuMs) / passedMs;
  const messages = (await messagesBetweenNodes(cluster)) - before.messages;
  return { idleCpuShare, idleMessagesPerSecond: (messages * 1_000) / passedMs };
}

async function messagesBetweenNodes(cluster: Cluster<typeof registers>): Promise<number> {
  const nodes = Object.keys(cluster.status().nodes);
  const inspections = await Promise.all(nodes.map((node) => cluster.inspect(node)));
  const links = inspections.flatMap(({ peers }) => peers).filter(({ peer }) => nodes.includes(peer));
  return links.reduce((sum, { messagesSent }) => sum + messagesSent, 0);
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

const [, entry, argument] = process.argv;
if (process.send !== undefined && argument !== undefined && entry === fileURLToPath(import.meta.url)) {
  const report: Report = await measureHere(JSON.parse(argument) as GroupsOptions).then(
    (row) => ({ row }),
    (error: unknown) => ({ error: errorToData(error) }),
  );
  process.send(report, () => process.disconnect());
}
