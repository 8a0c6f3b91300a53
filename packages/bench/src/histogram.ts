/**
 * Latencies counted in a high dynamic range histogram: one microsecond to ten minutes, three digits.
 */
import { build, type Histogram } from 'hdr-histogram-js';
import type { LatencySummary } from './result.ts';

const highestMicroseconds = 600_000_000;

export class LatencyHistogram {
  readonly #counts: Histogram = build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: highestMicroseconds,
    numberOfSignificantValueDigits: 3,
  });

  get count(): number {
    return this.#counts.totalCount;
  }

  /** @param latencyMs with fractions; beyond ten minutes it counts as ten minutes, below zero as zero */
  record(latencyMs: number): void {
    const microseconds = Math.round(latencyMs * 1_000);
    this.#counts.recordValue(Math.min(Math.max(microseconds, 0), highestMicroseconds));
  }

  add(other: LatencyHistogram): void {
    this.#counts.add(other.#counts);
  }

  reset(): void {
    this.#counts.reset();
  }

  /** @param percentile 0 to 100 @returns milliseconds; null when nothing was recorded */
  percentileMs(percentile: number): number | null {
    if (this.count === 0) return null;
    // A bucket reports its upper edge, which may lie above anything that was recorded.
    return Math.min(this.#counts.getValueAtPercentile(percentile), this.#counts.maxValue) / 1_000;
  }

  summary(): LatencySummary {
    return {
      p50: this.percentileMs(50),
      p90: this.percentileMs(90),
      p99: this.percentileMs(99),
      p999: this.percentileMs(99.9),
      max: this.percentileMs(100),
    };
  }
}
