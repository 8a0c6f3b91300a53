/**
 * How long a fault silenced the service: the gap between two acknowledgements that it caused.
 *
 * The first acknowledgement after the moment of the fault will not do: replies that had left the node
 * before it was hit still arrive afterwards, and would make every failover look instant. Nor will the
 * longest gap while the fault lasts: where a failover is quick, that is some other hiccup.
 */

/** No operation was acknowledged between these moments, in milliseconds since the start of the run. */
export interface Silence {
  readonly fromMs: number;
  /** Undefined: the silence outlasted the run. */
  readonly toMs: number | undefined;
}

/** Replies under way when the fault strikes arrive within this time. */
const inFlightMs = 50;

/**
 * From the moment of the fault to the end of the longest silence that lasted then or began right after.
 *
 * @returns milliseconds; 0 when acknowledgements went on without a gap; null when none came any more
 */
export function firstAckAfterMs(silences: readonly Silence[], atMs: number): number | null {
  let longestMs = 0;
  let answer: number | null = 0;
  for (const { fromMs, toMs } of silences) {
    const isCaused = fromMs <= atMs + inFlightMs && (toMs === undefined || toMs > atMs);
    const lastedMs = (toMs ?? Number.POSITIVE_INFINITY) - fromMs;
    if (!isCaused || lastedMs <= longestMs) continue;
    longestMs = lastedMs;
    answer = toMs === undefined ? null : toMs - atMs;
  }
  return answer;
}
