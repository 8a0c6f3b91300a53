/**
 * Disk errors: how the name that the system gives to a failure becomes one of our codes.
 */
import { CodedError } from '@quorate/core';

const fullDisk: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/**
 * `ERR_DISK_FULL` when no space is left for us, `ERR_DISK_FAILED` otherwise.
 * `details` holds `errno` (the system's name), `operation` and `path`.
 */
export function diskError(errno: string, operation: string, path: string, cause?: unknown): CodedError {
  const code = fullDisk.has(errno) ? 'ERR_DISK_FULL' : 'ERR_DISK_FAILED';
  return new CodedError(
    code,
    `${operation} ${path}: ${errno}`,
    { errno, operation, path },
    cause === undefined ? {} : { cause },
  );
}

/**
 * What is asked of a file that was closed: `ERR_DISK_FAILED` with `EBADF`. It is never left to the system to say
 * so, which may have given the descriptor to another file by then.
 */
export function fileIsClosed(operation: string, path: string): CodedError {
  const details = { errno: 'EBADF', operation, path };
  return new CodedError('ERR_DISK_FAILED', `${operation} ${path}: the file was closed`, details);
}

/** The system's name for a failure, or undefined when `error` did not come from a disk. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof CodedError)) return undefined;
  const { errno } = error.details;
  return typeof errno === 'string' ? errno : undefined;
}

/** Anything thrown by a disk, as a coded error: ours stay as they are. */
export function asDiskError(error: unknown, operation: string, path: string): CodedError {
  if (error instanceof CodedError) return error;
  const { code } = error as { code?: unknown };
  return diskError(typeof code === 'string' ? code : 'UNKNOWN', operation, path, error);
}
