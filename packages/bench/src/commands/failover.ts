/** `quorate-bench failover`: how long a cluster under load is without a leader, over many trials. */
import { Command } from 'commander';
import { failoverKinds } from '../failover/kind.ts';
import { measureFailovers } from '../failover/measure-failovers.ts';
import type { FailoverOptions } from '../failover/options.ts';
import type { FailoverResult } from '../failover/result.ts';
import { failoverTable } from '../failover/table.ts';
import { whatDoesNotHold } from '../failover/what-does-not-hold.ts';
import { showMachine } from '../figures.ts';
import { undoOnInterrupt } from '../interrupt.ts';
import { describeContext } from '../machine.ts';
import { choice, listOf } from '../options.ts';
import { steadyLoad } from '../outage/audited-load.ts';
import { startProgress } from '../progress.ts';
import { requireWritable, writeJsonFile } from '../result-file.ts';
import { type ElectionFlags, electionOptions, electionTimes } from './election-options.ts';
import { algorithmsOption, count, drawnSeed, option, seedMax } from './option.ts';

interface FailoverFlags extends ElectionFlags {
  readonly algorithm: string[];
  readonly kind: string[];
  readonly trials: number;
  readonly outstanding: number;
  readonly hint: boolean;
  readonly seed?: number;
  readonly verify: boolean;
  readonly json?: string;
}

const kindNames = failoverKinds.map(({ name }) => name);

const notes = `
Each trial strikes a whole cluster of three nodes at a random moment of the heartbeat, and takes the time from
the order to strike to the first write acknowledged under another leader; of a transfer, the longest time
between two acknowledgements around it. Then the node restarts, resumes or is reachable again, and the next
trial begins once all have caught up. For figures that can be relied on take --trials 500: all four kinds of one
algorithm then take about a quarter of an hour where nothing else runs, and much of that is a dead node's restart.

Every write is accounted for: none acknowledged may be lost, none carried out twice, and the history must be
linearizable. The disk is that of the temporary directory; TMPDIR names another place.

Exit code: 0 all is well; 1 a trial could not be carried out, or a write or the history is at fault;
2 wrong usage, or the world is in the way.`;

export function failoverCommand(): Command {
  const command = new Command('failover')
    .description(
      'Takes the leader away again and again, on real threads and a real disk under load, and shows how long ' +
        'the cluster needs to serve again: median, p99, max, mean and the distribution.',
    )
    .addOption(algorithmsOption())
    .addOption(
      option(
        '--kind <list>',
        `how the leader is lost: ${kindNames.join(', ')}`,
        (name, text) => listOf(name, text, (item, one) => choice(item, one, kindNames)),
        kindNames.join(','),
      ),
    )
    .addOption(option('--trials <count>', 'of each algorithm and kind', count(1, 100_000), '50'))
    .addOption(
      option('--outstanding <count>', 'writes outstanding, in a closed loop', count(1, 100_000), '64'),
    );
  for (const one of electionOptions()) command.addOption(one);
  return command
    .option('--no-hint', "the end of a leader's thread tells nobody: it is missed by its silence alone")
    .addOption(option('--seed <number>', 'of moments, keys and values (default: drawn)', count(0, seedMax)))
    .option('--no-verify', 'keep no history and check nothing')
    .option('--json <file>', 'write the whole result there, every trial with its parts')
    .addHelpText('after', notes)
    .action(run);
}

async function run(flags: FailoverFlags): Promise<void> {
  const options = checkedOptions(flags);
  const context = describeContext(process.argv.slice(2));
  const progress = startProgress();
  const release = undoOnInterrupt(() => progress.stop());
  let result: FailoverResult;
  try {
    const failovers = await measureFailovers(options, progress.update);
    const { nodes, storage, payloadBytes } = steadyLoad;
    const { outstanding, electionTimeoutMs, heartbeatMs, peerDownHints, seed } = options;
    const chosen = { outstanding, electionTimeoutMs, heartbeatMs, peerDownHints };
    result = { ...context, seed, conditions: { nodes, storage, payloadBytes, ...chosen }, failovers };
  } finally {
    release();
    progress.stop();
  }
  if (flags.json !== undefined) writeJsonFile(flags.json, result);
  print(result);
  if (result.failovers.some((series) => whatDoesNotHold(series) !== undefined)) process.exitCode = 1;
}

/** @throws CodedError `ERR_OPTION_INVALID` */
function checkedOptions(flags: FailoverFlags): FailoverOptions {
  if (flags.json !== undefined) requireWritable('--json', flags.json);
  return {
    algorithms: flags.algorithm,
    kinds: failoverKinds.filter(({ name }) => flags.kind.includes(name)),
    trials: flags.trials,
    outstanding: flags.outstanding,
    ...electionTimes(flags),
    peerDownHints: flags.hint,
    seed: flags.seed ?? drawnSeed(),
    verify: flags.verify,
  };
}

function print({ machine, seed, conditions, failovers }: FailoverResult): void {
  const { nodes, storage, payloadBytes, outstanding, electionTimeoutMs, heartbeatMs, peerDownHints } =
    conditions;
  console.log(`${showMachine(machine)}, seed ${seed}`);
  console.log(
    [
      `${nodes} nodes`,
      storage,
      `${outstanding} writes of ${payloadBytes} B outstanding`,
      `election timeout ${electionTimeoutMs.join('-')} ms`,
      `heartbeat ${heartbeatMs} ms`,
      peerDownHints ? 'the end of a thread is a hint' : 'no hints',
    ].join(' · '),
  );
  console.log(failoverTable(failovers));
  for (const series of failovers) {
    const failure = whatDoesNotHold(series);
    if (failure !== undefined) console.error(`${series.algorithm}, ${series.kind}: ${failure}`);
  }
}
