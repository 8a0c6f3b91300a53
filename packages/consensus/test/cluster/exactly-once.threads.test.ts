/**
 * Exactly once, with 1,000 commands outstanding on real threads: replies are lost, the leader dies, the
 * client asks again by itself, and each command takes effect one time.
 */
import { describe, expect, test } from 'vitest';
import {
  algorithms,
  countsOf,
  eventually,
  freshIds,
  leaderOf,
  type Outcome,
  outcomeOf,
  startLedger,
  temporaryDirectory,
  withOutstanding,
} from './running-cluster.ts';

const timeoutMs = 30_000;

describe.each(algorithms)('%s', (algorithm) => {
  test('all replies are lost and the leader dies: what was applied is answered by the next one, not applied again', async () => {
    const cluster = await startLedger({ algorithm, storage: { directory: temporaryDirectory() } });
    const leader = await leaderOf(cluster);
    await cluster.propose('first', { timeoutMs });
    await cluster.faults.link({ from: leader, to: 'app', drop: 1 });

    const ids = freshIds(1_000);
    let acknowledged = 0;
    const proposed = ids.map((id) =>
      cluster.propose(id, { timeoutMs }).then((result) => {
        acknowledged += 1;
        return result;
      }),
    );
    // A follower tells when all is applied; the leader's own word is lost.
    await eventually('all are applied', async () => {
      const applied = await cluster.query('size', { consistency: 'eventual', timeoutMs });
      return applied === 1 + ids.length;
    });
    expect(acknowledged).toBe(0);

    await cluster.faults.kill(leader);
    const results = await Promise.all(proposed);
    // The results are those of the first time: each command at its own place, in the order of proposal.
    expect(results.map(({ id }) => id)).toEqual(ids);
    expect(results.map(({ position }) => position)).toEqual(ids.map((_, at) => at + 2));
    const counts = await countsOf(cluster);
    expect(ids.filter((id) => counts.get(id) !== 1)).toEqual([]);
    expect(counts.size).toBe(1 + ids.length);
  });

  test('through loss, duplication, partitions and a killed leader every command ends in one of its allowed ways', async () => {
    const cluster = await startLedger({ algorithm, nodes: 5, storage: { directory: temporaryDirectory() } });
    const first = await leaderOf(cluster);
    const nodes = Object.keys(cluster.status().nodes);
    for (const node of nodes) {
      await cluster.faults.link({ from: node, to: 'app', drop: 0.2, duplicate: 0.2 });
      await cluster.faults.link({
        from: 'app',
        to: node,
        drop: 0.2,
        duplicate: 0.2,
        reorder: 0.2,
      });
    }

    const ids = freshIds(6_000);
    const outcomes = new Map<string, Outcome>();
    const load = withOutstanding(ids, 1_000, async (id) => {
      // Some callers are in a hurry: theirs are the commands whose outcome stays unknown.
      const impatient = ids.indexOf(id) % 10 === 0;
      outcomes.set(id, await outcomeOf(cluster.propose(id, { timeoutMs: impatient ? 50 : timeoutMs })));
    });
    const progress = (count: number) => eventually(`${count} outcomes`, () => outcomes.size >= count, 30_000);

    await progress(1_500);
    await cluster.faults.partition([[first], nodes.filter((node) => node !== first)]);
    const second = await leaderOf(cluster, first);
    await progress(3_000);
    await cluster.faults.kill(second);
    await cluster.faults.heal();
    const third = await leaderOf(cluster, second);
    await progress(4_500);
    await cluster.faults.link({ from: third, to: 'app', partitioned: true });
    await cluster.faults.restart(second);
    await cluster.faults.kill(third);
    await cluster.faults.heal();
    await load;

    const counts = await countsOf(cluster);
    const ofOutcome = (outcome: Outcome) => ids.filter((id) => outcomes.get(id) === outcome);
    const wrong = (outcome: Outcome, ...allowed: number[]) =>
      ofOutcome(outcome).filter((id) => !allowed.includes(counts.get(id) ?? 0));
    expect(outcomes.size).toBe(ids.length);
    expect(wrong('acknowledged', 1)).toEqual([]);
    expect(wrong('ERR_OUTCOME_UNKNOWN', 0, 1)).toEqual([]);
    expect(wrong('ERR_NO_QUORUM', 0)).toEqual([]);
    const known = new Set(['acknowledged', 'ERR_OUTCOME_UNKNOWN', 'ERR_NO_QUORUM']);
    expect([...new Set(outcomes.values())].filter((outcome) => !known.has(outcome))).toEqual([]);
    expect(ofOutcome('acknowledged').length).toBeGreaterThan(ids.length / 2);
  });
});
