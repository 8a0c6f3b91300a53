/**
 * Files that a subcommand is asked to write: judged before the work, written after it.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { optionInvalid } from '@quorate/core';

/**
 * Whether `path` can be written is found out now rather than after a long run.
 * @throws CodedError `ERR_OPTION_INVALID`
 */
export function requireWritable(option: string, path: string): void {
  try {
    closeSync(openSync(path, 'a'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw optionInvalid(option, path, `a file that can be written (the system says ${code})`);
  }
}

export function writeJsonFile(path: string, result: unknown): void {
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
}
