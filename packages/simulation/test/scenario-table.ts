/**
 * The public table of scenarios in `docs/TRACK-RECORD.md`: one row each, from the transcripts themselves, from the
 * list of guards that are taken out, from the few that are named tests, and from the tests beside them that say in
 * their names which scenario they show.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readScenario, scenarioNames } from '../src/scenario/catalogue.ts';
import { plantedGuards } from './guards/planted-guards.ts';
import type { PlantedGuard } from './guards/removal.ts';

/** Hazards that only one message, or only the pure protocol, shows. */
const namedTests: readonly {
  readonly title: string;
  readonly source: string;
  readonly protocols: readonly string[];
  readonly file: string;
  readonly guard: string;
}[] = [
  {
    title: '3. A shorter append comes late',
    source: 'akka-raft #66, hashicorp/raft #113',
    protocols: ['raft'],
    file: 'packages/consensus/test/scenarios',
    guard: 'only a conflicting entry removes others; every append ends the log',
  },
  {
    title: '4. An empty append tells of a commit beyond what it matches',
    source: 'copycat #265',
    protocols: ['raft'],
    file: 'packages/consensus/test/scenarios',
    guard: 'a follower commits no further than an append has matched; it commits what the leader says',
  },
  {
    title: '6. A value is accepted under a ballot that was never promised',
    source: 'Marc Brooker 2021, CASSANDRA-17162',
    protocols: ['multi-paxos'],
    file: 'packages/consensus/test/scenarios',
    guard: 'an acceptance binds like a promise of its ballot; it does not',
  },
  {
    title: '8. The highest ballot binds, not the most frequent value',
    source: 'Paxos Made Simple §2.2',
    protocols: ['multi-paxos'],
    file: 'packages/consensus/test/scenarios',
    guard: 'the value of the highest ballot is adopted; the one that was reported last is',
  },
];

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

export function scenarioTable(): string {
  const tests = testsByNumber();
  const transcripts = scenarioNames().map((name) => {
    const { title, source, protocols } = readScenario(name);
    const guards = plantedGuards.filter(({ scenario }) => scenario === name).map(told);
    return {
      title,
      source,
      protocols,
      shown: `sim --scenario ${name}`,
      guard: [...new Set(guards)].join('; or: '),
    };
  });
  const named = namedTests.map((test) => ({ ...test, shown: `npx vitest run ${test.file}` }));
  const rows = [...transcripts, ...named]
    .sort((one, other) => Number.parseInt(one.title, 10) - Number.parseInt(other.title, 10))
    .map(({ title, source, protocols, shown, guard }) => {
      const beside = (tests.get(Number.parseInt(title, 10)) ?? []).map((file) => `\`${file}\``);
      const by = [`\`${shown}\``, ...beside].join(', ');
      return [title, source, protocols.join(', '), by, guard === '' ? 'none alone' : guard]
        .map((cell) => cell.replaceAll('|', '\\|'))
        .join(' | ');
    });
  return [
    '| scenario | source | protocols | shown by | the guard, and what is done without it |',
    '|---|---|---|---|---|',
    ...rows.map((row) => `| ${row} |`),
  ].join('\n');
}
