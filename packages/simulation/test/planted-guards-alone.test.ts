/**
 * What the planted guards do not change: with none of them out all scenarios pass, in the same harness, and where one
 * stands behind others no single one is missed.
 */
import { afterEach, expect, test } from 'vitest';
import { plantedGuards } from './guards/planted-guards.ts';
import { plantOf, prepare, putAllBack, takeOut } from './guards/take-out.ts';

prepare(plantedGuards.flatMap(({ removals }) => removals));
const { readScenario } = await import('../src/scenario/catalogue.ts');
const { firstDifference, playTranscript } = await import('../src/scenario/play.ts');

afterEach(putAllBack);

test.each([...new Set(plantedGuards.map(({ scenario }) => scenario))])(
  '%s with all guards',
  async (scenario) => {
    const transcript = readScenario(scenario);
    for (const protocol of transcript.protocols) {
      const { failure } = await playTranscript(transcript, protocol);
      expect({ protocol, failure }).toEqual({ protocol, failure: undefined });
    }
  },
);

const singles = plantedGuards
  .filter(({ standsBehindOthers }) => standsBehindOthers)
  .flatMap(({ scenario, protocols, removals }) =>
    protocols.flatMap((protocol) => removals.map((removal) => [scenario, protocol, removal] as const)),
  );

test.each(singles)('%s under %s: one of the guards that stand behind each other', async (...single) => {
  const [scenario, protocol, removal] = single;
  await takeOut([removal]);
  const transcript = readScenario(scenario);
  const played = await playTranscript(transcript, protocol, plantOf([removal]));
  expect(played.failure ?? firstDifference(transcript, played)).toBeUndefined();
});
