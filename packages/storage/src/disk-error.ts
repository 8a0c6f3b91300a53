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
