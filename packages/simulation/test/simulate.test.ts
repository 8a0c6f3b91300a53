/**
 * The simulator: a run is a function of its seed, sound protocols pass, and a guard taken out is noticed.
 *
 * A few seeds only: `quorate-bench sim --seeds N` runs as many as there is patience for.
 */
import { describe, expect, test } from 'vitest';
import { type PlantedBug, plantedBugs } from '../src/planted-bugs.ts';
import { type SimulationResult, simulate } from '../src/simulate.ts';

const algorithms = ['raft', 'multi-paxos'] as const;

async function firstFailure(
  seeds: number,
  run: (seed: number) => Promise<SimulationResult>,
): Promise<SimulationResult | undefined> {
  for (let seed = 1; seed <= seeds; seed++) {
    const result = await run(seed);
    if (result.violation !== undefined) return result;
  }
  return undefined;
}

describe.each(algorithms)('%s', (algorithm) => {
  test('the same seed twice gives the same trace, byte for byte', async () => {
    const [once, again] = [await run(), await run()];
    function run(): Promise<SimulationResult> {
      return simulate({ algorithm, seed: 7, operations: 200, keepTrace: true });
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

  test('holds over seeds with a thousand operations, a change of leader and faults of every kind', async () => {
    const faults: Record<string, number> = {};
    for (let seed = 1; seed <= 12; seed++) {
      const result = await simulate({ algorithm, seed });
      expect({ seed, violation: result.violation }).toEqual({ seed, violation: undefined });
      expect(result.acknowledged).toBeGreaterThanOrEqual(1_000);
      expect(result.leaderChanges).toBeGreaterThanOrEqual(1);
      for (const [kind, count] of Object.entries(result.faults)) faults[kind] = (faults[kind] ?? 0) + count;
    }
    expect(Object.entries(faults).filter(([, count]) => count === 0)).toEqual([]);
  });

  test('a thousand commands outstanding, answers lost, leaders struck: each is applied once', async () => {
    for (let seed = 1; seed <= 3; seed++) {
      const result = await simulate({
        algorithm,
        seed,
        outstanding: 1_000,
        answersDropRate: 0.3,
        operations: 5_000,
      });
      expect({ seed, violation: result.violation }).toEqual({ seed, violation: undefined });
      expect(result.acknowledged).toBeGreaterThanOrEqual(5_000);
    }
  });

  test.each(Object.keys(plantedBugs) as PlantedBug[])('notices within 40 seeds: %s', async (plantedBug) => {
    const failure = await firstFailure(40, (seed) => simulate({ algorithm, seed, plantedBug }));
    expect(failure?.violation).toBeDefined();
  });
});

test('a bug that nobody planted is refused by name', async () => {
  const { violation } = await simulate({ algorithm: 'raft', seed: 1, plantedBug: 'no-such-bug' });
  expect(violation).toContain('reply-before-persist, count-votes-twice');
});
