/** `quorate-bench sim`: deterministic simulation, seed by seed. */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import {
  calmable,
  type PlantedBug,
  plantedBugs,
  type SimulationOptions,
  type SimulationResult,
} from '@quorate/simulation';
import { Command } from 'commander';
import { describeContext } from '../machine.ts';
import { choice, listOf } from '../options.ts';
import { startProgress } from '../progress.ts';
import type { ResultContext } from '../result.ts';
import { requireWritable, writeJsonFile } from '../result-file.ts';
import { listScenarios, playScenarios } from '../sim/play-scenarios.ts';
import { describeFailure, describeSeeds } from '../sim/seeds-report.ts';
import { type SeedsOptions, type SeedsResult, simulateSeeds } from '../sim/simulate-seeds.ts';
import { algorithmsOption, count, option, seedMax } from './option.ts';

interface SimFlags {
  readonly algorithm: string[];
  readonly seeds: number;
  readonly seed: number;
  readonly operations: number;
  readonly threads: number;
  readonly nodes?: number;
  readonly strikes?: number[];
  readonly calm?: string[];
  readonly leaderChanges?: number;
  readonly plant?: string;
  readonly keepGoing: boolean;
  readonly shrink: boolean;
  readonly trace?: string;
  readonly json?: string;
  readonly scenario?: string;
  readonly rewrite: boolean;
}

export function simCommand(): Command {
  return new Command('sim')
    .description(
      'Simulate whole clusters, each in one thread under one seed: crashes that lose unsynced writes, kills, ' +
        'pauses, cut links, storms, sick disks, drifting clocks. Safety is checked after every step, the promise ' +
        'of every read when it is answered; then all is mended, and answers, equal states and a linearizable ' +
        'history are demanded. A failure is made small, and one command repeats it.',
    )
    .addOption(algorithmsOption())
    .addOption(option('--seeds <count>', 'how many seeds for each algorithm', count(1, 1_000_000), '100'))
    .addOption(option('--seed <seed>', 'the first seed', count(0, seedMax), '1'))
    .addOption(
      option(
        '--operations <count>',
        'operations acknowledged in each seed, at least',
        count(1, 1_000_000),
        '1000',
      ),
    )
    .addOption(
      option('--threads <count>', 'simulations at the same time', count(1, 256)).default(
        availableParallelism(),
        'one per core',
      ),
    )
    .addOption(option('--nodes <count>', 'members; default: as each seed has it', count(1, 7)))
    .addOption(
      option('--strikes <list>', 'which faults of the seed strike, by number, or none', (name, text) =>
        text === 'none' ? [] : listOf(name, text, count(0, 1_000)),
      ),
    )
    .addOption(
      option('--calm <list>', `make harmless, of ${calmable.join(', ')}`, (name, text) =>
        listOf(name, text, (item, one) => choice(item, one, calmable)),
      ),
    )
    .addOption(
      option(
        '--leader-changes <count>',
        'leaders are struck until so many have changed; default 1',
        count(0, 1_000),
      ),
    )
    .addOption(
      option('--plant <bug>', 'take a guard out, to see it caught', (name, text) =>
        choice(name, text, Object.keys(plantedBugs)),
      ),
    )
    .option('--keep-going', 'run all seeds even after one has failed', false)
    .option('--no-shrink', 'leave the first failure as large as it is')
    .option('--trace <file>', 'write the whole trace there; with --seeds 1')
    .option('--scenario <name>', 'play one scenario, or all, instead of seeds; list tells which there are')
    .option('--rewrite', 'with --scenario: write down what was seen; read the difference', false)
    .option('--json <file>', 'write the whole result there')
    .action(runSim);
}

function given<Name extends keyof SimulationOptions>(
  name: Name,
  value: SimulationOptions[Name] | undefined,
): Partial<SimulationOptions> {
  return value === undefined ? {} : { [name]: value };
}

async function runSim(flags: SimFlags): Promise<void> {
  if (flags.scenario === 'list') return listScenarios();
  const context = describeContext(process.argv.slice(2));
  if (flags.json !== undefined) requireWritable('--json', flags.json);
  if (flags.trace !== undefined) requireWritable('--trace', flags.trace);
  if (flags.scenario !== undefined) return runScenarios(flags.scenario, flags, context);
  const progress = startProgress();
  const simulation: SeedsOptions['simulation'] = {
    operations: flags.operations,
    keepTrace: flags.trace !== undefined,
    ...given('nodes', flags.nodes),
    ...given('strikes', flags.strikes),
    ...given('calm', flags.calm),
    ...given('leaderChanges', flags.leaderChanges),
    ...given('plantedBug', flags.plant),
  };
  let last: SimulationResult | undefined;
  let results: readonly SeedsResult[];
  try {
    results = await simulateSeeds(
      {
        algorithms: flags.algorithm,
        firstSeed: flags.seed,
        seeds: flags.seeds,
        threads: Math.min(flags.threads, flags.seeds),
        stopsAtFailure: !flags.keepGoing,
        shrinks: flags.shrink,
        simulation,
      },
      (done, of, result) => {
        last = result;
        // Many seeds take hours: what to look into is told when it is known.
        if (result.violation !== undefined && flags.keepGoing)
          progress.say([`${result.algorithm}:`, ...describeFailure(result, simulation)].join('\n'));
        progress.update(done / of, `${result.algorithm}, seed ${result.seed}`);
      },
    );
  } finally {
    progress.stop();
  }
  for (const result of results) console.log(describeSeeds(result, flags.seed));
  if (flags.trace !== undefined && last !== undefined) writeFileSync(flags.trace, last.trace);
  if (flags.json !== undefined) {
    writeJsonFile(flags.json, { ...context, firstSeed: flags.seed, results: results.map(withoutTraces) });
  }
  if (results.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
}

async function runScenarios(name: string, flags: SimFlags, context: ResultContext): Promise<void> {
  const { algorithm, rewrite, plant, json } = flags;
  const results = await playScenarios({
    name,
    algorithms: algorithm,
    rewrites: rewrite,
    ...(plant === undefined ? {} : { plantedBug: plant as PlantedBug }),
  });
  if (json !== undefined) writeJsonFile(json, { ...context, scenarios: results });
  if (results.some(({ passed }) => !passed)) process.exitCode = 1;
}

function withoutTraces(result: SeedsResult): SeedsResult {
  return {
    ...result,
    failures: result.failures.map((failure) => ({ ...failure, trace: failure.trace.slice(-20_000) })),
    shrunk: result.shrunk && { ...result.shrunk, result: { ...result.shrunk.result, trace: '' } },
  };
}
