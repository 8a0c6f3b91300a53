/** `quorate-bench run`: workloads against real threads and a real disk, with faults, and a verdict. */
import { pathToFileURL } from 'node:url';
import { type Consistency, consistencies } from '@quorate/consensus';
import { Command } from 'commander';
import type { Fault } from '../faults/fault.ts';
import { faultList, readFaults, requireSurvivable } from '../faults/table.ts';
import { showConditions, showLoad, showMachine } from '../figures.ts';
import { undoOnInterrupt } from '../interrupt.ts';
import { describeContext } from '../machine.ts';
import { choice, durationMs, listOf, share, sizeBytes } from '../options.ts';
import { startProgress } from '../progress.ts';
import { writeReport } from '../report/report.ts';
import type { BenchResult, StorageKind } from '../result.ts';
import { requireWritable, writeJsonFile } from '../result-file.ts';
import { measureRuns } from '../run/measure-runs.ts';
import { planRuns, type RunOptions } from '../run/options.ts';
import { whatDoesNotHold } from '../run/what-does-not-hold.ts';
import { limitTable, runTable } from '../table.ts';
import { payloadBytesMin } from '../workload/register-operations.ts';
import { clientCount } from './limit.ts';
import { algorithmsOption, count, drawnSeed, option, seedMax } from './option.ts';

interface RunFlags {
  readonly algorithm: string[];
  readonly nodes: number;
  readonly storage: StorageKind;
  readonly clients?: number[];
  readonly rate?: number;
  readonly duration: number;
  readonly payload: number;
  readonly keys: number;
  readonly reads: number;
  readonly cas: number;
  readonly consistency: Consistency;
  readonly timeout: number;
  readonly faults: readonly Fault[] | 'list';
  readonly seed?: number;
  readonly verify: boolean;
  readonly history?: string;
  readonly limit?: true;
  readonly report?: string;
  readonly json?: string;
}

/** Operations outstanding without `--clients`. An open loop needs room for what a stall leaves behind. */
const clientsDefault = { closedLoop: 64, openLoop: 1_024 };

const notes = `
Faults strike one after the other, each in the middle of its share of the run. With --storage memory a killed
node stays away: all it had is gone, its vote too, and a blank node must not vote. So kills must leave a majority.

The disk is that of the temporary directory; TMPDIR names another place.

Exit code: 0 all is well; 1 a history is not linearizable or could not be judged, a run acknowledged nothing, or no quorum was left;
2 wrong usage, or the world is in the way.`;

export function runCommand(): Command {
  return new Command('run')
    .description(
      'Runs a workload on a cluster of each algorithm, on real threads and a real disk, strikes it with faults, ' +
        'and checks that what the clients saw is linearizable.',
    )
    .addOption(algorithmsOption())
    .addOption(option('--nodes <count>', 'replicas, each in a worker thread', count(1, 31), '3'))
    .addOption(
      option(
        '--storage <kind>',
        'disk: a reply only after fdatasync on a quorum; or memory',
        (name, text) => choice(name, text, ['disk', 'memory']),
        'disk',
      ),
    )
    .addOption(
      option(
        '--clients <list>',
        'operations outstanding, a run for each (default: 64; 1024 with --rate)',
        (name, text) => listOf(name, text, clientCount),
      ),
    )
    .addOption(
      option(
        '--rate <per-second>',
        'open loop: operations due per second, latency from the moment each was due; --clients bounds those outstanding',
        count(1, 10_000_000),
      ),
    )
    .addOption(
      option(
        '--duration <time>',
        'of each run, after its warm-up',
        (name, text) => durationMs(name, text, { min: 500, max: 3_600_000 }),
        '10s',
      ),
    )
    .addOption(
      option(
        '--payload <size>',
        'bytes of a value',
        (name, text) => sizeBytes(name, text, { min: payloadBytesMin, max: 2 ** 20 }),
        '16',
      ),
    )
    .addOption(option('--keys <count>', 'registers', count(1, 10_000_000), '1000'))
    .addOption(option('--reads <share>', 'share of operations that read, 0 to 1', share, '0.5'))
    .addOption(option('--cas <share>', 'share of the others that compare and set, 0 to 1', share, '0'))
    .addOption(
      option(
        '--consistency <level>',
        `of the reads: ${consistencies.join(', ')}`,
        (name, text) => choice(name, text, consistencies),
        'linearizable',
      ),
    )
    .addOption(
      option(
        '--timeout <time>',
        "each operation's own deadline",
        (name, text) => durationMs(name, text, { min: 1, max: 600_000 }),
        '5s',
      ),
    )
    .addOption(
      option(
        '--faults <list>',
        'what strikes, one after the other; list prints them all',
        (_, text) => (text === 'list' ? text : readFaults(text)),
        'none',
      ),
    )
    .addOption(
      option('--seed <number>', 'of keys, operations and targets (default: drawn)', count(0, seedMax)),
    )
    .option('--no-verify', 'keep no history and check nothing')
    .option('--history <file>', 'write the history there; of several runs, one file each')
    .option('--limit', 'measure the limit of this machine beside the runs, and their share of it')
    .option('--report <file>', 'write an HTML report there')
    .option('--json <file>', 'write the whole result there')
    .addHelpText('after', notes)
    .action(run);
}

