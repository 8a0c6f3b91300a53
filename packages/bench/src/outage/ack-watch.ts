/**
 * Watches the acknowledgements of a load go by: when the next one comes, and how long they stayed away.
 */
import { invariant } from '@quorate/core';
import type { OperationCounts } from '../result.ts';
import type { LoadMeter, Outcome } from '../workload/load-meter.ts';

export class AckWatch implements Pick<LoadMeter, 'record'> {
  readonly #counts = { ok: 0, failed: 0, unknown: 0 };
  #lastAckMs = Number.NEGATIVE_INFINITY;
  #waiting: { readonly counts: () => boolean; readonly resolve: (atMs: number) => void }[] = [];
  /** Longest gap since the window was opened; undefined: none is open. */
  #longestGapMs: number | undefined;

  get operations(): OperationCounts {
    return { ...this.#counts };
  }

  record(outcome: Outcome, _startedMs: number, endedMs: number): void {
    this.#counts[outcome] += 1;
    if (outcome !== 'ok') return;
    if (this.#longestGapMs !== undefined) {
      this.#longestGapMs = Math.max(this.#longestGapMs, endedMs - this.#lastAckMs);
    }
    this.#lastAckMs = endedMs;
    if (this.#waiting.length === 0) return;
    const done = this.#waiting.filter(({ counts }) => counts());
    this.#waiting = this.#waiting.filter((waiter) => !done.includes(waiter));
    for (const { resolve } of done) resolve(endedMs);
  }

  /** Resolves with the moment of the first acknowledgement from now on that counts, asked when it arrives. */
  nextAck(counts: () => boolean = () => true): Promise<number> {
    return new Promise((resolve) => this.#waiting.push({ counts, resolve }));
  }

  /** From now on gaps are measured; one that is going on counts from where it began. */
  openWindow(): void {
    invariant(this.#longestGapMs === undefined, 'one window at a time');
    this.#longestGapMs = 0;
  }

  /** @returns milliseconds between two acknowledgements, or between the last one and now: the longest of them */
  closeWindow(nowMs: number): number {
    invariant(this.#longestGapMs !== undefined, 'a window is open');
    const longestMs = Math.max(this.#longestGapMs, nowMs - this.#lastAckMs);
    this.#longestGapMs = undefined;
    return longestMs;
  }
}
