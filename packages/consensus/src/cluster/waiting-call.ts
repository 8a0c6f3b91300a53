/**
 * A call of the app that waits: a command or a query with its promise, its deadline and its signal.
 */
import { CodedError, decodeValue, type ErrorCode, optionInvalid } from '@quorate/core';
import type { Standing } from './errands.ts';

/** How long a caller waits, and how it may give up earlier. */
export interface CallOptions {
  /** Milliseconds until the call gives up, > 0 and at most 2^31. Default 5,000. */
  readonly timeoutMs?: number;
  /** Gives the call up. What was not sent yet is `ERR_ABORTED`; of what was sent the outcome may be unknown. */
  readonly signal?: AbortSignal;
}

/** `timeoutMs` of a call that gives none. */
const callTimeoutMsDefault = 5_000;

/** How long the call may take. @throws CodedError ERR_OPTION_INVALID */
export function timeoutMsOf({ timeoutMs = callTimeoutMsDefault }: CallOptions): number {
  if (timeoutMs > 0 && timeoutMs <= 2 ** 31) return timeoutMs;
  throw optionInvalid('timeoutMs', timeoutMs, 'a number of milliseconds > 0');
}

export interface WaitingCall {
  /** The command or the query. */
  readonly input: unknown;
  readonly deadlineMs: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  /** Takes the call off its signal. */
  unwatch: (() => void) | undefined;
  isSettled: boolean;
}

/** Makes a call and its promise. @param enqueue takes the call in, or throws to refuse it */
export function waitFor(
  input: unknown,
  options: CallOptions,
  nowMs: number,
  enqueue: (call: WaitingCall) => void,
): Promise<unknown> {
  let timeoutMs: number;
  try {
    timeoutMs = timeoutMsOf(options);
  } catch (error) {
    return Promise.reject(error);
  }
  const { signal } = options;
  if (signal?.aborted === true) {
    return Promise.reject(
      new CodedError('ERR_ABORTED', 'aborted before anything was sent', {}, { cause: signal.reason }),
    );
  }
  return new Promise((resolve, reject) => {
    enqueue({
      input,
      deadlineMs: nowMs + timeoutMs,
      resolve,
      reject,
      signal,
      unwatch: undefined,
      isSettled: false,
    });
  });
}

export function succeed(call: WaitingCall, value: unknown): void {
  if (call.isSettled) return;
  settle(call);
  call.resolve(value);
}

export function fail(call: WaitingCall, error: unknown): void {
  if (call.isSettled) return;
  settle(call);
  call.reject(error);
}

/** Hands each call its outcome out of the encoded `[values, failures]`, see `replica/replicated-state.ts`. */
export function settleAll(calls: readonly WaitingCall[], encoded: Uint8Array): void {
  const [values, failures] = decodeValue(encoded) as [
    readonly unknown[] | number,
    readonly [number, string][] | null,
  ];
  if (typeof values === 'number') {
    const why = 'it was carried out, but its result is too large for a message';
    for (const call of calls) fail(call, new CodedError('ERR_OUTCOME_UNKNOWN', why, { tookEffect: true }));
    return;
  }
  if (failures !== null) {
    for (const [at, message] of failures) {
      const call = calls[at];
      if (call !== undefined) fail(call, new CodedError('ERR_COMMAND_FAILED', message, {}));
    }
  }
  for (let at = 0; at < calls.length; at++) succeed(calls[at] as WaitingCall, values[at]);
}

/** Lets go of the calls whose deadline has passed. @returns the earliest deadline of those that still wait */
export function expire(calls: readonly WaitingCall[], nowMs: number, standing: Standing): number {
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const call of calls) {
    if (call.isSettled) continue;
    if (call.deadlineMs <= nowMs) fail(call, deadlineError(standing));
    else if (call.deadlineMs < earliestMs) earliestMs = call.deadlineMs;
  }
  return earliestMs;
}

/** What a caller is told at its deadline, or when the client stops. */
export function deadlineError({ mayHappen, lastRefusal }: Standing): CodedError {
  if (mayHappen)
    return new CodedError('ERR_OUTCOME_UNKNOWN', 'no answer in time; it may yet take effect', {});
  if (lastRefusal === 'ERR_OVERLOADED') {
    return new CodedError(
      'ERR_OVERLOADED',
      'the leader was overloaded until the deadline; nothing was appended',
      {},
    );
  }
  return new CodedError('ERR_NO_QUORUM', 'no leader answered in time; nothing was appended', {});
}

/** The error for a refusal that is final. */
export function refusalError(code: ErrorCode, message: string, mayHaveHappened: boolean): CodedError {
  if (mayHaveHappened)
    return new CodedError('ERR_OUTCOME_UNKNOWN', `${message}; an earlier attempt may have taken effect`, {
      code,
    });
  return new CodedError(code, message, {});
}

function settle(call: WaitingCall): void {
  call.isSettled = true;
  call.unwatch?.();
}
