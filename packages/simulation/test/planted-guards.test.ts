/** Each guard that a scenario is about, taken out: the scenario goes red. */
import { afterEach, expect, test } from 'vitest';
import { plantedCrashGuards } from './guards/crash-in-change.ts';
import { plantedGuards } from './guards/planted-guards.ts';
import { plantOf, prepare, putAllBack, takeOut } from './guards/take-out.ts';

prepare([...plantedGuards, ...plantedCrashGuards].flatMap(({ removals }) => removals));
const { readScenario } = await import('../src/scenario/catalogue.ts');
const { firstDifference, playTranscript } = await import('../src/scenario/play.ts');
const { changeWithCrash } = await import('./crash-in-change.ts');

afterEach(putAllBack);

const cases = plantedGuards.flatMap((guard) =>
  guard.protocols.map((protocol) => [guard.scenario, protocol, guard.guard, guard] as const),
);

test.each(cases)('%s under %s goes red: %s', async (scenario, protocol, _, { removals, red }) => {
  await takeOut(removals);
  const transcript = readScenario(scenario);
  const played = await playTranscript(transcript, protocol, plantOf(removals));
  const seen = played.failure ?? firstDifference(transcript, played) ?? 'nothing unusual';
  expect(seen).toMatch(red);
});

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

test('with nothing taken out, the same scenarios pass', async () => {
  for (const played of new Set(cases.map(([scenario, protocol]) => `${scenario} ${protocol}`))) {
    const [scenario = '', protocol = ''] = played.split(' ');
    const { failure } = await playTranscript(readScenario(scenario), protocol);
    expect({ scenario, protocol, failure }).toEqual({ scenario, protocol, failure: undefined });
  }
});
