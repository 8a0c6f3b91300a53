/** Shrinking: what a failure does not need is left out, what it needs stays. */
import { expect, test } from 'vitest';
import { shrink } from '../src/shrink.ts';
import { type SimulationOptions, type SimulationResult, simulate } from '../src/simulate.ts';

function resultOf(options: SimulationOptions, fails: boolean): SimulationResult {
  const { nodes = 5 } = options;
  return { nodes, planned: 12, violation: fails ? 'broken' : undefined } as SimulationResult;
}

test('leaves the two strikes, the three nodes, the operations and the weather that it takes', async () => {
  const asked: SimulationOptions[] = [];
  const run = async (options: SimulationOptions): Promise<SimulationResult> => {
    asked.push(options);
    const strikes = options.strikes ?? [3, 9];
    const isBroken =
      strikes.includes(3) &&
      strikes.includes(9) &&
      (options.operations ?? 1_000) >= 30 &&
      (options.nodes ?? 5) >= 3 &&
      options.calm?.includes('weather') !== true;
    return resultOf(options, isBroken);
  };
  const options = { algorithm: 'raft', seed: 17 };
  const shrunk = await shrink({ options, result: resultOf(options, true) }, {}, run);
  expect(shrunk.options).toEqual({
    algorithm: 'raft',
    seed: 17,
    leaderChanges: 0,
    strikes: [3, 9],
    operations: 50,
    nodes: 3,
    calm: ['clocks', 'speed', 'limits', 'groups'],
  });
  expect(shrunk.attempts).toBe(asked.length);
  expect(shrunk.attempts).toBeLessThanOrEqual(60);
});

test('gives up after so many attempts, with the smallest so far', async () => {
  let runs = 0;
  const options = { algorithm: 'raft', seed: 17 };
  const shrunk = await shrink(
    { options, result: resultOf(options, true) },
    { attemptsMax: 3 },
    async (tried) => {
      runs += 1;
      return resultOf(tried, tried.strikes === undefined || tried.strikes.length > 6);
    },
  );
  expect(runs).toBe(3);
  expect(shrunk.options).toEqual({ algorithm: 'raft', seed: 17, leaderChanges: 0 });
});

test('what it finds fails again when it is repeated', async () => {
  const options = { algorithm: 'raft', seed: 1, operations: 100, plantedBug: 'serve-reads-early' };
  const result = await simulate(options);
  expect(result.violation).toBeDefined();
  const shrunk = await shrink({ options, result }, { attemptsMax: 15 });
  const again = await simulate(shrunk.options);
  expect(again.violation).toBe(shrunk.result.violation);
  expect(again.violation).toBeDefined();
});
