/**
 * The simulator: a run is a function of its seed, and sound protocols pass.
 *
 * A few seeds only: `quorate-bench sim --seeds N` runs as many as there is patience for.
 */
import { describe, expect, test } from 'vitest';
import { strikeKinds } from '../src/fault-plan.ts';
import { type SimulationResult, simulate } from '../src/simulate.ts';

const algorithms = ['raft', 'multi-paxos'] as const;

function add(sum: Record<string, number>, counts: object): void {
  for (const [kind, count] of Object.entries(counts)) sum[kind] = (sum[kind] ?? 0) + Number(count);
}

describe.each(algorithms)('%s', (algorithm) => {
  test('the same seed twice gives the same trace, byte for byte', async () => {
    const [once, again] = [await run(), await run()];
    function run(): Promise<SimulationResult> {
      return simulate({ algorithm, seed: 7, operations: 400, keepTrace: true });
    }
    expect(once.trace.length).toBeGreaterThan(100_000);
    expect(again.trace === once.trace).toBe(true);
    expect(again).toEqual(once);
  });

  test('another seed gives another trace', async () => {
    const [one, other] = await Promise.all(
      [8, 9].map((seed) => simulate({ algorithm, seed, operations: 100 })),
    );
    expect(one?.traceChecksum).not.toBe(other?.traceChecksum);
  });

  test('holds over seeds with strikes of every kind, while members come and go and the algorithm is swapped', async () => {
    const faults: Record<string, number> = {};
    const strikes: Record<string, number> = {};
    const orders: Record<string, number> = {};
    for (let seed = 1; seed <= 25; seed++) {
      const result = await simulate({ algorithm, seed, operations: 300 });
      expect({ seed, violation: result.violation }).toEqual({ seed, violation: undefined });
      expect(result.acknowledged).toBeGreaterThanOrEqual(300);
      expect(result.leaderChanges).toBeGreaterThanOrEqual(result.nodes < 3 ? 0 : 1);
      add(faults, result.faults);
      add(strikes, result.strikes);
      add(orders, result.orders);
    }
    expect(Object.entries(faults).filter(([, count]) => count === 0)).toEqual([]);
    expect(strikeKinds.filter((kind) => strikes[kind] === 0)).toEqual([]);
    // Of about a dozen seeds that have an operator at all; a client that hears no news makes hardly any.
    expect(orders['made']).toBeGreaterThan(20);
    const neverDone = Object.entries(orders).filter(([, count]) => count === 0);
    expect(neverDone.map(([order]) => order).filter((order) => order !== 'unknown')).toEqual([]);
  });

  test('a thousand commands outstanding, answers lost, leaders struck: each is applied once', async () => {
    for (let seed = 1; seed <= 3; seed++) {
      const result = await simulate({
        algorithm,
        seed,
        nodes: 3,
        outstanding: 1_000,
        answersDropRate: 0.3,
        operations: 5_000,
        calm: ['speed', 'limits'],
      });
      expect({ seed, violation: result.violation }).toEqual({ seed, violation: undefined });
      expect(result.acknowledged).toBeGreaterThanOrEqual(5_000);
    }
  });

  test('a part of a plan can be repeated, and what is not chosen does not strike', async () => {
    const whole = await simulate({ algorithm, seed: 4, operations: 50 });
    expect(whole.planned).toBeGreaterThan(2);
    const part = await simulate({
      algorithm,
      seed: 4,
      operations: 50,
      leaderChanges: 0,
      nodes: 3,
      strikes: [0, 2],
      calm: ['weather', 'clocks', 'speed', 'limits', 'groups'],
    });
    expect(part.violation).toBeUndefined();
    expect(part.nodes).toBe(3);
    expect(part.planned).toBe(whole.planned);
    const struck = Object.values(part.strikes).reduce((sum, count) => sum + count, 0);
    expect(struck).toBeGreaterThanOrEqual(2);
    expect(struck).toBeLessThan(Object.values(whole.strikes).reduce((sum, count) => sum + count, 0));
    expect(part.faults).toMatchObject({ dropped: 0, duplicated: 0, reordered: 0 });
  });
});

test('a bug that nobody planted is refused by name', async () => {
  const { violation } = await simulate({ algorithm: 'raft', seed: 1, plantedBug: 'no-such-bug' });
  expect(violation).toContain('reply-before-persist, count-votes-twice');
});

test.each([
  [{ nodes: 8 }, 'nodes'],
  [{ strikes: [10_000] }, 'strikes'],
  [{ calm: ['everything'] }, 'weather, clocks, speed, limits'],
])('what no plan has is refused: %j', async (options, named) => {
  await expect(simulate({ algorithm: 'raft', seed: 1, ...options })).rejects.toThrow(named);
});

test('seed 1795256860: a second copy of a command that reaches a replica after its disk failed is not refused', async () => {
  const { violation } = await simulate({
    algorithm: 'multi-paxos',
    seed: 1_795_256_860,
    strikes: [0, 1, 2, 3, 4, 5, 6],
    calm: ['clocks'],
    operations: 1,
    leaderChanges: 0,
  });
  expect(violation).toBeUndefined();
});

test('seed 500290: a segment whose first sync failed has its header on the disk before anything is acknowledged in it', async () => {
  const result = await simulate({ algorithm: 'multi-paxos', seed: 500_290 });
  expect(result.violation).toBeUndefined();
});

test('seed 5263: a command refused for now by a copy in the log of an earlier leader is not told as refused for good', async () => {
  const { violation } = await simulate({
    algorithm: 'raft',
    seed: 5_263,
    strikes: [0],
    calm: ['clocks', 'groups'],
    operations: 1,
    leaderChanges: 0,
  });
  expect(violation).toBeUndefined();
});
