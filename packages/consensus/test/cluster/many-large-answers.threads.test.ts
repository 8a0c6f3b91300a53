/** Calls that are fine one by one stay fine when a session sends them together. */
import { expect, test } from 'vitest';
import { algorithms, freshIds, startLedger } from './running-cluster.ts';

test.each(algorithms)(
  '%s: five hundred reads of a large value at once are all answered',
  async (algorithm) => {
    const cluster = await startLedger({ algorithm });
    const entries = freshIds(2_000).map((id) => `${id}${'-'.repeat(100)}`);
    await Promise.all(entries.map((id) => cluster.propose(id, { timeoutMs: 20_000 })));
    // Each answer has some 200 KB; together they are far more than one message may have.
    const reads = Array.from({ length: 500 }, () => cluster.query('all', { timeoutMs: 30_000 }));
    const outcomes = await Promise.allSettled(reads);
    const refused = outcomes
      .filter(({ status }) => status === 'rejected')
      .map((one) => String(Reflect.get(one, 'reason')));
    expect([...new Set(refused)]).toEqual([]);
  },
);
