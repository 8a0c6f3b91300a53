/** What is wrong is refused by name and code, and nothing hangs or is lost over it. */
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster, type ClusterEvents, type ClusterOptions } from '@quorate/consensus';
import { describe, expect, test } from 'vitest';
import {
  algorithms,
  countsOf,
  eventually,
  freshIds,
  type Ledger,
  leaderOf,
  ledgerUrl,
  machineUrl,
  nodeIs,
  outcomeOf,
  startLedger,
  temporaryDirectory,
  withOutstanding,
} from './running-cluster.ts';

const timeoutMs = 20_000;
const stateMachine = ledgerUrl;

/** Lets a cluster live in the directory, or live on, for one command that it acknowledges. */
async function livedIn(directory: string, nodes = 3): Promise<void> {
  const cluster = await startLedger({ nodes, storage: { directory } });
  await cluster.propose('lived', { timeoutMs });
  await cluster.stop();
}

const next = <Name extends keyof ClusterEvents>(cluster: Cluster<Ledger>, name: Name) =>
  new Promise<ClusterEvents[Name][0]>((resolve) => cluster.on(name, resolve as () => void));

describe('options', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['algorithm', { algorithm: 'zab' }, 'raft, multi-paxos'],
    ['algorithm', { algorithm: 7 }, 'raft, multi-paxos'],
    ['nodes', { nodes: 0 }, '1..31'],
    ['nodes', { nodes: 32 }, '1..31'],
    ['nodes', { nodes: 1.5 }, '1..31'],
    ['nodes', { nodes: [] }, '1..31'],
    ['nodes', { nodes: ['a', 'a'] }, 'different names'],
    ['nodes', { nodes: ['a', 'app'] }, 'other than app'],
    ['nodes', { nodes: ['a/b'] }, 'names of letters'],
    ['stateMachine', { stateMachine: './machine.js' }, 'a URL'],
    ['stateMachine', { stateMachine: undefined }, 'a URL'],
    ['storage', { storage: 'disk' }, "'memory' or { directory"],
    ['storage', { storage: { directory: '' } }, "'memory' or { directory"],
    ['storage', { storage: undefined }, "'memory' or { directory"],
    ['storage.traceDirectory', { storage: { directory: 'x', traceDirectory: 7 } }, 'a path'],
    ['electionTimeoutMs', { electionTimeoutMs: 150 }, '[min, max]'],
    ['electionTimeoutMs', { electionTimeoutMs: [300, 150] }, '[min, max]'],
    ['electionTimeoutMs', { electionTimeoutMs: [1, 5] }, '[min, max]'],
    ['heartbeatMs', { heartbeatMs: 0 }, '1 to half'],
    ['heartbeatMs', { heartbeatMs: 100, electionTimeoutMs: [150, 300] }, '1 to half'],
    ['peerDownHints', { peerDownHints: 'no' }, 'true or false'],
    ['snapshotEveryBytes', { snapshotEveryBytes: 1 }, 'a whole number of bytes'],
    ['segmentBytes', { segmentBytes: 2 ** 31 }, 'a whole number of bytes'],
    ['segmentBytes', { segmentBytes: '64M' }, 'a whole number of bytes'],
    ['startTimeoutMs', { startTimeoutMs: 0 }, '1000..86400000'],
    ['stopTimeoutMs', { stopTimeoutMs: 1e9 }, '1000..600000'],
    ['elections', { elections: true }, 'algorithm, nodes'],
  ])('%s: %j is refused, with what is allowed', async (option, options, allowed) => {
    const wrong = { stateMachine, storage: 'memory', ...options } as unknown as ClusterOptions;
    const error = await Cluster.start(wrong).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'ERR_OPTION_INVALID',
      details: { option, value: expect.any(String), allowed: expect.stringContaining(allowed) },
    });
    expect((error as Error).message).toMatch(
      new RegExp(`^option ${option.replace('.', '\\.')}: .+ is not allowed`),
    );
  });

  test('wrong options of a call are refused, and the call with them', async () => {
    const cluster = await startLedger({ nodes: 1 });
    const refusal = (option: string) => ({ code: 'ERR_OPTION_INVALID', details: { option } });
    for (const wrong of [0, Number.NaN, '1s'] as number[]) {
      await expect(cluster.propose('x', { timeoutMs: wrong })).rejects.toMatchObject(refusal('timeoutMs'));
      await expect(cluster.query('size', { timeoutMs: wrong })).rejects.toMatchObject(refusal('timeoutMs'));
    }
    const strong = { consistency: 'strong' } as object;
    await expect(cluster.query('size', strong)).rejects.toMatchObject(refusal('consistency'));
    expect(await cluster.query('size', { timeoutMs })).toBe(0);
  });
});

