/** The life of a cluster and of a call: started, used, given up, ended, and nothing left over. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Cluster } from '@quorate/consensus';
import { describe, expect, test } from 'vitest';
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
  withOutstanding,
} from './running-cluster.ts';

const timeoutMs = 20_000;

/** Whatever the app sends is lost from now on. */
async function muteApp(cluster: Cluster<Ledger>): Promise<void> {
  for (const to of Object.keys(cluster.status().nodes)) {
    await cluster.faults.link({ from: 'app', to, partitioned: true });
  }
}

/** Resolves some turns of this thread later, when what was asked for has left. */
async function sent(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('a program that stops its cluster ends by itself', async () => {
  const program = fileURLToPath(new URL('./processes/use-and-stop.mjs', import.meta.url));
  const ran = await promisify(execFile)(process.execPath, [program, temporaryDirectory()], {
    timeout: 30_000,
  });
  expect(ran).toEqual({ stdout: 'used\n2\ntrue\n', stderr: '' });
});

test('a cluster in `await using` is stopped at the end of its scope', async () => {
  const storage = { directory: temporaryDirectory() };
  let kept: Cluster<Ledger>;
  {
    await using cluster = await startLedger({ storage });
    kept = cluster;
    await cluster.propose('inside', { timeoutMs });
  }
  await expect(kept.query('size')).rejects.toMatchObject({ code: 'ERR_STOPPED' });
  expect([...(await countsOf(await startLedger({ storage })))]).toEqual([['inside', 1]]);
});

describe.each(algorithms)('stop, under %s', (algorithm) => {
  test('in the middle of a load it ends every call with what is true of it', async () => {
    const storage = { directory: temporaryDirectory() };
    const cluster = await startLedger({ algorithm, storage });
    const ids = freshIds(20_000);
    const outcomes = new Map<string, string>();
    const load = withOutstanding(ids, 1_000, async (id) => {
      outcomes.set(id, await outcomeOf(cluster.propose(id, { timeoutMs })));
    });
    const reads = Array.from({ length: 10 }, () => outcomeOf(cluster.query('size', { timeoutMs })));
    await eventually('the load is under way', () => outcomes.size >= 2_000);
    // The last replies are lost, so that some of what stays unknown to the app has taken effect.
    await cluster.faults.link({ from: await leaderOf(cluster), to: 'app', partitioned: true });
    const late = outcomeOf(cluster.query('size', { timeoutMs }));
    await eventually('more is applied than was acknowledged', async () => {
      const applied = await cluster.query('size', { consistency: 'eventual', timeoutMs });
      return (applied as number) > outcomes.size;
    });
    await cluster.stop();
    await load;
    expect(new Set(await Promise.all(reads))).toEqual(new Set(['acknowledged']));
    expect(['acknowledged', 'ERR_STOPPED']).toContain(await late);
    const known = ['acknowledged', 'ERR_OUTCOME_UNKNOWN', 'ERR_STOPPED'];
    expect([...new Set(outcomes.values())].filter((outcome) => !known.includes(outcome))).toEqual([]);

    const counts = await countsOf(await startLedger({ algorithm, storage }));
    const timesOf = (outcome: string) =>
      new Set(ids.filter((id) => outcomes.get(id) === outcome).map((id) => counts.get(id) ?? 0));
    expect(timesOf('acknowledged')).toEqual(new Set([1]));
    expect(timesOf('ERR_STOPPED')).toEqual(new Set([0]));
    for (const times of timesOf('ERR_OUTCOME_UNKNOWN')) expect([0, 1]).toContain(times);
  });
});

test('after stop every call is refused, and stopping again changes nothing', async () => {
  const cluster = await startLedger();
  const session = cluster.session();
  await session.propose('before', { timeoutMs });
  await Promise.all([cluster.stop(), cluster.stop()]);
  await cluster.stop();
  const refusal = { code: 'ERR_STOPPED' };
  await expect(cluster.propose('after')).rejects.toMatchObject(refusal);
  await expect(cluster.query('size')).rejects.toMatchObject(refusal);
  await expect(session.propose('after')).rejects.toMatchObject(refusal);
  await expect(session.query('size', { consistency: 'eventual' })).rejects.toMatchObject(refusal);
  await expect(cluster.session('late').propose('after')).rejects.toMatchObject(refusal);
  expect(Object.keys(cluster.status().nodes)).toEqual(['a', 'b', 'c']);
});

describe('stop, in the middle of orders', () => {
  test.each(['reconfigure', 'replace'] as const)(
    'ends %s and those that wait behind it, and leaves nothing at work',
    async (order) => {
      const storage = { directory: temporaryDirectory() };
      const cluster = await startLedger({ storage });
      await cluster.propose('before', { timeoutMs });
      const leader = await leaderOf(cluster);
      const member = ['a', 'b', 'c'].find((node) => node !== leader) as string;
      // Whoever learns is told nothing, so that the order waits for it.
      const learner = order === 'replace' ? member : 'd';
      const ordered = outcomeOf(
        order === 'replace'
          ? cluster.replace(member, { timeoutMs })
          : cluster.reconfigure({ members: ['a', 'b', 'c', 'd'] }, { timeoutMs }),
      );
      const behind = outcomeOf(cluster.reconfigure({ algorithm: 'multi-paxos' }, { timeoutMs }));
      for (const to of ['a', 'b', 'c'].filter((node) => node !== learner))
        await eventually('it can be cut off', () =>
          cluster.faults.link({ from: to, to: learner, partitioned: true }).then(
            () => true,
            () => false,
          ),
        );
      await cluster.stop();
      // It may have got as far as the leader by then.
      expect(['ERR_STOPPED', 'ERR_OUTCOME_UNKNOWN']).toContain(await ordered);
      expect(await behind).toBe('ERR_STOPPED');
      const again = await startLedger({ storage });
      await again.propose('after', { timeoutMs });
      expect([...(await countsOf(again)).keys()]).toEqual(['before', 'after']);
      await again.replace(member, { timeoutMs });
      expect(again.status().algorithm).toBe('raft');
    },
  );
});

describe('a call that is given up', () => {
  test('before it was sent did not happen', async () => {
    const cluster = await startLedger({ nodes: 1 });
    const reason = new Error('changed my mind');
    const signal = AbortSignal.abort(reason);
    await expect(cluster.propose('aborted', { signal })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      cause: reason,
    });
    await expect(cluster.query('size', { signal })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      cause: reason,
    });

    const controller = new AbortController();
    const proposals = ['one', 'two', 'three'].map((id) =>
      outcomeOf(cluster.propose(id, id === 'two' ? { timeoutMs, signal: controller.signal } : { timeoutMs })),
    );
    controller.abort();
    expect(await Promise.all(proposals)).toEqual(['acknowledged', 'ERR_ABORTED', 'acknowledged']);
    expect([...(await countsOf(cluster)).keys()]).toEqual(['one', 'three']);
  });

  test('after it was sent may yet happen', async () => {
    const cluster = await startLedger();
    await cluster.propose('first', { timeoutMs });
    const leader = await leaderOf(cluster);
    await cluster.faults.link({ from: leader, to: 'app', partitioned: true });
    const controller = new AbortController();
    const proposed = cluster.propose('second', { timeoutMs, signal: controller.signal });
    await sent();
    controller.abort();
    await expect(proposed).rejects.toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN' });
    await cluster.faults.heal();
    expect(await cluster.query('size', { timeoutMs })).toBeGreaterThanOrEqual(1);
  });

  test('a signal that is raised when all is done changes nothing', async () => {
    const cluster = await startLedger({ nodes: 1 });
    const controller = new AbortController();
    await cluster.propose('one', { timeoutMs, signal: controller.signal });
    controller.abort();
    expect([...(await countsOf(cluster))]).toEqual([['one', 1]]);
  });
});

