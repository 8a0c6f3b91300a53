/**
 * Many groups on the same three nodes, on real threads and real disks: each a state machine of its own, whatever
 * becomes of a node.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster, Group } from '@quorate/consensus';
import { describe, expect, test } from 'vitest';
import { algorithms, eventually, type Ledger, startLedger, temporaryDirectory } from './running-cluster.ts';

const other = { raft: 'multi-paxos', 'multi-paxos': 'raft' } as const;
const patient = { timeoutMs: 30_000 };

function groupsOf(cluster: Cluster<Ledger>, count: number): Group<Ledger>[] {
  return Array.from({ length: count }, (_, number) => cluster.group(number));
}

/** Each group writes a word of its own. */
async function write(groups: readonly Group<Ledger>[], word: string): Promise<void> {
  await Promise.all(groups.map((group) => group.propose(`${word} ${group.number}`, patient)));
}

/** What each group holds, in the order of the groups. */
function ledgersOf(groups: readonly Group<Ledger>[]): Promise<unknown[]> {
  return Promise.all(
    groups.map(async (group) => {
      const counts = (await group.query('all', patient)) as [string, number][];
      return counts.map(([id]) => id);
    }),
  );
}

const holding = (groups: readonly Group<Ledger>[], ...words: string[]): string[][] =>
  groups.map(({ number }) => words.map((word) => `${word} ${number}`));

describe.each(algorithms)('%s', (algorithm) => {
  test('each group has its own commands, and goes on without the node that led it', async () => {
    const cluster = await startLedger({
      algorithm,
      groups: 12,
      storage: { directory: temporaryDirectory() },
    });
    const groups = groupsOf(cluster, 12);
    await write(groups, 'one');
    expect(await ledgersOf(groups)).toEqual(holding(groups, 'one'));
    // The lead of one group moves, and of no other.
    const leaders = groups.map((group) => group.status().leader);
    const [third] = ['a', 'b', 'c'].filter((node) => node !== leaders[3]);
    await groups[3]?.transferLeadership(third as string, patient);
    expect(groups[3]?.status().leader).toBe(third);

    const lost = groups[3]?.status().leader as string;
    await cluster.faults.kill(lost);
    await write(groups, 'two');
    expect(await ledgersOf(groups)).toEqual(holding(groups, 'one', 'two'));
    expect(groups.filter((group) => group.status().leader === lost)).toEqual([]);
    await cluster.faults.restart(lost);
    await write(groups, 'three');
    expect(await ledgersOf(groups)).toEqual(holding(groups, 'one', 'two', 'three'));
  });

  test('a node that hangs is missed by the groups that rest, too', async () => {
    const cluster = await startLedger({
      algorithm,
      groups: 6,
      storage: { directory: temporaryDirectory() },
    });
    const groups = groupsOf(cluster, 6);
    await write(groups, 'one');
    const hung = groups[0]?.status().leader as string;
    await Promise.all(groups.map((group) => group.transferLeadership(hung, patient)));
    await cluster.faults.pause(hung);
    // Nobody asks for anything meanwhile: it is the node that is missed, by its silence.
    const leaders = (): (string | undefined)[] => groups.map((group) => group.status().leader);
    await eventually('another leader of every group', () =>
      leaders().every((leader) => leader !== undefined && leader !== hung),
    );
    await write(groups, 'two');
    await cluster.faults.resume(hung);
    expect(await ledgersOf(groups)).toEqual(holding(groups, 'one', 'two'));
  });

  test('after a stop all groups are found again, in their epochs', async () => {
    const directory = temporaryDirectory();
    const first = await startLedger({ algorithm, groups: 5, storage: { directory } });
    const before = groupsOf(first, 5);
    await write(before, 'one');
    expect(await before[2]?.reconfigure({ algorithm: other[algorithm] }, patient)).toBe(2);
    await write(before, 'two');
    expect(before.map((group) => group.status().epoch)).toEqual([1, 1, 2, 1, 1]);
    await first.stop();

    const second = await startLedger({ algorithm, groups: 5, storage: { directory } });
    const after = groupsOf(second, 5);
    await write(after, 'three');
    expect(await ledgersOf(after)).toEqual(holding(after, 'one', 'two', 'three'));
    expect(after.map((group) => group.status().algorithm)).toEqual(
      [0, 1, 2, 3, 4].map((number) => (number === 2 ? other[algorithm] : algorithm)),
    );
  });

  test('a change of the members concerns all groups, and so does a disk that is replaced', async () => {
    const directory = temporaryDirectory();
    const cluster = await startLedger({ algorithm, groups: 5, storage: { directory } });
    const groups = groupsOf(cluster, 5);
    await write(groups, 'one');
    await groups[1]?.reconfigure({ algorithm: other[algorithm] }, patient);
    await cluster.reconfigure({ members: ['b', 'c', 'd'] }, patient);
    expect(groups.map((group) => group.status().members)).toEqual(groups.map(() => ['b', 'c', 'd']));
    expect(groups[1]?.status().algorithm).toBe(other[algorithm]);
    await write(groups, 'two');
    expect(await ledgersOf(groups)).toEqual(holding(groups, 'one', 'two'));

    await cluster.faults.kill('c');
    rmSync(join(directory, 'c'), { recursive: true });
    await cluster.replace('c', patient);
    // Without b, what c has learned is needed by every group.
    await cluster.faults.kill('b');
    await write(groups, 'three');
    expect(await ledgersOf(groups)).toEqual(holding(groups, 'one', 'two', 'three'));
  });
});