describe('modules', () => {
  test.each([
    ['missing', 'no-such-module', 'no-such-module.mjs'],
    ['without a default export', 'no-default-export', 'defineStateMachine'],
    ['not made by defineStateMachine', 'not-defined', 'defineStateMachine'],
    ['that throws as it is loaded', 'throws-at-load', 'broken at load'],
  ])('a state machine %s is refused', async (_, name, says) => {
    const directory = temporaryDirectory();
    await expect(
      Cluster.start({ nodes: 1, stateMachine: machineUrl(name), storage: { directory } }),
    ).rejects.toMatchObject({
      code: 'ERR_MODULE_INVALID',
      message: expect.stringContaining(says),
    });
    // The failed start let go of the directory, and left nothing in it that stands in the way.
    await livedIn(directory, 1);
  });

  test('an algorithm that is no protocol is refused', async () => {
    const options = { stateMachine, nodes: 1, storage: 'memory' } as const;
    for (const algorithm of [machineUrl('no-such-module'), machineUrl('no-default-export')]) {
      await expect(Cluster.start({ ...options, algorithm })).rejects.toMatchObject({
        code: 'ERR_MODULE_INVALID',
      });
    }
  });
});

describe.each(algorithms)('an apply that throws, under %s', (algorithm) => {
  test('its proposer is told, the others of the batch succeed, the replicas go on', async () => {
    const cluster = await startLedger({ algorithm });
    const outcomes = await Promise.allSettled([
      cluster.propose('before', { timeoutMs }),
      cluster.propose({ fail: 'no such thing' }, { timeoutMs }),
      cluster.propose('after', { timeoutMs }),
    ]);
    expect(outcomes).toMatchObject([
      { status: 'fulfilled', value: { id: 'before', position: 1 } },
      { status: 'rejected', reason: { code: 'ERR_COMMAND_FAILED', message: 'no such thing' } },
      { status: 'fulfilled', value: { id: 'after', position: 3 } },
    ]);
    for (const node of ['a', 'b', 'c']) expect(cluster.status().nodes[node]?.role).toMatch(/leader|follower/);
    expect([...(await countsOf(cluster)).keys()]).toEqual(['before', 'after']);
  });
});

describe('one of several calls', () => {
  test('whose query throws fails alone', async () => {
    const cluster = await startLedger({ nodes: 1 });
    const answers = await Promise.allSettled([
      cluster.query('size', { timeoutMs }),
      cluster.query({ fail: 'x' }, { timeoutMs }),
      cluster.query({ id: 'x' }, { timeoutMs }),
    ]);
    expect(answers).toMatchObject([
      { status: 'fulfilled', value: 0 },
      {
        status: 'rejected',
        reason: { code: 'ERR_COMMAND_FAILED', message: expect.stringContaining('no such query') },
      },
      { status: 'fulfilled', value: 0 },
    ]);
  });

  test('whose command MessagePack cannot carry is refused alone', async () => {
    const cluster = await startLedger({ nodes: 1 });
    const symbol = Symbol('x') as unknown as string;
    const outcomes = await Promise.all(
      ['one', symbol, 'two'].map((command) => outcomeOf(cluster.propose(command, { timeoutMs }))),
    );
    expect(outcomes).toEqual(['acknowledged', 'ERR_OPTION_INVALID', 'acknowledged']);
  });
});

