/**
 * The public table of scenarios in `docs/TRACK-RECORD.md`: one row each, from the transcripts themselves, from the
 * list of guards that are taken out, from the few that are named tests, and from the tests beside them that say in
 * their names which scenario they show.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  type HandFedGuard,
  handFedGuards,
  handFedScenarios,
} from '../../consensus/test/scenarios/hand-fed-guards.ts';
import { readScenario, scenarioNames } from '../src/scenario/catalogue.ts';
import { plantedGuards } from './guards/planted-guards.ts';
import type { PlantedGuard } from './guards/removal.ts';

const handFedTest = 'consensus/test/scenarios/hand-fed.test.ts';

/** Between these lines stands what {@link scenarioTable} gives. */
export const tableMarks = ['<!-- scenarios: begin -->', '<!-- scenarios: end -->'] as const;

const packages = resolve(import.meta.dirname, '../..');

/** Files of tests by the numbers of the scenarios that these are named after: `scenario 30 and 40: ...`. */
function testsByNumber(): ReadonlyMap<number, readonly string[]> {
  const found = new Map<number, string[]>();
  const files = readdirSync(packages)
    .flatMap((name) => filesBelow(join(packages, name, 'test')))
    .filter((path) => path.endsWith('.test.ts'));
  for (const path of files.sort()) {
    for (const [, numbers = ''] of readFileSync(path, 'utf8').matchAll(/'scenario ([\d and]+):/g)) {
      for (const number of numbers.split(' and ').map(Number)) {
        const shown = found.get(number) ?? [];
        found.set(number, shown);
        const short = path.slice(packages.length + 1);
        if (!shown.includes(short)) shown.push(short);
      }
    }
  }
  return found;
}

function filesBelow(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name));
  } catch {
    // A package without tests, or a file that is no package.
    return [];
  }
}

function told({ guard, standsBehindOthers }: PlantedGuard): string {
  return standsBehindOthers ? `${guard} (none of these alone is missed)` : guard;
}

/** Guards that a hand-fed message shows, by the numbers of their scenarios. */
const handFed: readonly HandFedGuard[] = Object.values(handFedGuards);
const handFedOf = (number: number): readonly HandFedGuard[] =>
  handFed.filter(({ scenario }) => scenario === number);

interface Row {
  readonly title: string;
  readonly source: string;
  readonly protocols: readonly string[];
  readonly shown: readonly string[];
  readonly guards: readonly string[];
}

function transcriptRow(name: string, tests: readonly string[]): Row {
  const { title, source, protocols } = readScenario(name);
  const planted = plantedGuards.filter(({ scenario }) => scenario === name).map(told);
  const byHand = handFedOf(Number.parseInt(title, 10));
  return {
    title,
    source,
    protocols,
    shown: [`sim --scenario ${name}`, ...(byHand.length > 0 ? [handFedTest] : []), ...tests],
    guards: [...planted, ...byHand.map(({ guard }) => guard)],
  };
}

function handFedRow(
  { scenario, title, source }: (typeof handFedScenarios)[number],
  tests: readonly string[],
): Row {
  const guards = handFedOf(scenario);
  return {
    title: `${scenario}. ${title}`,
    source,
    protocols: [...new Set(guards.flatMap(({ protocols }) => protocols))],
    shown: [handFedTest, ...tests],
    guards: guards.map(({ guard }) => guard),
  };
}

export function scenarioTable(): string {
  const tests = testsByNumber();
  const testsOf = (title: string): readonly string[] => tests.get(Number.parseInt(title, 10)) ?? [];
  const rows = [
    ...scenarioNames().map((name) => transcriptRow(name, testsOf(name))),
    ...handFedScenarios.map((scenario) => handFedRow(scenario, testsOf(`${scenario.scenario}`))),
  ]
    .sort((one, other) => Number.parseInt(one.title, 10) - Number.parseInt(other.title, 10))
    .map(({ title, source, protocols, shown, guards }) => {
      const by = shown.map((one) => `\`${one}\``).join(', ');
      return [title, source, protocols.join(', '), by, [...new Set(guards)].join('; or: ')]
        .map((cell) => cell.replaceAll('|', '\\|'))
        .join(' | ');
    });
  return [
    '| scenario | source | protocols | shown by | the guard, and what is done without it |',
    '|---|---|---|---|---|',
    ...rows.map((row) => `| ${row} |`),
  ].join('\n');
}
