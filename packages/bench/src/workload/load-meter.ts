/**
 * What a load amounted to: operations counted and timed, as a whole and along the time axis.
 *
 * An operation belongs to the moment at which it ended. Each latency is recorded once, into the slice
 * that is open; a slice is added into its second and a second into the whole when it is over.
 */
import { invariant } from '@quorate/core';
import { LatencyHistogram } from '../histogram.ts';
import type { LatencySummary, OperationCounts, TimelineSecond, TimelineSlice } from '../result.ts';
import type { Silence } from './silence.ts';

export const sliceMs = 100;
const slicesPerSecond = 10;

/** A shorter gap between two acknowledgements is not kept as a silence: a batch takes about so long anyway. */
const silenceMsMin = 5;

/** How an operation ended. `failed`: it did not happen. `unknown`: it may yet take effect. */
export type Outcome = 'ok' | 'failed' | 'unknown';

export interface MeteredLoad {
  readonly durationMs: number;
  readonly operations: OperationCounts;
  readonly latencyMs: LatencySummary;
  readonly timeline: readonly TimelineSecond[];
  readonly slices: readonly TimelineSlice[];
  readonly silences: readonly Silence[];
}

export class LoadMeter {
  readonly #counts = { ok: 0, failed: 0, unknown: 0 };
  readonly #slice = new LatencyHistogram();
  readonly #second = new LatencyHistogram();
  readonly #whole = new LatencyHistogram();
  readonly #slices: TimelineSlice[] = [];
  readonly #timeline: TimelineSecond[] = [];
  readonly #silences: Silence[] = [];
  #beganMs = Number.POSITIVE_INFINITY;
  #sliceEndsMs = Number.POSITIVE_INFINITY;
  #lastOkMs = 0;
  #hasEnded = false;

  /** Starts to count; what ends before is a warm-up and ignored. Times are those of one monotonic clock. */
  begin(nowMs: number): void {
    invariant(this.#beganMs === Number.POSITIVE_INFINITY, 'a meter begins once');
    this.#beganMs = nowMs;
    this.#lastOkMs = nowMs;
    this.#sliceEndsMs = nowMs + sliceMs;
  }

  /** @param endedMs not before the one of the call before */
  record(outcome: Outcome, startedMs: number, endedMs: number): void {
    if (endedMs < this.#beganMs || this.#hasEnded) return;
    while (endedMs >= this.#sliceEndsMs) this.#closeSlice();
    this.#counts[outcome] += 1;
    if (outcome !== 'ok') return;
    this.#slice.record(endedMs - startedMs);
    if (endedMs - this.#lastOkMs >= silenceMsMin) this.#noteSilence(endedMs);
    this.#lastOkMs = endedMs;
  }

  /** Stops to count; what ends later is ignored. The last slice and second may be shorter than the others. */
  end(nowMs: number): MeteredLoad {
    invariant(nowMs >= this.#beganMs && !this.#hasEnded, 'a meter ends once, after it began');
    while (nowMs >= this.#sliceEndsMs) this.#closeSlice();
    const isSliceOpen = nowMs > this.#sliceEndsMs - sliceMs;
    if (isSliceOpen) this.#closeSlice();
    if (this.#slices.length % slicesPerSecond !== 0) this.#closeSecond();
    if (nowMs - this.#lastOkMs >= silenceMsMin) this.#noteSilence(undefined);
    this.#hasEnded = true;
    return {
      durationMs: nowMs - this.#beganMs,
      operations: { ...this.#counts },
      latencyMs: this.#whole.summary(),
      timeline: this.#timeline,
      slices: this.#slices,
      silences: this.#silences,
    };
  }

  #noteSilence(endedMs: number | undefined): void {
    this.#silences.push({
      fromMs: this.#lastOkMs - this.#beganMs,
      toMs: endedMs === undefined ? undefined : endedMs - this.#beganMs,
    });
  }

  #closeSlice(): void {
    this.#slices.push({ atMs: this.#slices.length * sliceMs, ...ended(this.#slice) });
    this.#second.add(this.#slice);
    this.#slice.reset();
    this.#sliceEndsMs += sliceMs;
    if (this.#slices.length % slicesPerSecond === 0) this.#closeSecond();
  }

  #closeSecond(): void {
    this.#timeline.push({ second: this.#timeline.length, ...ended(this.#second) });
    this.#whole.add(this.#second);
    this.#second.reset();
  }
}

function ended(histogram: LatencyHistogram): Pick<TimelineSecond, 'ok' | 'p50Ms' | 'p99Ms'> {
  return { ok: histogram.count, p50Ms: histogram.percentileMs(50), p99Ms: histogram.percentileMs(99) };
}