describe('directories', () => {
  test('one that this process uses already is refused', async () => {
    const storage = { directory: temporaryDirectory() };
    const cluster = await startLedger({ nodes: 1, storage });
    await expect(Cluster.start({ stateMachine, storage })).rejects.toMatchObject({
      code: 'ERR_DIRECTORY_IN_USE',
    });
    await cluster.stop();
    await livedIn(storage.directory, 1);
  });

  test('the folder of a node of another cluster is refused', async () => {
    const [ours, theirs] = [temporaryDirectory(), temporaryDirectory()];
    await livedIn(ours, 1);
    await livedIn(theirs, 1);
    swap(join(ours, 'a'), join(theirs, 'a'));
    for (const directory of [ours, theirs]) {
      await expect(Cluster.start({ stateMachine, storage: { directory } })).rejects.toMatchObject({
        code: 'ERR_FOREIGN_DATA',
        message: expect.stringContaining('belongs to cluster'),
      });
    }
    swap(join(ours, 'a'), join(theirs, 'a'));
    await livedIn(ours, 1);
  });

  test('the folder of another node of the same cluster is refused', async () => {
    const directory = temporaryDirectory();
    await livedIn(directory, 2);
    swap(join(directory, 'a'), join(directory, 'b'));
    await expect(Cluster.start({ stateMachine, storage: { directory } })).rejects.toMatchObject({
      code: 'ERR_FOREIGN_DATA',
      message: expect.stringContaining('belongs to node'),
    });
  });

  test('nodes whose cluster.json is gone are refused', async () => {
    const directory = temporaryDirectory();
    await livedIn(directory, 1);
    rmSync(join(directory, 'cluster.json'));
    await expect(Cluster.start({ stateMachine, storage: { directory } })).rejects.toMatchObject({
      code: 'ERR_FOREIGN_DATA',
    });
  });

  test('a cluster.json that cannot be read is refused', async () => {
    const directory = temporaryDirectory();
    await livedIn(directory, 1);
    writeFileSync(join(directory, 'cluster.json'), '{"format":1,');
    await expect(Cluster.start({ stateMachine, storage: { directory } })).rejects.toMatchObject({
      code: 'ERR_LOG_CORRUPT',
      message: expect.stringContaining('cluster.json'),
    });
  });

  test('one that was written under another version of the state machine is refused', async () => {
    const directory = temporaryDirectory();
    await livedIn(directory, 1);
    const later = { stateMachine: machineUrl('ledger-version-2'), storage: { directory } };
    await expect(Cluster.start(later)).rejects.toMatchObject({
      code: 'ERR_FOREIGN_DATA',
      message: expect.stringMatching(/version 1 .* version 2/),
    });
    await livedIn(directory, 1);
  });

  test.each<[string, (directory: string) => void]>([
    ['is gone', (folder) => rmSync(folder, { recursive: true })],
    ['has lost its log', (folder) => rmSync(join(folder, 'log'), { recursive: true })],
  ])('a member whose folder %s serves no more; the others go on', async (_, damage) => {
    const directory = temporaryDirectory();
    await livedIn(directory);
    const folder = join(directory, 'b');
    damage(folder);
    const left = filesIn(folder);
    const cluster = await startLedger({ storage: { directory } });
    expect(await next(cluster, 'warning')).toEqual({
      message: expect.stringContaining('node b cannot serve'),
    });
    expect(cluster.status().nodes['b']).toMatchObject({
      role: 'failed',
      failure: { code: 'ERR_LOG_CORRUPT' },
    });
    await cluster.propose('goes on', { timeoutMs });
    expect((await countsOf(cluster)).get('lived')).toBe(1);
    await cluster.stop();
    // It stays refused: nothing is made in the place of what was lost.
    expect(filesIn(folder)).toEqual(left);
    const again = await startLedger({ storage: { directory } });
    expect(again.status().nodes['b']?.role).toBe('failed');
  });

  test('with a majority of folders gone the cluster does not start', async () => {
    const directory = temporaryDirectory();
    await livedIn(directory);
    for (const node of ['a', 'b']) rmSync(join(directory, node), { recursive: true });
    await expect(Cluster.start({ stateMachine, storage: { directory } })).rejects.toMatchObject({
      code: 'ERR_LOG_CORRUPT',
    });
  });

  test.each<[string, () => string]>([
    ['lies where nothing can be made', () => '/proc/quorate'],
    ['is a file', () => withFile(join(temporaryDirectory(), 'file'))],
    ['lies below a file', () => join(withFile(join(temporaryDirectory(), 'file')), 'data')],
  ])('one that %s is refused', async (_, directory) => {
    await expect(Cluster.start({ stateMachine, storage: { directory: directory() } })).rejects.toMatchObject({
      code: 'ERR_DISK_FAILED',
    });
  });
});

