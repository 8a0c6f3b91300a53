/** `quorate-bench groups`: what many groups cost that share their nodes. */
import { Command } from 'commander';
import { showMachine } from '../figures.ts';
import { measureGroups } from '../groups/measure-groups.ts';
import type { GroupsResult, GroupsRow } from '../groups/result.ts';
import { groupsTable } from '../groups/table.ts';
import { undoOnInterrupt } from '../interrupt.ts';
import { describeContext } from '../machine.ts';
import { durationMs, listOf } from '../options.ts';
import { startProgress } from '../progress.ts';
import { requireWritable, writeJsonFile } from '../result-file.ts';
import { algorithmsOption, count, option } from './option.ts';

interface GroupsFlags {
  readonly algorithm: string[];
  readonly groups: number[];
  readonly idle: number;
  readonly json?: string;
}

const groupCount = count(1, 4_096);

const notes = `
Each number of groups is measured on a fresh cluster of three nodes on disk, in a process of its own: how long it
takes to start, and until every group has a leader and has acknowledged a first write; then one more write of each
group, all at once; and then, while nobody asks for anything, the messages between the nodes, the CPU time, and the
memory of the whole process. What a group costs in memory is what it adds to the smallest cluster.

The disk is that of the temporary directory; TMPDIR names another place.

Exit code: 0 all is well; 2 wrong usage, or the world is in the way.`;

export function groupsCommand(): Command {
  return new Command('groups')
    .description(
      'Starts clusters of few and of many groups, on real threads and a real disk, and shows what they cost.',
    )
    .addOption(algorithmsOption())
    .addOption(
      option(
        '--groups <list>',
        'on each of three nodes, 1 to 4096',
        (name, text) => listOf(name, text, groupCount),
        '1,64,256,1000',
      ),
    )
    .addOption(
      option(
        '--idle <time>',
        'how long each is watched while it has nothing to do',
        (name, text) => durationMs(name, text, { min: 100, max: 600_000 }),
        '5s',
      ),
    )
    .option('--json <file>', 'write the whole result there')
    .addHelpText('after', notes)
    .action(run);
}

async function run(flags: GroupsFlags): Promise<void> {
  if (flags.json !== undefined) requireWritable('--json', flags.json);
  const context = describeContext(process.argv.slice(2));
  const progress = startProgress();
  const release = undoOnInterrupt(() => progress.stop());
  const rows: GroupsRow[] = [];
  try {
    const plans = flags.algorithm.flatMap((algorithm) =>
      flags.groups.map((groups) => ({ algorithm, groups, idleMs: flags.idle })),
    );
    for (const plan of plans) {
      progress.update(rows.length / plans.length, `${plan.algorithm}, ${plan.groups} groups`);
      rows.push(await measureGroups(plan));
    }
  } finally {
    release();
    progress.stop();
  }
  const result: GroupsResult = { ...context, idleMs: flags.idle, rows };
  if (flags.json !== undefined) writeJsonFile(flags.json, result);
  console.log(showMachine(result.machine));
  console.log(groupsTable(rows));
}
