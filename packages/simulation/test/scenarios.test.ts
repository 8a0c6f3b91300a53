/**
 * Every scenario under every protocol that it is written for: what it demands holds, and what is seen is what
 * the transcript says. `quorate-bench sim --scenario NAME --rewrite` writes down what is seen.
 */
import { describe, expect, test } from 'vitest';
import { readScenario, scenarioNames } from '../src/scenario/catalogue.ts';
import { firstDifference, playTranscript } from '../src/scenario/play.ts';
import { renderTranscript } from '../src/scenario/transcript.ts';

const transcripts = scenarioNames().map((name) => readScenario(name));

test('there are scenarios', () => expect(transcripts.length).toBeGreaterThan(4));

describe.each(transcripts.map((transcript) => [transcript.title, transcript] as const))(
  '%s',
  (_, transcript) => {
    test.each(transcript.protocols)('%s', async (algorithm) => {
      const played = await playTranscript(transcript, algorithm);
      expect(played.failure).toBeUndefined();
      expect(firstDifference(transcript, played)).toBeUndefined();
    });

    test('is written as a rewrite would write it', () => {
      const outputs = transcript.blocks.map(({ output }) => output);
      expect(renderTranscript(transcript, outputs).split('\n')).toEqual(transcript.text.split('\n'));
    });
  },
);
