/**
 * Nothing is acknowledged before a majority has it on the disk: shown for every single acknowledgement
 * of a real run, from what the nodes did to their disks. Killing processes could not show it, because
 * the page cache survives them.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type DiskTraceLine, traceNowMs } from '@quorate/consensus';
import { describe, expect, test } from 'vitest';
import { type Acknowledgement, type AuditInput, auditDurability, readTrace } from './durability-audit.ts';
import { algorithms, leaderOf, startLedger, temporaryDirectory, withOutstanding } from './running-cluster.ts';

const nodes = ['a', 'b', 'c'];
const ids = Array.from({ length: 6_000 }, (_, at) => `<${at}>`);
const pattern = /<\d+>/g;

/**
 * A load with many commands outstanding that loses its leader half-way, traced. The disks are slow enough
 * for a hasty reply to show.
 */
async function tracedRun(algorithm: string): Promise<AuditInput> {
  const traceDirectory = temporaryDirectory();
  const cluster = await startLedger({
    algorithm,
    nodes,
    storage: { directory: temporaryDirectory(), traceDirectory },
    electionTimeoutMs: [500, 1_000],
    segmentBytes: 16 * 1024,
  });
  await leaderOf(cluster);
  for (const node of nodes) cluster.faults.disk(node, { delayMs: 1 });
  const acknowledgements: Acknowledgement[] = [];
  const halfTime = ids[ids.length / 2];
  await withOutstanding(ids, 256, async (id) => {
    if (id === halfTime) await cluster.faults.kill(await leaderOf(cluster));
    await cluster.propose(id, { timeoutMs: 30_000 }).then(() => {
      acknowledgements.push({ id, atMs: traceNowMs() });
    });
  });
  await cluster.stop();
  const files = readdirSync(traceDirectory);
  const traces = new Map(files.map((file) => [file, readTrace(join(traceDirectory, file))]));
  return { traces, acknowledgements, pattern };
}

/** The same run, with the disks of so many nodes having done something else. */
function withTraces(
  input: AuditInput,
  count: number,
  change: (trace: readonly DiskTraceLine[]) => DiskTraceLine[],
): AuditInput {
  const traces = [...input.traces].map(
    ([node, trace], at) => [node, at < count ? change(trace) : trace] as const,
  );
  return { ...input, traces: new Map(traces) };
}

const withoutSyncs = (trace: readonly DiskTraceLine[]) => trace.filter(({ kind }) => kind !== 'datasync');
const withLateSyncs = (trace: readonly DiskTraceLine[]) =>
  trace.map((line) => (line.kind === 'datasync' ? { ...line, endMs: line.endMs + 60_000 } : line));
/** Syncs that began while the write was still under way cover nothing of it. */
const withHastySyncs = (trace: readonly DiskTraceLine[]) =>
  trace.map((line) => (line.kind === 'datasync' ? { ...line, startMs: line.startMs - 60_000 } : line));
const withoutWrites = (trace: readonly DiskTraceLine[]) => trace.filter(({ kind }) => kind !== 'write');

describe.each(algorithms)('%s', (algorithm) => {
  test('every command was durable on a majority at the moment of its acknowledgement', async () => {
    const run = await tracedRun(algorithm);
    expect(run.acknowledgements).toHaveLength(ids.length);
    const report = auditDurability(run);
    expect(report.violations).toEqual([]);
    // The run was one worth auditing: commands shared entries, and the log went through many segments.
    expect(report.entries).toBeGreaterThan(3 * 20);
    expect(report.segments).toBeGreaterThan(3 * 3);

    // The audit has teeth: had two of the three disks done otherwise, it would have said so of every command.
    for (const change of [withoutSyncs, withLateSyncs, withHastySyncs, withoutWrites]) {
      expect(auditDurability(withTraces(run, 1, change)).violations.length).toBeLessThan(ids.length);
      expect(auditDurability(withTraces(run, 2, change)).violations).toHaveLength(ids.length);
    }
    // So would it, had the app been told of one command a moment before the second disk was done.
    const early = run.acknowledgements.map((ack, at) =>
      at === 3_000 ? { ...ack, atMs: ack.atMs - 1_000 } : ack,
    );
    expect(auditDurability({ ...run, acknowledgements: early }).violations).toHaveLength(1);
  });
});
