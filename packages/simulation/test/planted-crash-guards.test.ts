/** Each guard of a change of the epoch, taken out: it is seen when a node crashes in one of its writes. */
import { afterEach, expect, test } from 'vitest';
import { plantedCrashGuards } from './guards/crash-in-change.ts';
import { prepare, putAllBack, takeOut } from './guards/take-out.ts';

prepare(plantedCrashGuards.flatMap(({ removals }) => removals));
const { changeWithCrash } = await import('./crash-in-change.ts');

afterEach(putAllBack);

const swaps = [
  ['raft', 'multi-paxos'],
  ['multi-paxos', 'raft'],
] as const;
const crashCases = plantedCrashGuards.flatMap((planted) =>
  swaps.map(([algorithm, to]) => ({ ...planted, algorithm, to })),
);

test.each(crashCases)('$guard: seen when a node crashes while $algorithm gives way', async (planted) => {
  const { removals, red, algorithm, to } = planted;
  await takeOut(removals);
  let seen: string | undefined;
  let didCrash = true;
  for (let write = 1; didCrash && seen === undefined; write++) {
    const struck = await changeWithCrash({ algorithm, change: { algorithm: to } }, { node: 'a', write });
    seen = struck.failure;
    didCrash = struck.didCrash;
  }
  expect(seen).toMatch(red);
});
