/** Each guard that a scenario is about, taken out: the scenario goes red. */
import { afterEach, expect, test } from 'vitest';
import { plantedGuards } from './guards/planted-guards.ts';
import { plantOf, prepare, putAllBack, takeOut } from './guards/take-out.ts';

prepare(plantedGuards.flatMap(({ removals }) => removals));
const { readScenario } = await import('../src/scenario/catalogue.ts');
const { firstDifference, playTranscript } = await import('../src/scenario/play.ts');

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
