#!/usr/bin/env node
/**
 * The command line `quorate-bench`: parses the arguments, runs one subcommand, and turns whatever went
 * wrong into one line on stderr and an exit code.
 *
 * 0: good. 1: what was checked does not hold (the subcommand sets it). 2: wrong usage, or an error of
 * the world with a code. Anything else is our bug and shows its stack.
 */
import { readFileSync } from 'node:fs';
import { CodedError } from '@quorate/core';
import { Command, CommanderError } from 'commander';
import { checkCommand } from './commands/check.ts';
import { failoverCommand } from './commands/failover.ts';
import { groupsCommand } from './commands/groups.ts';
import { limitCommand } from './commands/limit.ts';
import { runCommand } from './commands/run.ts';
import { simCommand } from './commands/sim.ts';
import { swapCommand } from './commands/swap.ts';
import { isInterrupted } from './interrupt.ts';

const subcommands: readonly Command[] = [
  runCommand(),
  limitCommand(),
  failoverCommand(),
  swapCommand(),
  groupsCommand(),
  checkCommand(),
  simCommand(),
];

/** The name and version that npm installed. */
function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return (manifest as { readonly version: string }).version;
}

/** Commander ends errors of usage with a newline and sometimes puts a suggestion on a line of its own. */
function onOneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}

function createProgram(): Command {
  const program = new Command('quorate-bench')
    .description('Throughput, latency and availability under faults, each run checked for linearizability')
    .version(packageVersion());
  for (const subcommand of subcommands) program.addCommand(subcommand);
  // Settings are inherited by commands made with `command()`, not by those added whole.
  for (const command of [program, ...subcommands]) {
    command.exitOverride().configureOutput({
      outputError: (text, write) => write(`${program.name()}: ${onOneLine(text).replace(/^error: /, '')}\n`),
    });
  }
  return program;
}

/** Runs the subcommand. Leaves `process.exitCode` alone when it ends well: the subcommand may have set 1. */
async function main(argv: readonly string[]): Promise<void> {
  const program = createProgram();
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (isInterrupted()) return;
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
    } else if (error instanceof CodedError) {
      process.stderr.write(`${program.name()}: ${onOneLine(error.message)}\n`);
      process.exitCode = 2;
    } else {
      throw error;
    }
  }
}

await main(process.argv);
