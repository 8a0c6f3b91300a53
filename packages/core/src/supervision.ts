/**
 * Supervision: what becomes of an actor that failed. A pure rule over its recent failures.
 *
 * The back-off doubles with every failure still inside the window, so that an actor which fails at once
 * after each start does not eat the thread, and one which failed long ago starts afresh.
 */
import { optionInvalid } from './coded-error.ts';

/** How often an actor that fails is started anew, and after what pause. */
export interface RestartPolicy {
  /** Restarts inside the window before the actor is given up; 0 or more. */
  readonly max: number;
  /** Length of the window in milliseconds, > 0. */
  readonly withinMs: number;
  /** What giving up means: the actor stops (default), or its parent fails with it. */
  readonly beyond?: 'stop' | 'escalate';
  /** First pause before a restart in milliseconds; default 10. It doubles up to `backoffMsMax`, default 1,000. */
  readonly backoffMs?: number;
  readonly backoffMsMax?: number;
}

export type Verdict =
  | { readonly type: 'restart'; readonly afterMs: number }
  | { readonly type: 'stop' }
  | { readonly type: 'escalate' };

/**
 * @param failuresMs when the actor failed, oldest first, the failure to be judged last
 * @param policy none: the first failure is the last
 */
export function judge(
  failuresMs: readonly number[],
  nowMs: number,
  policy: RestartPolicy | undefined,
): Verdict {
  if (policy === undefined) return { type: 'stop' };
  const recent = failuresMs.filter((atMs) => nowMs - atMs < policy.withinMs).length;
  if (recent > policy.max) return { type: policy.beyond ?? 'stop' };
  const doubled = (policy.backoffMs ?? 10) * 2 ** Math.max(0, recent - 1);
  return { type: 'restart', afterMs: Math.min(doubled, policy.backoffMsMax ?? 1_000) };
}

/** @throws CodedError `ERR_OPTION_INVALID` naming the field that is wrong */
export function checkRestartPolicy(policy: RestartPolicy): RestartPolicy {
  if (!Number.isSafeInteger(policy.max) || policy.max < 0) {
    throw optionInvalid('restart.max', policy.max, 'a whole number >= 0');
  }
  for (const field of ['withinMs', 'backoffMs', 'backoffMsMax'] as const) {
    const value = policy[field];
    if (value === undefined && field !== 'withinMs') continue;
    if (typeof value !== 'number' || !(value > 0) || value === Infinity) {
      throw optionInvalid(`restart.${field}`, value, 'a finite number of milliseconds > 0');
    }
  }
  if (policy.beyond !== undefined && policy.beyond !== 'stop' && policy.beyond !== 'escalate') {
    throw optionInvalid('restart.beyond', policy.beyond, "'stop' or 'escalate'");
  }
  return policy;
}