async function run(flags: RunFlags): Promise<void> {
  if (flags.faults === 'list') return console.log(faultList());
  const options = checkedOptions(flags, flags.faults);
  const context = describeContext(process.argv.slice(2));
  const progress = startProgress();
  const release = undoOnInterrupt(() => progress.stop());
  let result: BenchResult;
  try {
    result = { ...context, seed: options.seed, ...(await measureRuns(options, progress.update)) };
  } finally {
    release();
    progress.stop();
  }
  if (flags.json !== undefined) writeJsonFile(flags.json, result);
  if (flags.report !== undefined) writeReport(result, flags.report);
  print(result, options, flags.report);
  if (result.runs.some((one) => whatDoesNotHold(one, options) !== undefined)) process.exitCode = 1;
}

/** @throws CodedError `ERR_OPTION_INVALID` */
function checkedOptions(flags: RunFlags, faults: readonly Fault[]): RunOptions {
  requireSurvivable(faults, flags);
  const fallback = flags.rate === undefined ? clientsDefault.closedLoop : clientsDefault.openLoop;
  const options: RunOptions = {
    algorithms: flags.algorithm,
    nodes: flags.nodes,
    storage: flags.storage,
    clients: flags.clients ?? [fallback],
    ratePerSecond: flags.rate,
    durationMs: flags.duration,
    payloadBytes: flags.payload,
    keys: flags.keys,
    reads: flags.reads,
    compareAndSets: flags.cas,
    consistency: flags.consistency,
    timeoutMs: flags.timeout,
    faults,
    seed: flags.seed ?? drawnSeed(),
    verify: flags.verify,
    historyFile: flags.history,
    limit: flags.limit ?? false,
  };
  for (const { historyFile } of planRuns(options)) {
    if (historyFile !== undefined) requireWritable('--history', historyFile);
  }
  if (flags.report !== undefined) requireWritable('--report', flags.report);
  if (flags.json !== undefined) requireWritable('--json', flags.json);
  return options;
}

function print(result: BenchResult, options: RunOptions, report: string | undefined): void {
  const { machine, runs, limits, seed } = result;
  console.log(`${showMachine(machine)}, seed ${seed}`);
  const [first] = runs;
  if (first !== undefined) console.log(showConditions(first, showLoad(first, ...runs)));
  console.log(runTable(runs));
  if (limits.length > 0) console.log(`the limit, with no protocol at all:\n${limitTable(limits)}`);
  for (const { historyFile } of planRuns(options)) {
    if (historyFile !== undefined) console.log(`history: ${historyFile}`);
  }
  if (report !== undefined) console.log(`report: ${report} (${pathToFileURL(report).href})`);
  for (const one of runs) {
    const failure = whatDoesNotHold(one, options);
    if (failure !== undefined) console.error(`${one.algorithm}: ${failure}`);
  }
}
