/** A cluster that starts on a directory is the cluster that left it, and a node that comes back catches up. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster, ClusterOptions } from '@quorate/consensus';
import { decodeSegment } from '@quorate/storage';
import { describe, expect, test } from 'vitest';
import {
  algorithms,
  countsOf,
  eventually,
  freshIds,
  type Ledger,
  leaderOf,
  nodeIs,
  startLedger,
  temporaryDirectory,
  withOutstanding,
} from './running-cluster.ts';

/** Small enough for a log that is cut short several times within a second of writing. */
const compacting = {
  segmentBytes: 16 * 1024,
  snapshotEveryBytes: 16 * 1024,
} satisfies Partial<ClusterOptions>;
const timeoutMs = 20_000;

function write(cluster: Cluster<Ledger>, ids: readonly string[]): Promise<void> {
  return withOutstanding(ids, 64, (id) => cluster.propose({ id, fill: new Uint8Array(100) }, { timeoutMs }));
}

/** Every node tells the same: asked one after the other, each once at least. */
async function expectEverywhere(cluster: Cluster<Ledger>, ids: readonly string[]): Promise<void> {
  const nodes = Object.keys(cluster.status().nodes).length;
  const last = await cluster.query('all', { timeoutMs });
  expect(new Map(last as [string, number][])).toEqual(new Map(ids.map((id) => [id, 1])));
  for (let ask = 0; ask < 2 * nodes; ask++) {
    await eventually('a replica has it all', async () => {
      const size = await cluster.query('size', { consistency: 'eventual', timeoutMs });
      return size === ids.length;
    });
  }
}

const logFiles = (directory: string, node: string): string[] => readdirSync(join(directory, node, 'log'));

/** Whether the node's log, which nothing was removed from, has a snapshot of entries that it never held. */
function hasInstalled(directory: string, node: string): boolean {
  const held = new Set<number>();
  for (const name of logFiles(directory, node).sort()) {
    for (const frame of decodeSegment(readFileSync(join(directory, node, 'log', name))).frames) {
      if (frame.kind !== 'record') continue;
      const { record } = frame;
      if (record.type === 'entries') for (const { index } of record.entries) held.add(index);
      if (record.type !== 'snapshot') continue;
      for (let index = 1; index <= record.index; index++) if (!held.has(index)) return true;
    }
  }
  return false;
}