test('who joins after a restart finds each group where it is, however far apart their epochs are', async () => {
  const directory = temporaryDirectory();
  const first = await startLedger({ groups: 2, storage: { directory } });
  await write(groupsOf(first, 2), 'one');
  for (const algorithm of ['multi-paxos', 'raft', 'multi-paxos'])
    await first.group(0).reconfigure({ algorithm }, patient);
  await first.reconfigure({ algorithm: 'multi-paxos' }, patient);
  await first.stop();
  const second = await startLedger({ groups: 2, storage: { directory } });
  await second.reconfigure({ members: ['b', 'c', 'd'] }, patient);
  const groups = groupsOf(second, 2);
  expect(groups.map((group) => group.status().epoch)).toEqual([5, 3]);
  await second.faults.kill('b');
  await write(groups, 'two');
  expect(await ledgersOf(groups)).toEqual(holding(groups, 'one', 'two'));
});

test('a member that was never seen to open its disk learns, in whatever epoch each group is, until it is replaced', async () => {
  const directory = temporaryDirectory();
  const first = await startLedger({ groups: 2, storage: { directory } });
  await write(groupsOf(first, 2), 'one');
  await first.group(0).reconfigure({ algorithm: 'multi-paxos' }, patient);
  await first.stop();
  // As if the disk of c had hung from the beginning.
  const record = join(directory, 'cluster.json');
  const { disks, ...rest } = JSON.parse(readFileSync(record, 'utf8'));
  writeFileSync(record, JSON.stringify({ ...rest, disks: { a: disks.a, b: disks.b } }));
  rmSync(join(directory, 'c'), { recursive: true });
  const warnings: string[] = [];
  const second = await startLedger({ groups: 2, storage: { directory } });
  second.on('warning', ({ message }) => warnings.push(message));
  const groups = groupsOf(second, 2);
  await write(groups, 'two');
  await eventually('c has learned', () =>
    groups.every((group) => {
      const { nodes, leader = '', epoch } = group.status();
      const isThere = nodes['c']?.role === 'learner' && epoch === 2 - group.number;
      return isThere && nodes['c']?.appliedIndex === nodes[leader]?.appliedIndex;
    }),
  );
  expect(warnings).toContainEqual(expect.stringContaining('node c was never seen to open its disk'));
  await second.replace('c', patient);
  await second.faults.kill('b');
  await write(groups, 'three');
  expect(await ledgersOf(groups)).toEqual(holding(groups, 'one', 'two', 'three'));
});

test('how many groups there are is settled when the cluster is made', async () => {
  const directory = temporaryDirectory();
  const first = await startLedger({ groups: 3, storage: { directory } });
  await first.propose('one', patient);
  await first.stop();
  const warnings: string[] = [];
  const second = await startLedger({ groups: 7, storage: { directory } });
  second.on('warning', ({ message }) => warnings.push(message));
  expect(() => second.group(3)).toThrow(/0\.\.2/);
  await eventually('a warning', () => warnings.some((message) => message.includes('3 groups')));
});

test.each([0, 1.5, 4_097, 'two'])(
  '%s groups cannot be had, and the error says how many can',
  async (groups) => {
    await expect(startLedger({ groups: groups as number })).rejects.toMatchObject({
      code: 'ERR_OPTION_INVALID',
      message: expect.stringContaining('4096'),
    });
  },
);
