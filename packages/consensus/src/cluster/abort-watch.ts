/**
 * Watches abort signals for calls: one listener a signal, however many calls share it. A listener for each
 * call would make Node warn of a leak.
 */
import type { WaitingCall } from './waiting-call.ts';

export class AbortWatch {
  readonly #onAbort: (call: WaitingCall) => void;
  readonly #calls = new Map<AbortSignal, Set<WaitingCall>>();

  constructor(onAbort: (call: WaitingCall) => void) {
    this.#onAbort = onAbort;
  }

  /** Until the call is settled. */
  watch(call: WaitingCall, signal: AbortSignal): void {
    const calls = this.#calls.get(signal) ?? this.#listen(signal);
    calls.add(call);
    call.unwatch = () => {
      calls.delete(call);
      if (calls.size === 0) this.#forget(signal);
    };
  }

  #listen(signal: AbortSignal): Set<WaitingCall> {
    const calls = new Set<WaitingCall>();
    this.#calls.set(signal, calls);
    signal.addEventListener('abort', this.#aborted);
    return calls;
  }

  readonly #aborted = (event: Event): void => {
    const signal = event.target as AbortSignal;
    for (const call of [...(this.#calls.get(signal) ?? [])]) this.#onAbort(call);
    this.#forget(signal);
  };

  #forget(signal: AbortSignal): void {
    this.#calls.delete(signal);
    signal.removeEventListener('abort', this.#aborted);
  }
}