describe.each(algorithms)('disks that fail at run time, under %s', (algorithm) => {
  test.each([
    ['ENOSPC', 'ERR_DISK_FULL'],
    ['EROFS', 'ERR_DISK_FAILED'],
  ] as const)('%s at the leader: it stops, says so, and the others go on', async (errno, code) => {
    const cluster = await startLedger({ algorithm, storage: { directory: temporaryDirectory() } });
    const leader = await leaderOf(cluster);
    const failed = next(cluster, 'node-failed');
    const ids = freshIds(600);
    await withOutstanding(ids, 64, async (id) => {
      if (id === ids[200]) cluster.faults.disk(leader, { fail: { errno } });
      await cluster.propose(id, { timeoutMs });
    });
    expect(await failed).toMatchObject({ node: leader, code });
    expect(cluster.status().nodes[leader]).toMatchObject({ role: 'failed', failure: { code } });
    expect(await leaderOf(cluster, leader)).not.toBe(leader);

    // Once its disk is well the node is started again, reads what it has, and catches up.
    await cluster.faults.restart(leader);
    await nodeIs(cluster, leader, ({ role }) => role === 'follower');
    const { commitIndex } = cluster.status().nodes[await leaderOf(cluster)] as { commitIndex: number };
    await nodeIs(cluster, leader, ({ appliedIndex }) => appliedIndex >= commitIndex);
    const counts = await countsOf(cluster);
    expect(ids.filter((id) => counts.get(id) !== 1)).toEqual([]);
  });

  test('all disks full: every call ends in time, and nothing acknowledged is lost', async () => {
    const storage = { directory: temporaryDirectory() };
    const cluster = await startLedger({ algorithm, storage });
    const ids = freshIds(2_000);
    const outcomes = new Map<string, string>();
    let fillAt = 500;
    const began = performance.now();
    await withOutstanding(ids, 128, async (id) => {
      if (outcomes.size >= fillAt) {
        fillAt = Number.POSITIVE_INFINITY;
        for (const node of ['a', 'b', 'c']) cluster.faults.disk(node, { fail: { errno: 'ENOSPC' } });
      }
      outcomes.set(id, await outcomeOf(cluster.propose(id, { timeoutMs: 2_000 })));
    });
    expect(performance.now() - began).toBeLessThan(timeoutMs);
    const acknowledged = ids.filter((id) => outcomes.get(id) === 'acknowledged');
    expect(acknowledged.length).toBeGreaterThanOrEqual(500);
    expect([...new Set(outcomes.values())].sort()).toEqual([
      'ERR_DISK_FULL',
      'ERR_OUTCOME_UNKNOWN',
      'acknowledged',
    ]);
    await expect(cluster.query('size', { timeoutMs: 2_000 })).rejects.toMatchObject({
      code: 'ERR_DISK_FULL',
    });
    await cluster.stop();

    const again = await startLedger({ algorithm, storage });
    const counts = await countsOf(again);
    const timesOf = (outcome: string) =>
      new Set(ids.filter((id) => outcomes.get(id) === outcome).map((id) => counts.get(id) ?? 0));
    expect(timesOf('acknowledged')).toEqual(new Set([1]));
    expect(timesOf('ERR_DISK_FULL')).toEqual(new Set([0]));
    for (const times of timesOf('ERR_OUTCOME_UNKNOWN')) expect([0, 1]).toContain(times);
  });

  test('a leader whose disk hangs is replaced, and follows once it goes on', async () => {
    const cluster = await startLedger({ algorithm, storage: { directory: temporaryDirectory() } });
    const leader = await leaderOf(cluster);
    await cluster.propose('before', { timeoutMs });
    cluster.faults.disk(leader, { hang: true });
    await cluster.propose('meanwhile', { timeoutMs });
    expect(await leaderOf(cluster, leader)).not.toBe(leader);
    cluster.faults.disk(leader, {});
    await nodeIs(cluster, leader, ({ role }) => role === 'follower');
    expect([...(await countsOf(cluster)).values()]).toEqual([1, 1]);
    await eventually('it has caught up', () => {
      const { nodes } = cluster.status();
      return new Set(Object.values(nodes).map(({ appliedIndex }) => appliedIndex)).size === 1;
    });
  });
});

/** The files below a folder; none when it does not exist. */
function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map(({ name }) => name);
}

function swap(one: string, other: string): void {
  renameSync(one, `${one}.aside`);
  renameSync(other, one);
  renameSync(`${one}.aside`, other);
}

function withFile(path: string): string {
  writeFileSync(path, 'in the way');
  return path;
}
