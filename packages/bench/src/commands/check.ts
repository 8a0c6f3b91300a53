/** `quorate-bench check`: are recorded histories linearizable? */
import { writeFile } from 'node:fs/promises';
import { hasCode, messageOf, optionInvalid } from '@quorate/core';
import {
  checkLinearizability,
  type History,
  type LinearizabilityVerdict,
  type ModelName,
  modelNames,
  readHistoryFile,
} from '@quorate/simulation';
import { Command, Option } from 'commander';

interface CheckOptions {
  readonly model: ModelName;
  readonly json?: string;
}

type FileResult =
  | ({ readonly file: string } & LinearizabilityVerdict)
  | { readonly file: string; readonly malformed: { readonly line: number; readonly reason: string } };

/**
 * Prints one verdict a line. Exit code 0: all are linearizable; 1: one is not, or the search gave up;
 * 2: wrong usage, or a file that is no history.
 */
export function checkCommand(): Command {
  return new Command('check')
    .description(
      'check recorded histories for linearizability; name the first operation that cannot be placed',
    )
    .argument('<files...>', 'history files: one JSON event a line')
    .addOption(
      new Option('--model <name>', 'what each key is').choices([...modelNames]).makeOptionMandatory(),
    )
    .option('--json <file>', 'write the verdicts to this file')
    .action(runCheck);
}

async function runCheck(files: readonly string[], options: CheckOptions): Promise<void> {
  const results: FileResult[] = [];
  for (const file of files) {
    const result = await checkFile(file, options.model);
    results.push(result);
    if ('malformed' in result) {
      process.stderr.write(`${file}: line ${result.malformed.line}: ${result.malformed.reason}\n`);
    } else {
      process.stdout.write(`${file}: ${verdictLine(result)}\n`);
    }
  }
  if (options.json !== undefined) await writeJson(options.json, { model: options.model, files: results });
  process.exitCode = Math.max(...results.map(exitCodeOf));
}

async function checkFile(file: string, model: ModelName): Promise<FileResult> {
  try {
    return { file, ...checkLinearizability(await readHistory(file), model) };
  } catch (error) {
    if (!hasCode(error, 'ERR_HISTORY_INVALID')) throw error;
    const { details } = error as { readonly details: { readonly line: number; readonly reason: string } };
    return { file, malformed: { line: details.line, reason: details.reason } };
  }
}

/** @throws ERR_OPTION_INVALID if the file cannot be read */
async function readHistory(file: string): Promise<History> {
  try {
    return await readHistoryFile(file);
  } catch (error) {
    if (hasCode(error, 'ERR_HISTORY_INVALID')) throw error;
    throw optionInvalid('<files...>', file, `a file that can be read (${messageOf(error)})`);
  }
}

/** @throws ERR_OPTION_INVALID if the file cannot be written */
async function writeJson(file: string, value: unknown): Promise<void> {
  try {
    await writeFile(file, `${JSON.stringify(value, undefined, 2)}\n`);
  } catch (error) {
    throw optionInvalid('--json', file, `a file that can be written (${messageOf(error)})`);
  }
}

function verdictLine(verdict: LinearizabilityVerdict): string {
  const size = `${count(verdict.operationCount, 'operation')}, ${count(verdict.keyCount, 'key')}`;
  if (verdict.linearizable === true) return `linearizable (${size})`;
  const word = verdict.linearizable === false ? 'NOT linearizable' : 'unknown';
  return `${word} (${size}): ${verdict.explanation}`;
}

function count(howMany: number, noun: string): string {
  return `${howMany} ${noun}${howMany === 1 ? '' : 's'}`;
}

function exitCodeOf(result: FileResult): number {
  if ('malformed' in result) return 2;
  return result.linearizable === true ? 0 : 1;
}
