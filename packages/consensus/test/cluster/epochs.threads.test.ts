/**
 * A running cluster changes its algorithm, its members and a member's disk, on real threads and real disks,
 * while it is written to: everything acknowledged is there afterwards, once.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '@quorate/consensus';
import { describe, expect, test } from 'vitest';
import {
  algorithms,
  countsOf,
  eventually,
  type Ledger,
  leaderOf,
  startLedger,
  temporaryDirectory,
} from './running-cluster.ts';

const other = { raft: 'multi-paxos', 'multi-paxos': 'raft' } as const;
const patient = { timeoutMs: 30_000 };

/** Writers that go on until they are stopped; what was acknowledged, and what failed. */
function keepWriting(cluster: Cluster<Ledger>, writers: number) {
  const acknowledged: string[] = [];
  const failures: unknown[] = [];
  let isStopping = false;
  const write = async (writer: number): Promise<void> => {
    for (let number = 0; !isStopping; number++) {
      const id = `${writer}/${number}`;
      try {
        await cluster.propose(id, patient);
        acknowledged.push(id);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  const running = Array.from({ length: writers }, (_, writer) => write(writer));
  const stop = async (): Promise<{ acknowledged: string[]; failures: unknown[] }> => {
    isStopping = true;
    await Promise.all(running);
    return { acknowledged, failures };
  };
  return { acknowledged, stop };
}

const ledgerOf = async (cluster: Cluster<Ledger>): Promise<string[]> => [...(await countsOf(cluster)).keys()];

async function expectEachOnce(cluster: Cluster<Ledger>, acknowledged: readonly string[]): Promise<void> {
  const counts = await countsOf(cluster);
  expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
  expect(acknowledged.filter((id) => !counts.has(id))).toEqual([]);
}

describe.each(algorithms)('from %s', (algorithm) => {
  test('the algorithm is swapped there and back under load, and no command is lost or doubled', async () => {
    const cluster = await startLedger({ algorithm, storage: { directory: temporaryDirectory() } });
    await leaderOf(cluster);
    const load = keepWriting(cluster, 64);
    for (const [at, next] of [other[algorithm], algorithm, other[algorithm]].entries()) {
      const before = load.acknowledged.length;
      expect(await cluster.reconfigure({ algorithm: next }, patient)).toBe(at + 2);
      expect(cluster.status()).toMatchObject({ algorithm: next, epoch: at + 2 });
      await eventually('commands in the new epoch', () => load.acknowledged.length > before + 200);
    }
    const { acknowledged, failures } = await load.stop();
    expect(failures).toEqual([]);
    await expectEachOnce(cluster, acknowledged);
  });

  test('members join and leave under load; who left is stopped, who stays has everything', async () => {
    const directory = temporaryDirectory();
    const cluster = await startLedger({ algorithm, nodes: ['a', 'b', 'c'], storage: { directory } });
    await leaderOf(cluster);
    const load = keepWriting(cluster, 16);
    await eventually('some commands', () => load.acknowledged.length > 100);
    await cluster.reconfigure({ members: ['b', 'c', 'd', 'e'] }, patient);
    expect(cluster.status().members).toEqual(['b', 'c', 'd', 'e']);
    expect(Object.keys(cluster.status().nodes).sort()).toEqual(['b', 'c', 'd', 'e']);
    await cluster.reconfigure({ algorithm: other[algorithm], members: ['d', 'e', 'f'] }, patient);
    const { acknowledged, failures } = await load.stop();
    expect(failures).toEqual([]);
    await expectEachOnce(cluster, acknowledged);
    // None of the founders is left, and the three of today can do without one.
    const leader = await leaderOf(cluster);
    await cluster.faults.kill(leader);
    await expectEachOnce(cluster, acknowledged);
    // What the leavers held stays on the disk.
    expect(readdirSync(directory)).toEqual(expect.arrayContaining(['a', 'b', 'c', 'd', 'e', 'f']));
  });

  test('a restart finds the epoch of the directory, whatever the options say', async () => {
    const directory = temporaryDirectory();
    const first = await startLedger({ algorithm, storage: { directory } });
    await first.propose('before', patient);
    await first.reconfigure({ algorithm: other[algorithm], members: ['a', 'b', 'd'] }, patient);
    await first.propose('between', patient);
    await first.stop();
    const second = await startLedger({ algorithm, storage: { directory } });
    await second.propose('after', patient);
    expect(second.status()).toMatchObject({
      algorithm: other[algorithm],
      epoch: 2,
      members: ['a', 'b', 'd'],
    });
    expect(await ledgerOf(second)).toEqual(['before', 'between', 'after']);
  });

  test('a member whose disk is gone is readmitted, and votes again only in a new epoch', async () => {
    const directory = temporaryDirectory();
    const cluster = await startLedger({ algorithm, nodes: ['a', 'b', 'c'], storage: { directory } });
    for (const id of ['one', 'two', 'three']) await cluster.propose(id, patient);
    await cluster.faults.kill('b');
    rmSync(join(directory, 'b'), { recursive: true });
    expect(await cluster.replace('b', patient)).toBe(2);
    await cluster.propose('four', patient);
    // With a gone, b has to have a voice and the whole log, or nothing goes on.
    await cluster.faults.kill('a');
    await cluster.propose('five', patient);
    expect(await ledgerOf(cluster)).toEqual(['one', 'two', 'three', 'four', 'five']);
  });

  test('a member that slept through two epochs comes along', async () => {
    const cluster = await startLedger({
      algorithm,
      nodes: ['a', 'b', 'c'],
      storage: { directory: temporaryDirectory() },
    });
    await cluster.propose('one', patient);
    const sleeper = (await leaderOf(cluster)) === 'c' ? 'b' : 'c';
    await cluster.faults.kill(sleeper);
    await cluster.reconfigure({ algorithm: other[algorithm] }, patient);
    await cluster.propose('two', patient);
    await cluster.reconfigure({ algorithm }, patient);
    await cluster.propose('three', patient);
    await cluster.faults.restart(sleeper);
    const { commitIndex } = await eventually('the leader', () => {
      const { leader, nodes } = cluster.status();
      return leader === undefined ? undefined : nodes[leader];
    });
    await eventually(`${sleeper} in the present epoch`, async () => {
      const node = cluster.status().nodes[sleeper];
      return node !== undefined && node.role === 'follower' && node.appliedIndex >= commitIndex;
    });
    // It votes there: without it there is no quorum now.
    const third = ['a', 'b', 'c'].find((node) => node !== sleeper && node !== cluster.status().leader);
    await cluster.faults.kill(third as string);
    await cluster.propose('four', patient);
    expect(await ledgerOf(cluster)).toEqual(['one', 'two', 'three', 'four']);
  });

  test('what makes no sense is refused, and nothing changes', async () => {
    const cluster = await startLedger({ algorithm, nodes: ['a', 'b', 'c'] });
    await leaderOf(cluster);
    const wrong: [object, string][] = [
      [{ algorithm: 'paxos' }, 'algorithm'],
      [{ members: [] }, 'members'],
      [{ members: ['a', 'a'] }, 'members'],
      [{ algorithm: 'raft', acceptQuorum: 2 }, 'acceptQuorum'],
      [{ algorithm: 'multi-paxos', acceptQuorum: 4 }, 'acceptQuorum'],
      [{ nodes: 3 }, 'nodes'],
    ];
    for (const [order, option] of wrong) {
      await expect(cluster.reconfigure(order)).rejects.toMatchObject({
        code: 'ERR_OPTION_INVALID',
        details: { option },
      });
    }
    await expect(cluster.reconfigure({ algorithm: 'file:///none.mjs' }, patient)).rejects.toMatchObject({
      code: 'ERR_MODULE_INVALID',
    });
    for (const [name, complaint] of [
      ['half', 'it has no function status, foundingHardState'],
      ['cannot-begin', 'it does not begin so so'],
      ['begins-later', 'has no status'],
    ]) {
      const url = new URL(`./protocols/${name}.mjs`, import.meta.url).href;
      const leader = await leaderOf(cluster);
      const withoutLeader = ['a', 'b', 'c'].filter((member) => member !== leader);
      for (const members of [['a', 'b', 'c'], withoutLeader])
        await expect(cluster.reconfigure({ algorithm: url, members }, patient)).rejects.toMatchObject({
          code: 'ERR_MODULE_INVALID',
          message: expect.stringContaining(complaint as string),
        });
    }
    expect(cluster.status()).toMatchObject({ algorithm, epoch: 1, members: ['a', 'b', 'c'] });
    await cluster.propose('still here', patient);
    // What is so already needs no new epoch.
    expect(await cluster.reconfigure({ algorithm }, patient)).toBe(1);
  });

  test('a follower answers a linearizable read out of its own state', async () => {
    const cluster = await startLedger({ algorithm, nodes: ['a', 'b', 'c'] });
    const leader = await leaderOf(cluster);
    for (let number = 0; number < 50; number++) {
      await cluster.propose(`${number}`, patient);
      for (const node of ['a', 'b', 'c'].filter((name) => name !== leader)) {
        expect(await cluster.query('size', { ...patient, node })).toBe(number + 1);
      }
    }
    await expect(cluster.query('size', { node: 'x' })).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' });
  });
});

test('a joiner that cannot be opened leaves no trace, and one that was opened beside it is known by its disk', async () => {
  const directory = temporaryDirectory();
  const cluster = await startLedger({ nodes: ['a', 'b', 'c'], storage: { directory } });
  await cluster.propose('one', patient);
  mkdirSync(join(directory, 'e'));
  writeFileSync(join(directory, 'e', 'holiday.jpg'), 'not a node');
  const both = cluster.reconfigure({ members: ['a', 'b', 'c', 'd', 'e'] }, patient);
  await expect(both).rejects.toMatchObject({ code: 'ERR_FOREIGN_DATA' });
  expect(Object.keys(cluster.status().nodes).sort()).toEqual(['a', 'b', 'c']);
  await cluster.reconfigure({ members: ['a', 'b', 'c', 'd'] }, patient);
  await cluster.faults.kill('d');
  rmSync(join(directory, 'd'), { recursive: true });
  await expect(cluster.faults.restart('d')).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' });
  await cluster.stop();
  const again = await startLedger({ nodes: ['a', 'b', 'c'], storage: { directory } });
  expect(await ledgerOf(again)).toEqual(['one']);
});

test('a member that did not catch up in time is given its voice later, on the disk that it has begun', async () => {
  const directory = temporaryDirectory();
  const cluster = await startLedger({ nodes: ['a', 'b', 'c'], storage: { directory } });
  await cluster.propose('one', patient);
  const leader = await leaderOf(cluster);
  const member = ['a', 'b', 'c'].find((node) => node !== leader) as string;
  await cluster.faults.kill(member);
  rmSync(join(directory, member), { recursive: true });
  for (const from of ['a', 'b', 'c'].filter((node) => node !== member))
    await cluster.faults.link({ from, to: member, partitioned: true });
  // By the word of the leader, which comes before the deadline: nothing was changed, and that is known.
  await expect(cluster.replace(member, { timeoutMs: 4_000 })).rejects.toMatchObject({
    code: 'ERR_NO_QUORUM',
    message: expect.stringContaining(`${member} did not catch up in time`),
  });
  await cluster.faults.heal();
  expect(await cluster.replace(member, patient)).toBe(2);
  expect(readdirSync(directory).filter((name) => name.includes('replaced'))).toEqual([]);
  await cluster.propose('two', patient);
  const third = ['a', 'b', 'c'].find((node) => node !== leader && node !== member) as string;
  await cluster.faults.kill(third);
  await cluster.propose('three', patient);
  expect(await ledgerOf(cluster)).toEqual(['one', 'two', 'three']);
});

test.each([1, 2])('of %s nodes none is replaced: what it holds is needed', async (nodes) => {
  const directory = temporaryDirectory();
  const cluster = await startLedger({ nodes, storage: { directory } });
  await cluster.propose('one', patient);
  const replaced = cluster.replace('a', { timeoutMs: 2_000 });
  await expect(replaced).rejects.toMatchObject({
    code: 'ERR_NO_QUORUM',
    message: expect.stringContaining('a cannot be replaced'),
  });
  expect(readdirSync(directory).filter((name) => name.includes('replaced'))).toEqual([]);
  await cluster.propose('two', patient);
  expect(await ledgerOf(cluster)).toEqual(['one', 'two']);
});
