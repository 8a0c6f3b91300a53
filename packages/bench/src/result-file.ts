/**
 * Files that a subcommand is asked to write: judged before the work, written after it.
 */
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { optionInvalid } from '@quorate/core';
import { asDiskError } from '@quorate/storage';

/**
 * Whether `path` can be written is found out now rather than after a long run. Leaves no file behind.
 * @throws CodedError `ERR_OPTION_INVALID`
 */
export function requireWritable(option: string, path: string): void {
  const isNew = !existsSync(path);
  try {
    closeSync(openSync(path, 'a'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw optionInvalid(option, path, `a file that can be written (the system says ${code})`);
  }
  if (isNew) rmSync(path);
}

/** Replaces what is at `path`. @throws CodedError `ERR_DISK_FULL` or `ERR_DISK_FAILED` */
export function writeTextFile(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw asDiskError(error, 'write', path);
  }
}

export function writeJsonFile(path: string, result: unknown): void {
  writeTextFile(path, `${JSON.stringify(result, null, 2)}\n`);
}
