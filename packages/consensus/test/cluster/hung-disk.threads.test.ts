/** One disk hangs, and takes its thread with it: the other nodes of the process do not notice. */
import { execFileSync, spawn } from 'node:child_process';
import { constants, existsSync, readdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cluster } from '@quorate/consensus';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  algorithms,
  countsOf,
  eventually,
  freshIds,
  type Ledger,
  leaderOf,
  nodeIs,
  outcomeOf,
  startLedger,
  temporaryDirectory,
} from './running-cluster.ts';

const nodes = 5;
const stopTimeoutMs = 1_000;
const timeoutMs = 20_000;
const heldDiskCalls = fileURLToPath(new URL('./held-disk-calls.cjs', import.meta.url));

beforeEach(() => {
  vi.stubEnv('NODE_OPTIONS', `--require=${heldDiskCalls}`);
  return () => vi.unstubAllEnvs();
});

/** Threads of this process: nodes, their disks, and those of the runtime. */
const threads = (): number => readdirSync('/proc/self/task').length;

/** The time that a command takes, in milliseconds: the median of all, one after the other. */
async function pace(cluster: Cluster<Ledger>, ids: readonly string[]): Promise<number> {
  const tookMs: number[] = [];
  for (const id of ids) {
    const startMs = performance.now();
    await cluster.propose(id, { timeoutMs });
    tookMs.push(performance.now() - startMs);
  }
  return tookMs.sort((a, b) => a - b)[Math.floor(ids.length / 2)] as number;
}

/** Stops the cluster. @returns how long that took, and what it warned of */
async function stop(cluster: Cluster<Ledger>): Promise<{ tookMs: number; warnings: string[] }> {
  const warnings: string[] = [];
  cluster.on('warning', ({ message }) => warnings.push(message));
  const startMs = performance.now();
  await cluster.stop();
  return { tookMs: performance.now() - startMs, warnings };
}

