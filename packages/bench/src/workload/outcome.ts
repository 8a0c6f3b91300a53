/**
 * How an operation ended, as the error says that it rejected with.
 */
import { hasCode } from '@quorate/core';
import type { Outcome } from './load-meter.ts';

/**
 * A read that was not answered changed nothing, so it failed, whatever became of it. Of a write the
 * cluster says by one code that it may have happened; every other code promises that it did not. An error
 * without a code promises nothing.
 */
export function outcomeOfError(error: unknown, f: 'read' | 'write' | 'cas'): Exclude<Outcome, 'ok'> {
  if (f === 'read') return 'failed';
  return hasCode(error, 'ERR_OUTCOME_UNKNOWN') || codeOf(error) === undefined ? 'unknown' : 'failed';
}

/** The code of an error, or undefined: then it is a bug of ours. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
