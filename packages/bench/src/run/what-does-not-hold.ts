/**
 * Whether a run is good: it acknowledged something, and what was to be checked of it was found to hold.
 */
import type { RunResult } from '../result.ts';
import { whyNotJudged } from '../verification/verify.ts';
import type { RunOptions } from './options.ts';

/** @returns what is wrong, in a few words, or undefined */
export function whatDoesNotHold(
  run: Pick<RunResult, 'operations' | 'verified' | 'errors'>,
  options: Pick<RunOptions, 'verify' | 'consistency' | 'reads'>,
): string | undefined {
  if (run.operations.ok === 0) return 'no operation was acknowledged';
  if (run.verified === false) return 'NOT linearizable';
  const stopped = stoppedForGood.find((code) => (run.errors[code] ?? 0) > 0);
  if (stopped !== undefined) return `replicas stopped for good, and no quorum was left: ${stopped}`;
  const isToBeJudged = options.verify && whyNotJudged(options) === undefined;
  return run.verified === null && isToBeJudged ? 'the check of its history came to no verdict' : undefined;
}

/** Codes that a client sees only when a majority of replicas has stopped. */
const stoppedForGood = ['ERR_DISK_FULL', 'ERR_DISK_FAILED', 'ERR_LOG_CORRUPT', 'ERR_ACTOR_FAILED'] as const;