/** From now on the disk of `node` does not come back from such a call. @returns what lets it go */
function hold(directory: string, node: string, call: string): () => Promise<void> {
  const pipe = join(directory, `${node}.held-${call}`);
  execFileSync('mkfifo', [pipe]);
  const letGo = async (): Promise<void> => {
    if (!existsSync(pipe)) return;
    const end = await open(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    rmSync(pipe);
    await end.close();
  };
  onTestFinished(letGo);
  return letGo;
}

describe.each(algorithms)('%s', (algorithm) => {
  test('a leader whose disk hangs by a fault is deposed, the other four go on, and all threads end', async () => {
    const threadsBefore = threads();
    const cluster = await startLedger({
      algorithm,
      nodes,
      storage: { directory: temporaryDirectory() },
      stopTimeoutMs,
    });
    const ids = freshIds(100);
    const healthyMs = await pace(cluster, ids.slice(0, 50));
    const hung = await leaderOf(cluster);
    cluster.faults.disk(hung, { hang: true });
    // Its disk is missed by the first write, which waits for the next leader.
    expect(await pace(cluster, ids.slice(50))).toBeLessThan(3 * healthyMs + 20);
    await leaderOf(cluster, hung);
    expect(await countsOf(cluster)).toEqual(new Map(ids.map((id) => [id, 1])));

    const { tookMs, warnings } = await stop(cluster);
    expect(tookMs).toBeLessThan(stopTimeoutMs + 1_000);
    expect(warnings).toEqual([]);
    await eventually('all threads are gone', () => threads() <= threadsBefore);
  });

  test.each(['writevSync', 'fdatasyncSync'])(
    'a leader whose disk the kernel holds in %s holds nobody else, only its directory',
    async (call) => {
      const directory = temporaryDirectory();
      const options = { algorithm, nodes, storage: { directory }, stopTimeoutMs };
      const cluster = await startLedger(options);
      const ids = freshIds(150);
      const healthyMs = await pace(cluster, ids.slice(0, 50));
      // First the leader's disk, then its successor's: three of five are a quorum.
      const hung: string[] = [];
      const letGo: (() => Promise<void>)[] = [];
      for (const some of [ids.slice(50, 100), ids.slice(100)]) {
        const leader = await leaderOf(cluster, ...hung);
        hung.push(leader);
        letGo.push(hold(directory, leader, call));
        expect(await pace(cluster, some)).toBeLessThan(3 * healthyMs + 20);
        await leaderOf(cluster, ...hung);
      }
      for (const node of Object.keys(cluster.status().nodes)) {
        if (!hung.includes(node))
          await nodeIs(cluster, node, ({ appliedIndex }) => appliedIndex >= ids.length);
      }
      const threadsMeanwhile = threads();

      const { tookMs, warnings } = await stop(cluster);
      expect(tookMs).toBeLessThan(stopTimeoutMs + 1_000);
      expect(warnings).toEqual([expect.stringMatching(/^the disk of [a-e], [a-e] hangs/)]);
      // Two threads for each of the three others are gone; of the two nothing may go yet.
      await eventually('only what hangs is left', () => threads() <= threadsMeanwhile - 2 * 3);
      await expect(startLedger(options)).rejects.toMatchObject({ code: 'ERR_DIRECTORY_IN_USE' });

      await Promise.all(letGo.map((release) => release()));
      await eventually('their threads are gone, too', () => threads() <= threadsMeanwhile - 2 * nodes);
      const again = await eventually('the directory is free', () =>
        startLedger(options).catch(() => undefined),
      );
      expect(await countsOf(again)).toEqual(new Map(ids.map((id) => [id, 1])));
    },
  );
});

test('a majority of disks held by the kernel acknowledges nothing, until one of them lets go', async () => {
  const directory = temporaryDirectory();
  const cluster = await startLedger({ nodes, storage: { directory }, stopTimeoutMs });
  const [before, meanwhile, after] = freshIds(3) as [string, string, string];
  await cluster.propose(before, { timeoutMs });
  const releases = ['a', 'b', 'c'].map((node) => hold(directory, node, 'fdatasyncSync'));
  expect(await outcomeOf(cluster.propose(meanwhile, { timeoutMs: 1_000 }))).not.toBe('acknowledged');
  await releases[0]?.();
  await cluster.propose(after, { timeoutMs });
  const counts = await countsOf(cluster);
  expect([counts.get(before), counts.get(after)]).toEqual([1, 1]);
  expect(counts.get(meanwhile) ?? 0).toBeLessThanOrEqual(1);
  await Promise.all(releases.map((release) => release()));
});

test('a start does not wait for a disk that the kernel holds, and its node joins when it lets go', async () => {
  const storage = { directory: temporaryDirectory() };
  const before = await startLedger({ nodes, storage });
  await before.propose('before', { timeoutMs });
  await before.stop();
  const letGo = hold(storage.directory, 'c', 'writevSync');
  const warnings: string[] = [];
  const cluster = await startLedger({ nodes, storage });
  cluster.on('warning', ({ message }) => warnings.push(message));
  await cluster.propose('without c', { timeoutMs });
  expect(warnings).toEqual([expect.stringMatching(/^node c has not opened its disk/)]);
  expect(cluster.status().nodes['c']?.role).toBe('starting');
  await letGo();
  const { appliedIndex } = cluster.status().nodes[await leaderOf(cluster)] ?? { appliedIndex: 0 };
  await nodeIs(cluster, 'c', (status) => status.role === 'follower' && status.appliedIndex >= appliedIndex);
});

test('a start whose majority of disks the kernel holds ends in time, and says which', async () => {
  const storage = { directory: temporaryDirectory() };
  const before = await startLedger({ nodes, storage });
  await before.propose('before', { timeoutMs });
  await before.stop();
  const releases = ['b', 'c', 'd'].map((node) => hold(storage.directory, node, 'writevSync'));
  const startTimeoutMs = 3_000;
  const startMs = performance.now();
  const started = startLedger({ nodes, storage, stopTimeoutMs, startTimeoutMs });
  await expect(started).rejects.toMatchObject({
    code: 'ERR_DISK_FAILED',
    message: expect.stringMatching(/: .*\bb, c, d\b.* did not answer$/),
  });
  expect(performance.now() - startMs).toBeLessThan(startTimeoutMs + stopTimeoutMs + 2_000);
  await Promise.all(releases.map((release) => release()));
  const again = await eventually('the directory is free', () =>
    startLedger({ nodes, storage }).catch(() => undefined),
  );
  expect(await countsOf(again)).toEqual(new Map([['before', 1]]));
});

test('a process that ends while the kernel holds a disk does not stay for it', async () => {
  const directory = temporaryDirectory();
  const program = fileURLToPath(new URL('./processes/stop-with-hung-disk.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [, signal] = await new Promise<unknown[]>((resolve) =>
    child.on('close', (...end: unknown[]) => resolve(end)),
  );
  expect(said).toBe('acknowledged\nstopped\n');
  expect(signal).toBe('SIGKILL');
  for (const name of readdirSync(directory)) if (name.includes('.held-')) rmSync(join(directory, name));
  const again = await startLedger({ nodes, storage: { directory } });
  expect(await countsOf(again)).toEqual(new Map([['while it hangs', 1]]));
});
