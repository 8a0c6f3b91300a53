/** The vocabulary of scenarios: every verb there is. */
import { optionInvalid } from '@quorate/core';
import type { Stage } from './stage.ts';
import type { Verb } from './verb.ts';
import { clientVerbs } from './verbs/clients.ts';
import { clusterVerbs } from './verbs/cluster.ts';
import { diskVerbs } from './verbs/disks.ts';
import { epochVerbs } from './verbs/epochs.ts';
import { expectationVerbs } from './verbs/expectations.ts';
import { leadershipVerbs } from './verbs/leadership.ts';
import { linkVerbs } from './verbs/links.ts';
import { nodeVerbs } from './verbs/nodes.ts';

/** Of two forms that fit, the earlier one is meant: those with more fixed words stand before. */
const verbs: readonly Verb[] = [
  clusterVerbs,
  leadershipVerbs,
  clientVerbs,
  linkVerbs,
  nodeVerbs,
  diskVerbs,
  epochVerbs,
  expectationVerbs,
]
  .flat()
  .sort((a, b) => fixedWords(b) - fixedWords(a));

function fixedWords({ form }: Verb): number {
  return form.split(' ').filter((word) => !/^[A-Z]+$/.test(word)).length;
}

/** How each command reads, for people. */
export const commandForms: readonly string[] = verbs.map(({ form }) => form).sort();

/** Carries out one command. @throws CodedError ERR_OPTION_INVALID when it is none */
export async function perform(stage: Stage, text: string): Promise<void> {
  const [, client = '1', command = text] = /^client (\d+): (.*)$/.exec(text) ?? [];
  stage.speaker = client;
  for (const { pattern, run } of verbs) {
    const match = pattern.exec(command);
    if (match === null) continue;
    await run(stage, match.groups ?? {});
    return;
  }
  throw optionInvalid('command', command, 'one of the verbs of scenario/vocabulary.ts');
}
