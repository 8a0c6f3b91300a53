/** `quorate-bench swap`: swaps the algorithm of the running cluster under load, there and back. */
import { optionInvalid } from '@quorate/core';
import { Command } from 'commander';
import { showMachine } from '../figures.ts';
import { undoOnInterrupt } from '../interrupt.ts';
import { describeContext } from '../machine.ts';
import { steadyLoad } from '../outage/audited-load.ts';
import { startProgress } from '../progress.ts';
import { requireWritable, writeJsonFile } from '../result-file.ts';
import { measureSwaps, type SwapOptions } from '../swap/measure-swaps.ts';
import type { SwapResult } from '../swap/result.ts';
import { swapTable } from '../swap/table.ts';
import { whatDoesNotHold } from '../swap/what-does-not-hold.ts';
import { type ElectionFlags, electionOptions, electionTimes } from './election-options.ts';
import { algorithmsOption, count, drawnSeed, option, seedMax } from './option.ts';

interface SwapFlags extends ElectionFlags {
  readonly algorithm: string[];
  readonly swaps: number;
  readonly outstanding: number;
  readonly seed?: number;
  readonly verify: boolean;
  readonly json?: string;
}

const notes = `
The stall of a swap is the longest time between two acknowledgements, from the order until soon after the new
algorithm has a leader. Every write is accounted for: none acknowledged may be lost, none carried out twice, and
the history must be linearizable. The disk is that of the temporary directory; TMPDIR names another place.

Exit code: 0 all is well; 1 a swap could not be carried out, or a write or the history is at fault;
2 wrong usage, or the world is in the way.`;

export function swapCommand(): Command {
  const command = new Command('swap')
    .description(
      'Swaps the algorithm of a running cluster, there and back, on real threads and a real disk under load, ' +
        'and shows how long each swap stalls it.',
    )
    .addOption(algorithmsOption('--algorithm <two>', 'where it begins, and what it is swapped for'))
    .addOption(option('--swaps <count>', 'there and back are two', count(1, 100_000), '20'))
    .addOption(
      option('--outstanding <count>', 'writes outstanding, in a closed loop', count(1, 100_000), '1024'),
    );
  for (const one of electionOptions()) command.addOption(one);
  return command
    .addOption(option('--seed <number>', 'of moments, keys and values (default: drawn)', count(0, seedMax)))
    .option('--no-verify', 'keep no history and check nothing')
    .option('--json <file>', 'write the whole result there, every swap')
    .addHelpText('after', notes)
    .action(run);
}

async function run(flags: SwapFlags): Promise<void> {
  const options = checkedOptions(flags);
  const context = describeContext(process.argv.slice(2));
  const progress = startProgress();
  const release = undoOnInterrupt(() => progress.stop());
  let result: SwapResult;
  try {
    const series = await measureSwaps(options, progress.update);
    const { nodes, storage, payloadBytes } = steadyLoad;
    const { outstanding, electionTimeoutMs, heartbeatMs, seed } = options;
    const conditions = { nodes, storage, payloadBytes, outstanding, electionTimeoutMs, heartbeatMs };
    result = { ...context, seed, conditions, series };
  } finally {
    release();
    progress.stop();
  }
  if (flags.json !== undefined) writeJsonFile(flags.json, result);
  const { machine, seed, conditions, series } = result;
  const { nodes, storage, outstanding, payloadBytes } = conditions;
  console.log(`${showMachine(machine)}, seed ${seed}`);
  console.log(`${nodes} nodes · ${storage} · ${outstanding} writes of ${payloadBytes} B outstanding`);
  console.log(swapTable(series));
  const failure = whatDoesNotHold(series);
  if (failure === undefined) return;
  console.error(failure);
  process.exitCode = 1;
}

/** @throws CodedError `ERR_OPTION_INVALID` */
function checkedOptions(flags: SwapFlags): SwapOptions {
  const [from, to, ...more] = flags.algorithm;
  if (from === undefined || to === undefined || more.length > 0) {
    throw optionInvalid('--algorithm', flags.algorithm.join(','), 'two different algorithms');
  }
  if (flags.json !== undefined) requireWritable('--json', flags.json);
  return {
    algorithms: [from, to],
    swaps: flags.swaps,
    outstanding: flags.outstanding,
    ...electionTimes(flags),
    seed: flags.seed ?? drawnSeed(),
    verify: flags.verify,
  };
}