describe('at its deadline', () => {
  test('what was never appended is said not to have happened, what was sent is unknown', async () => {
    const cluster = await startLedger();
    await cluster.propose('opens the session', { timeoutMs });
    const fresh = cluster.session();
    await muteApp(cluster);
    const began = performance.now();
    const [sentOne, unopened, read] = await Promise.all([
      outcomeOf(cluster.propose('sent', { timeoutMs: 200 })),
      outcomeOf(fresh.propose('waits for a session', { timeoutMs: 200 })),
      outcomeOf(cluster.query('size', { timeoutMs: 200 })),
    ]);
    expect({ sentOne, unopened, read }).toEqual({
      sentOne: 'ERR_OUTCOME_UNKNOWN',
      unopened: 'ERR_NO_QUORUM',
      read: 'ERR_NO_QUORUM',
    });
    const tookMs = performance.now() - began;
    expect(tookMs).toBeGreaterThanOrEqual(199);
    expect(tookMs).toBeLessThan(3_000);
    await cluster.faults.heal();
    expect(await cluster.propose('after', { timeoutMs })).toMatchObject({ id: 'after' });
    expect((await countsOf(cluster)).get('waits for a session')).toBe(undefined);
  });
});

describe.each(algorithms)('a named session, under %s', (algorithm) => {
  test('opened anew, it settles what its former holder has under way', async () => {
    // Patience is long here, so that the only asking of the former holder is the one that is held up.
    const cluster = await startLedger({ algorithm, electionTimeoutMs: [1_000, 2_000] });
    const leader = await leaderOf(cluster);
    const former = cluster.session('worker');
    await former.propose('early', { timeoutMs });
    await cluster.faults.link({ from: 'app', to: leader, delayMs: [600, 600], reorder: 1 });
    const held = former.propose('late', { timeoutMs });
    await sent();
    await cluster.faults.link({ from: 'app', to: leader, delayMs: [0, 0], reorder: 0 });

    const holder = cluster.session('worker');
    await holder.propose('new holder', { timeoutMs });
    const settled = await countsOf(cluster);
    expect([...settled.keys()]).toEqual(['early', 'new holder']);
    // The batch arrives after that, and is refused.
    await expect(held).rejects.toMatchObject({ code: 'ERR_SESSION_EXPIRED' });
    expect(await countsOf(cluster)).toEqual(settled);
    await holder.propose('and on', { timeoutMs });
  });

  test('opened in the next life, it finds what the former life was told done, and may go on', async () => {
    const storage = { directory: temporaryDirectory() };
    const first = await startLedger({ algorithm, storage });
    const ids = freshIds(500);
    const outcomes = new Map<string, string>();
    const former = first.session('worker');
    const load = withOutstanding(ids, 100, async (id) => {
      outcomes.set(id, await outcomeOf(former.propose(id, { timeoutMs })));
    });
    await eventually('some are done', () => outcomes.size >= 200);
    await first.stop();
    await load;

    const second = await startLedger({ algorithm, storage });
    const session = second.session('worker');
    await session.propose('next life', { timeoutMs });
    const counts = await countsOf(second);
    expect(ids.filter((id) => outcomes.get(id) === 'acknowledged' && counts.get(id) !== 1)).toEqual([]);
    // From its opening on nothing of the former life can come any more: what is missing now may be done again.
    const missing = ids.filter((id) => !counts.has(id));
    await Promise.all(missing.map((id) => session.propose(id, { timeoutMs })));
    expect(await countsOf(second)).toEqual(new Map([...ids, 'next life'].map((id) => [id, 1])));
  });

  test('is closed when all before it is done; then it refuses, and its name is free', async () => {
    const cluster = await startLedger({ algorithm });
    const session = cluster.session('worker');
    const before = freshIds(100).map((id) => session.propose(id, { timeoutMs }));
    const closed = session.close({ timeoutMs });
    const refusal = { code: 'ERR_SESSION_EXPIRED', message: 'the session is closed' };
    await expect(session.propose('after', { timeoutMs })).rejects.toMatchObject(refusal);
    await expect(session.query('size', { timeoutMs })).rejects.toMatchObject(refusal);
    await closed;
    expect(await Promise.all(before)).toHaveLength(100);
    await cluster.session('worker').propose('anew', { timeoutMs });
    expect(await cluster.query('size', { timeoutMs })).toBe(101);
  });

  test('reads its own writes, whoever answers', async () => {
    const cluster = await startLedger({ algorithm });
    const session = cluster.session('worker');
    for (let round = 1; round <= 10; round++) {
      await session.propose(`${round}`, { timeoutMs });
      expect(await session.query('size', { consistency: 'session', timeoutMs })).toBe(round);
    }
    await nodeIs(cluster, await leaderOf(cluster), ({ role }) => role === 'leader');
  });
});
