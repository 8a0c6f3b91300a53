/**
 * A directory for the time of one piece of work: gone after it, also when it throws or is interrupted.
 */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '@quorate/core';
import { undoOnInterrupt } from './interrupt.ts';

/**
 * @param purpose becomes part of the directory's name
 * @throws CodedError `ERR_DISK_FAILED` when no directory can be made, and whatever `work` throws
 */
export async function withTemporaryDirectory<T>(
  purpose: string,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await makeDirectory(purpose);
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const release = undoOnInterrupt(remove);
  try {
    return await work(directory);
  } finally {
    release();
    remove();
  }
}

async function makeDirectory(purpose: string): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), `quorate-${purpose}-`));
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code;
    const message = `no temporary directory can be made in ${tmpdir()} (${errno}); TMPDIR names another place`;
    throw new CodedError('ERR_DISK_FAILED', message, { errno }, { cause: error });
  }
}
