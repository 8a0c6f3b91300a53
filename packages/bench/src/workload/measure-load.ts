/**
 * Drives a load for a time and says what it amounted to, and what processor time it cost.
 *
 * The clock runs until the last outstanding operation has ended: an operation that hangs at the end is
 * part of the result, not cut off with the load.
 */
import type { Clock } from '@quorate/core';
import type { RunResult } from '../result.ts';
import { LoadMeter, type MeteredLoad } from './load-meter.ts';

/** Long enough for the compiler to have seen every path, and for the queues to have filled. */
export const warmUpMsDefault = 700;

export interface MeasuredLoad extends MeteredLoad {
  /** User and system time of all threads of the process. */
  readonly cpuMicroseconds: number;
}

/** @param options.drive runs the load until the signal is aborted and its last operation has ended */
export async function measureLoad(options: {
  readonly drive: (meter: LoadMeter, signal: AbortSignal) => Promise<void>;
  /** The load goes on for this long before anything is counted. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly clock: Clock;
  /** Called when counting starts, with the clock's reading: zero of every time in the result. */
  readonly onBegin?: (beganMs: number) => void;
}): Promise<MeasuredLoad> {
  const { drive, warmUpMs, durationMs, clock, onBegin } = options;
  const meter = new LoadMeter();
  const controller = new AbortController();
  let cpuAtBegin = process.cpuUsage();
  const begin = (): void => {
    const beganMs = clock.nowMs();
    cpuAtBegin = process.cpuUsage();
    meter.begin(beganMs);
    onBegin?.(beganMs);
  };

  const warmUp = warmUpMs > 0 ? clock.after(warmUpMs, begin) : undefined;
  if (warmUp === undefined) begin();
  const stop = clock.after(warmUpMs + durationMs, () => controller.abort());
  try {
    await drive(meter, controller.signal);
  } finally {
    warmUp?.cancel();
    stop.cancel();
  }
  const cpu = process.cpuUsage(cpuAtBegin);
  return { ...meter.end(clock.nowMs()), cpuMicroseconds: cpu.user + cpu.system };
}

/** The part of a result that follows from a measured load alone. */
export function figuresOf(
  load: MeasuredLoad,
): Pick<
  RunResult,
  'durationSeconds' | 'operations' | 'throughputPerSecond' | 'cpuMicrosecondsPerOperation' | 'latencyMs'
> {
  const { durationMs, operations, latencyMs, cpuMicroseconds } = load;
  return {
    durationSeconds: durationMs / 1_000,
    operations,
    throughputPerSecond: (operations.ok * 1_000) / durationMs,
    cpuMicrosecondsPerOperation: operations.ok === 0 ? null : cpuMicroseconds / operations.ok,
    latencyMs,
  };
}
