/** `quorate-bench limit`: what this machine gives with no protocol at all. */
import { Command, Option } from 'commander';
import { showBytes, showMachine } from '../figures.ts';
import { undoOnInterrupt } from '../interrupt.ts';
import { measureLimit } from '../limit/measure.ts';
import { describeContext } from '../machine.ts';
import { choice, durationMs, listOf, sizeBytes, wholeNumber } from '../options.ts';
import { startProgress } from '../progress.ts';
import type { LimitResult, StorageKind } from '../result.ts';
import { requireWritable, writeJsonFile } from '../result-file.ts';
import { limitTable } from '../table.ts';
import { payloadBytesMin } from '../workload/register-operations.ts';

interface LimitFlags {
  readonly clients: number[];
  readonly payload: number;
  readonly duration: number;
  readonly storage: StorageKind;
  readonly nodes: number;
  readonly json?: string;
}

/** One `--clients` item: operations outstanding. */
export function clientCount(option: string, text: string): number {
  return wholeNumber(option, text, { min: 1, max: 100_000 });
}

export function limitCommand(): Command {
  return new Command('limit')
    .description(
      'What this machine gives without a protocol: the same bytes through the same threads and the same ' +
        'fdatasyncs, once as opaque commands and once decoded at each replica.',
    )
    .addOption(
      new Option('--clients <list>', 'operations outstanding')
        .argParser((text) => listOf('--clients', text, clientCount))
        .default([1, 64, 1_024, 8_192], '1,64,1024,8192'),
    )
    .addOption(
      new Option('--payload <size>', 'bytes of a value')
        .argParser((text) => sizeBytes('--payload', text, { min: payloadBytesMin, max: 2 ** 20 }))
        .default(16, '16'),
    )
    .addOption(
      new Option('--duration <time>', 'of each row, after its warm-up')
        .argParser((text) => durationMs('--duration', text, { min: 100, max: 600_000 }))
        .default(3_000, '3s'),
    )
    .addOption(
      new Option('--storage <kind>', 'disk or memory')
        .argParser((text) => choice('--storage', text, ['disk', 'memory']))
        .default('disk', 'disk'),
    )
    .addOption(
      new Option('--nodes <count>', 'replicas')
        .argParser((text) => wholeNumber('--nodes', text, { min: 1, max: 31 }))
        .default(3, '3'),
    )
    .option('--json <file>', 'write the whole result there')
    .action(runLimit);
}

async function runLimit(flags: LimitFlags): Promise<void> {
  if (flags.json !== undefined) requireWritable('--json', flags.json);
  const context = describeContext(process.argv.slice(2));
  const { clients, payload: payloadBytes, duration, storage, nodes } = flags;
  const progress = startProgress();
  const release = undoOnInterrupt(() => progress.stop());
  let result: LimitResult;
  try {
    const limits = await measureLimit(
      { clients, payloadBytes, durationMs: duration, storage, nodes },
      progress.update,
    );
    result = { ...context, limits };
  } finally {
    release();
    progress.stop();
  }
  if (flags.json !== undefined) writeJsonFile(flags.json, result);
  console.log(showMachine(result.machine));
  console.log(`no protocol; nodes: ${nodes}, storage: ${storage}, values of ${showBytes(payloadBytes)}`);
  console.log(limitTable(result.limits));
}