describe.each(algorithms)('%s', (algorithm) => {
  test('state, algorithm and members are those of the directory, whatever the options say', async () => {
    const storage = { directory: temporaryDirectory() };
    const first = await startLedger({ algorithm, nodes: ['x', 'y', 'z'], storage });
    const { position } = await first.propose('one', { timeoutMs });
    await first.session('named').propose('two', { timeoutMs });
    await first.stop();

    const other = algorithm === 'raft' ? 'multi-paxos' : 'raft';
    const second = await startLedger({ algorithm: other, nodes: 5, storage });
    const warnings: string[] = [];
    second.on('warning', ({ message }) => warnings.push(message));
    expect(second.status().algorithm).toBe(algorithm);
    expect(Object.keys(second.status().nodes)).toEqual(['x', 'y', 'z']);
    expect(await second.propose('three', { timeoutMs })).toEqual({ id: 'three', position: position + 2 });
    expect([...(await countsOf(second))]).toEqual([
      ['one', 1],
      ['two', 1],
      ['three', 1],
    ]);
    expect(warnings).toEqual([expect.stringContaining(`${algorithm} on x, y, z`)]);
  });

  test('a log that was cut short by snapshots gives the same state after a restart', async () => {
    const directory = temporaryDirectory();
    const ids = freshIds(1_500);
    const first = await startLedger({ algorithm, storage: { directory }, ...compacting });
    await write(first, ids);
    await first.stop();
    for (const node of ['a', 'b', 'c']) {
      expect(logFiles(directory, node), 'old segments go').not.toContain('0000000000000001.log');
      expect(readdirSync(join(directory, node, 'snapshots')).length).toBeGreaterThan(0);
    }
    const second = await startLedger({ algorithm, storage: { directory }, ...compacting });
    await expectEverywhere(second, ids);
  });

  test('sessions live in log and snapshot: the death of all nodes at once costs no command and doubles none', async () => {
    const storage = { directory: temporaryDirectory() };
    const cluster = await startLedger({ algorithm, storage, ...compacting });
    const ids = freshIds(1_500);
    let acknowledged = 0;
    const load = withOutstanding(ids, 64, async (id) => {
      await cluster.propose({ id, fill: new Uint8Array(100) }, { timeoutMs });
      acknowledged += 1;
    });
    const nodes = ['a', 'b', 'c'];
    for (const enough of [500, 1_000]) {
      await eventually(`${enough} acknowledged`, () => acknowledged >= enough);
      await Promise.all(nodes.map((node) => cluster.faults.kill(node)));
      await Promise.all(nodes.map((node) => cluster.faults.restart(node)));
    }
    await load;
    await expectEverywhere(cluster, ids);
  });

  test('a node that was down for a little while is sent the entries that it missed', async () => {
    const directory = temporaryDirectory();
    const cluster = await startLedger({ algorithm, storage: { directory } });
    const leader = await leaderOf(cluster);
    const follower = ['a', 'b', 'c'].find((node) => node !== leader) as string;
    const ids = freshIds(200);
    await write(cluster, ids.slice(0, 100));
    await cluster.faults.kill(follower);
    expect(cluster.status().nodes[follower]?.role).toBe('down');
    await write(cluster, ids.slice(100));
    await cluster.faults.restart(follower);
    await nodeIs(cluster, follower, ({ role }) => role === 'follower');
    await expectEverywhere(cluster, ids);
    await cluster.stop();
    expect(hasInstalled(directory, follower)).toBe(false);
  });

  test('a node that was down for longer than the log reaches back is sent a snapshot', async () => {
    const directory = temporaryDirectory();
    const cluster = await startLedger({ algorithm, storage: { directory }, snapshotEveryBytes: 16 * 1024 });
    const leader = await leaderOf(cluster);
    const follower = ['a', 'b', 'c'].find((node) => node !== leader) as string;
    const ids = freshIds(20_000);
    let written = 20;
    await write(cluster, ids.slice(0, written));
    await cluster.faults.kill(follower);
    // What the log still has in memory reaches back to the last snapshot but one.
    const snapshotsSince = new Set<string>();
    while (snapshotsSince.size < 4) {
      await write(cluster, ids.slice(written, written + 100));
      written += 100;
      for (const name of readdirSync(join(directory, leader, 'snapshots'))) {
        if (name.endsWith('.snap')) snapshotsSince.add(name);
      }
    }
    await cluster.faults.restart(follower);
    await eventually('a snapshot is installed', () => hasInstalled(directory, follower));
    await expectEverywhere(cluster, ids.slice(0, written));
    // It is a full member again: without another one it makes the majority.
    const third = ['a', 'b', 'c'].find((node) => node !== leader && node !== follower) as string;
    await cluster.faults.kill(third);
    await cluster.propose('with its help', { timeoutMs });
  });
});

test('options that agree with the directory are no reason for a warning', async () => {
  const storage = { directory: temporaryDirectory() };
  await (await startLedger({ storage })).stop();
  const cluster = await startLedger({ storage });
  const warnings: unknown[] = [];
  cluster.on('warning', (warning) => warnings.push(warning));
  await cluster.propose('one', { timeoutMs });
  expect(warnings).toEqual([]);
});

test('a node whose log ends in a torn commit goes on without it, and the app is told', async () => {
  const directory = temporaryDirectory();
  const first = await startLedger({ storage: { directory } });
  await first.propose('one', { timeoutMs });
  await first.stop();
  const path = join(directory, 'b', 'log', logFiles(directory, 'b').sort()[0] as string);
  const bytes = readFileSync(path);
  // As if the power had failed in the very last write.
  const end = decodeSegment(bytes).frames.at(-1)?.end ?? 0;
  writeFileSync(path, bytes.fill(0, end - 16, end));
  const cluster = await startLedger({ storage: { directory } });
  const warnings: string[] = [];
  cluster.on('warning', ({ message }) => warnings.push(message));
  expect(await cluster.propose('two', { timeoutMs })).toMatchObject({ id: 'two', position: 2 });
  expect(warnings).toEqual([
    expect.stringMatching(
      /^b: the last commit of the log was torn.*; path: .*\.log; position: \d+; bytes: \d+$/,
    ),
  ]);
});
