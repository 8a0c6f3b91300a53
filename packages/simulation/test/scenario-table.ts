/**
 * The public table of scenarios in `docs/TRACK-RECORD.md`: one row each, from the transcripts themselves, from the
 * list of guards that are taken out, and from the few that are named tests.
 */
import { readScenario, scenarioNames } from '../src/scenario/catalogue.ts';
import { plantedGuards } from './guards/planted-guards.ts';

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

export function scenarioTable(): string {
  const transcripts = scenarioNames().map((name) => {
    const { title, source, protocols } = readScenario(name);
    const guards = plantedGuards.filter(({ scenario }) => scenario === name).map(({ guard }) => guard);
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
    .map(({ title, source, protocols, shown, guard }) =>
      [title, source, protocols.join(', '), `\`${shown}\``, guard === '' ? 'none alone' : guard]
        .map((cell) => cell.replaceAll('|', '\\|'))
        .join(' | '),
    );
  return [
    '| scenario | source | protocols | shown by | the guard, and what is done without it |',
    '|---|---|---|---|---|',
    ...rows.map((row) => `| ${row} |`),
  ].join('\n');
}
