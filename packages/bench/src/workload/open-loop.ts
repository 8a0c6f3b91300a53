/**
 * An open loop: operations start at a given rate, whether or not the earlier ones have ended.
 *
 * Latency counts from the moment at which an operation was due, also when it could start only later:
 * a service that stalls for a second has then delayed a second's worth of operations, not just one.
 */
import type { Clock, Timer } from '@quorate/core';
import type { Execute } from './closed-loop.ts';
import type { LoadMeter } from './load-meter.ts';

const tickMs = 1;

/**
 * Resolves when `signal` is aborted and every operation that was outstanding has ended. An operation
 * that was due but could not start until then counts as failed.
 *
 * @param outstandingMax what is due beyond it waits for its turn
 */
export async function openLoop(options: {
  readonly ratePerSecond: number;
  readonly outstandingMax: number;
  readonly execute: Execute;
  readonly meter: LoadMeter;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { ratePerSecond, outstandingMax, execute, meter, clock, signal } = options;
  const beganMs = clock.nowMs();
  const dueMs = (operation: number): number => beganMs + (operation * 1_000) / ratePerSecond;
  const idleProcesses: number[] = [];
  let unusedProcess = 0;
  let outstanding = 0;
  let issued = 0;

  await new Promise<void>((resolve) => {
    let timer: Timer | undefined;

    const endIfIdle = (): void => {
      if (signal.aborted && outstanding === 0) resolve();
    };
    const issueOne = async (startedMs: number): Promise<void> => {
      const process = idleProcesses.pop() ?? unusedProcess++;
      outstanding += 1;
      const outcome = await execute(process);
      outstanding -= 1;
      if (outcome !== 'unknown') idleProcesses.push(process);
      meter.record(outcome, startedMs, clock.nowMs());
      if (signal.aborted) endIfIdle();
      else issueDue();
    };
    const issueDue = (): void => {
      const nowMs = clock.nowMs();
      while (outstanding < outstandingMax && dueMs(issued) <= nowMs) void issueOne(dueMs(issued++));
    };
    const tick = (): void => {
      issueDue();
      timer = clock.after(tickMs, tick);
    };
    const stop = (): void => {
      timer?.cancel();
      const nowMs = clock.nowMs();
      for (; dueMs(issued) <= nowMs; issued += 1) meter.record('failed', dueMs(issued), nowMs);
      endIfIdle();
    };

    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    tick();
  });
}
