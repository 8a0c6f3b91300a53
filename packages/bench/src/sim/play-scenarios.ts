/** Scenarios from the command line: the list of them, and each played under the protocols that it is written for. */
import {
  firstDifference,
  type PlantedBug,
  plantedBugs,
  playTranscript,
  readScenario,
  rewriteScenario,
  scenarioNames,
  type Transcript,
} from '@quorate/simulation';

export interface ScenarioResult {
  readonly scenario: string;
  readonly title: string;
  readonly algorithm: string;
  readonly passed: boolean;
  /** What did not hold, or was seen otherwise; undefined if it passed. */
  readonly why: string | undefined;
}

/** One line of story and one of source for each. */
export function listScenarios(): void {
  for (const name of scenarioNames()) {
    const { title, source, protocols } = readScenario(name);
    console.log(`${name} (${protocols.join(', ')})\n  ${title}\n  source: ${source}`);
  }
}

/**
 * Plays one scenario and prints its transcript, or all of them and prints a line for each.
 * @param options.rewrites what was seen takes the place of what the files say
 * @throws CodedError ERR_OPTION_INVALID when there is no such scenario
 */
export async function playScenarios(options: {
  readonly name: string;
  readonly algorithms: readonly string[];
  readonly rewrites: boolean;
  /** Takes a guard out: see `plantedBugs`. */
  readonly plantedBug?: PlantedBug;
}): Promise<readonly ScenarioResult[]> {
  const names = options.name === 'all' ? scenarioNames() : [options.name];
  const results: ScenarioResult[] = [];
  for (const name of names) {
    const transcript = readScenario(name);
    if (names.length === 1) console.log(transcript.text);
    for (const algorithm of transcript.protocols) {
      if (!options.algorithms.includes(algorithm)) continue;
      const why = await play(transcript, algorithm, options);
      results.push({ scenario: name, title: transcript.title, algorithm, passed: why === undefined, why });
      console.log(`${name} under ${algorithm}: ${why === undefined ? 'passed' : `FAILED\n${why}`}`);
    }
  }
  return results;
}

/** @returns what did not hold, or was seen otherwise */
async function play(
  transcript: Transcript,
  algorithm: string,
  { rewrites, plantedBug }: { readonly rewrites: boolean; readonly plantedBug?: PlantedBug },
): Promise<string | undefined> {
  const plant = plantedBug === undefined ? {} : { protocol: plantedBugs[plantedBug] };
  const played = await playTranscript(transcript, algorithm, plant);
  if (rewrites && played.failure === undefined) rewriteScenario(transcript, played.outputs);
  const why = [played.failure, firstDifference(transcript, played)].filter((one) => one !== undefined);
  return why.length === 0 ? undefined : why.join('\n');
}
