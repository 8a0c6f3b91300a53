/** Leaders that die, hang or are cut off: the others go on, and nobody reads the past. */
import type { Cluster } from '@quorate/consensus';
import { describe, expect, test } from 'vitest';
import {
  algorithms,
  countsOf,
  freshIds,
  type Ledger,
  leaderOf,
  nodeIs,
  startLedger,
  temporaryDirectory,
  withOutstanding,
} from './running-cluster.ts';

const timeoutMs = 20_000;
/** Many times what an election takes here, for machines that are busy with something else. */
const electionMs = 5_000;

/** What a proposal is told that could not be decided: never that it failed. */
const noQuorum = { code: expect.stringMatching(/^ERR_(NO_QUORUM|OUTCOME_UNKNOWN)$/) };

const othersThan = (cluster: Cluster<Ledger>, node: string): string[] =>
  Object.keys(cluster.status().nodes).filter((name) => name !== node);

const anotherTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe.each(algorithms)('%s', (algorithm) => {
  test('a leader that is killed under load is replaced, and the load goes on', async () => {
    const cluster = await startLedger({ algorithm, storage: { directory: temporaryDirectory() } });
    const heard: string[] = [];
    cluster.on('leader', ({ node }) => heard.push(`${node} leads`));
    cluster.on('node-down', ({ node, reason }) => heard.push(`${node} down: ${reason}`));
    const leader = await leaderOf(cluster);
    const ids = freshIds(3_000);
    let killedAtMs = Number.POSITIVE_INFINITY;
    let firstAfterMs = Number.POSITIVE_INFINITY;
    await withOutstanding(ids, 64, async (id) => {
      if (id === ids[1_000]) {
        await cluster.faults.kill(leader);
        killedAtMs = performance.now();
      }
      const isAfter = performance.now() > killedAtMs;
      await cluster.propose(id, { timeoutMs });
      if (isAfter) firstAfterMs = Math.min(firstAfterMs, performance.now());
    });
    expect(firstAfterMs - killedAtMs).toBeLessThan(electionMs);
    const successor = await leaderOf(cluster, leader);
    expect(heard).toContain(`${leader} down: killed`);
    // The peers of a dead thread may hear of its end, and elect, before the app's thread does.
    expect(heard.findLast((news) => news.endsWith(' leads'))).toBe(`${successor} leads`);
    const counts = await countsOf(cluster);
    expect(ids.filter((id) => counts.get(id) !== 1)).toEqual([]);
  });

  test.each([true, false])(
    'with hints of dead peers %s, a killed leader is replaced',
    async (peerDownHints) => {
      const [shortestMs, longestMs] = [1_500, 3_000];
      const cluster = await startLedger({
        algorithm,
        peerDownHints,
        storage: { directory: temporaryDirectory() },
        electionTimeoutMs: [shortestMs, longestMs],
      });
      const leader = await leaderOf(cluster);
      await cluster.propose('before', { timeoutMs });
      const killedAtMs = performance.now();
      await cluster.faults.kill(leader);
      await cluster.propose('after', { timeoutMs });
      const awayMs = performance.now() - killedAtMs;
      // A leader is heard from every 50 ms, so its followers had waited for it a little already.
      if (peerDownHints) expect(awayMs).toBeLessThan(shortestMs / 2);
      else expect(awayMs).toBeGreaterThan(shortestMs / 2);
    },
  );

  test('a leader that is cut off is replaced, steps down, and follows once the cut is healed', async () => {
    const cluster = await startLedger({ algorithm });
    const old = await leaderOf(cluster);
    await cluster.propose('before', { timeoutMs });
    await cluster.faults.partition([[old], othersThan(cluster, old)]);
    await leaderOf(cluster, old);
    await cluster.propose('meanwhile', { timeoutMs });
    await nodeIs(cluster, old, ({ role }) => role !== 'leader');
    expect(await cluster.query({ id: 'meanwhile' }, { timeoutMs })).toBe(1);
    const behind = cluster.status().nodes[old]?.appliedIndex ?? 0;

    await cluster.faults.heal();
    await nodeIs(cluster, old, ({ role, appliedIndex }) => role === 'follower' && appliedIndex > behind);
    expect(await cluster.query({ id: 'meanwhile' }, { timeoutMs })).toBe(1);
  });

  test('without a majority nothing is acknowledged, and calls end at their deadline', async () => {
    const cluster = await startLedger({ algorithm });
    const leader = await leaderOf(cluster);
    await cluster.propose('before', { timeoutMs });
    await cluster.faults.partition([['a'], ['b'], ['c']]);
    await nodeIs(cluster, leader, ({ role }) => role !== 'leader');
    const began = performance.now();
    const proposal = cluster.propose('nowhere', { timeoutMs: 300 });
    const query = cluster.query('size', { timeoutMs: 300 });
    await expect(proposal).rejects.toMatchObject(noQuorum);
    await expect(query).rejects.toMatchObject({ code: 'ERR_NO_QUORUM' });
    expect(performance.now() - began).toBeLessThan(300 + electionMs);
    expect(await cluster.query('size', { consistency: 'session', timeoutMs })).toBe(1);

    await cluster.faults.heal();
    expect(await cluster.propose('after', { timeoutMs })).toMatchObject({ id: 'after' });
  });

  test('a leader whose thread hangs is replaced; when it goes on it answers no read from its past', async () => {
    // Patient enough that nobody has stepped down by the time at which the old leader stands still.
    const cluster = await startLedger({ algorithm, nodes: 5, electionTimeoutMs: [400, 800] });
    const old = await leaderOf(cluster);
    await cluster.propose('before', { timeoutMs });
    // Cut off as well, it will find no news of the others when it wakes up.
    await cluster.faults.partition([[old], othersThan(cluster, old)]);
    await cluster.faults.pause(old);
    expect(cluster.status().nodes[old]?.role).toBe('leader');
    const next = await leaderOf(cluster, old);
    await cluster.propose('meanwhile', { timeoutMs });

    // Now the app loses sight of everybody but the one that hangs and still believes that it leads.
    const rest = othersThan(cluster, old).filter((node) => node !== next);
    for (const node of rest) await cluster.faults.link({ from: node, to: 'app', partitioned: true });
    await cluster.faults.kill(next);
    const reads: Promise<unknown>[] = [];
    // With no leader known, reads of different turns ask different nodes, the one that hangs among them.
    for (let read = 0; read < 10; read++) {
      reads.push(cluster.query({ id: 'meanwhile' }, { timeoutMs }));
      await anotherTurn();
    }
    await expect(cluster.query('size', { timeoutMs: 150 })).rejects.toMatchObject({ code: 'ERR_NO_QUORUM' });
    await cluster.faults.resume(old);
    await nodeIs(cluster, old, ({ role }) => role !== 'leader');
    await cluster.faults.heal();
    expect(await Promise.all(reads)).toEqual(reads.map(() => 1));
    await nodeIs(cluster, old, ({ role }) => role === 'follower');
  });

  test('heal ends every fault but death', async () => {
    const cluster = await startLedger({ algorithm, nodes: 5, storage: { directory: temporaryDirectory() } });
    const leader = await leaderOf(cluster);
    const [hung, slow, cut, dead] = othersThan(cluster, leader) as [string, string, string, string];
    await cluster.faults.kill(dead);
    await cluster.faults.pause(hung);
    cluster.faults.disk(slow, { hang: true });
    await cluster.faults.partition([[cut], [leader, hung, slow, dead]]);
    await expect(cluster.propose('stuck', { timeoutMs: 300 })).rejects.toMatchObject(noQuorum);
    await cluster.faults.heal();
    await cluster.propose('after', { timeoutMs });
    const { commitIndex } = cluster.status().nodes[await leaderOf(cluster)] as { commitIndex: number };
    for (const node of [hung, slow, cut]) {
      await nodeIs(cluster, node, ({ role, appliedIndex }) => role !== 'down' && appliedIndex >= commitIndex);
    }
    expect(cluster.status().nodes[dead]?.role).toBe('down');
    expect((await countsOf(cluster)).get('after')).toBe(1);
  });
});

test('a node that kept its data in memory does not come back blank', async () => {
  const cluster = await startLedger();
  await leaderOf(cluster);
  await cluster.faults.kill('b');
  await expect(cluster.faults.restart('b')).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' });
  await cluster.propose('two are enough', { timeoutMs });
});

test('faults name the nodes that there are', async () => {
  const cluster = await startLedger({ nodes: 1 });
  const refusal = { code: 'ERR_OPTION_INVALID', details: { option: 'node', value: '"z"' } };
  await expect(cluster.faults.kill('z')).rejects.toMatchObject(refusal);
  await expect(cluster.faults.partition([['a'], ['z']])).rejects.toMatchObject(refusal);
  await expect(cluster.faults.link({ from: 'z', to: 'app' })).rejects.toMatchObject(refusal);
  expect(() => cluster.faults.disk('z', {})).toThrowError(/option node: "z"/);
});
