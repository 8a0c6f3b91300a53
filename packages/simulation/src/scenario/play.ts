/** Plays a transcript under one protocol: the outputs that it has now, and what did not hold, if anything. */
import { errorToData } from '@quorate/core';
import { type Plant, ScenarioFailure, Stage } from './stage.ts';
import type { Transcript } from './transcript.ts';
import { perform } from './vocabulary.ts';

/** What came of playing a scenario under one algorithm. */
export interface PlayedTranscript {
  readonly algorithm: string;
  /** What was seen, one list of lines for each block that was played. */
  readonly outputs: readonly (readonly string[])[];
  /** What does not hold, and in which line; undefined if everything does. Another output is not meant here. */
  readonly failure: string | undefined;
}

/** @param plant takes a guard out, to show that the scenario needs it */
export async function playTranscript(
  transcript: Transcript,
  algorithm: string,
  plant: Plant = {},
): Promise<PlayedTranscript> {
  const stage = new Stage(algorithm, plant);
  const outputs: string[][] = [];
  let line = 0;
  try {
    for (const { commands } of transcript.blocks) {
      const seen: string[] = [];
      for (const command of commands) {
        if (command.only !== undefined && command.only !== algorithm) continue;
        line = command.line;
        await perform(stage, command.text);
        // What happens within one command happens at about the same time: which came first is no part of the story.
        seen.push(...stage.takeLines().sort());
      }
      outputs.push(seen);
    }
    stage.judge();
  } catch (error) {
    const said = stage.takeLines().map((one) => `; ${one}`);
    return { algorithm, outputs, failure: `line ${line}: ${whatFailed(error)}${said.join('')}` };
  }
  return { algorithm, outputs, failure: undefined };
}

function whatFailed(error: unknown): string {
  if (error instanceof ScenarioFailure) return error.message;
  const { code, message } = errorToData(error);
  return `${code}: ${message}`;
}

/** The first block that was seen otherwise than the transcript says, in lines for people; undefined if none was. */
export function firstDifference(
  transcript: Transcript,
  { algorithm, outputs }: PlayedTranscript,
): string | undefined {
  for (const [at, { commands, output }] of transcript.blocks.entries()) {
    const seen = outputs[at];
    if (seen === undefined || seen.join('\n') === output.join('\n')) continue;
    const where = `${transcript.name}, line ${commands[0]?.line}, under ${algorithm}`;
    return [where, ...output.map((one) => `- ${one}`), ...seen.map((one) => `+ ${one}`)].join('\n');
  }
  return undefined;
}
