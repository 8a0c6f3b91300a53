/** Outages in a few figures. */
import { LatencyHistogram } from '../histogram.ts';

/** Milliseconds; null where nothing was measured. */
export interface OutageSummary {
  readonly median: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  readonly mean: number | null;
}

export function summaryOf(outagesMs: readonly number[]): OutageSummary {
  const histogram = new LatencyHistogram();
  for (const outageMs of outagesMs) histogram.record(outageMs);
  return {
    median: histogram.percentileMs(50),
    p99: histogram.percentileMs(99),
    max: histogram.percentileMs(100),
    mean: outagesMs.length === 0 ? null : outagesMs.reduce((sum, one) => sum + one, 0) / outagesMs.length,
  };
}
