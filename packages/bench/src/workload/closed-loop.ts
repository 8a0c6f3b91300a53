/**
 * A closed loop: so many clients, each with one operation outstanding, the next one when that has ended.
 */
import type { Clock } from '@quorate/core';
import type { LoadMeter, Outcome } from './load-meter.ts';

/**
 * Carries out the next operation of a process and says how it ended. Never rejects. A process has one
 * operation outstanding; one whose operation ended `unknown` is never used again, because that
 * operation may still be going on.
 */
export type Execute = (process: number) => Promise<Outcome>;

/** A client that was refused waits so long: at once, a stopped cluster would make it spin for ever. */
const pauseAfterFailureMs = 5;

/** Resolves when `signal` is aborted and every operation that was outstanding has ended. */
export async function closedLoop(options: {
  readonly clients: number;
  readonly execute: Execute;
  readonly meter: Pick<LoadMeter, 'record'>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { clients, execute, meter, clock, signal } = options;
  let unusedProcess = clients;

  const client = async (firstProcess: number): Promise<void> => {
    let process = firstProcess;
    let startedMs = clock.nowMs();
    while (!signal.aborted) {
      const outcome = await execute(process);
      const endedMs = clock.nowMs();
      meter.record(outcome, startedMs, endedMs);
      startedMs = endedMs;
      if (outcome === 'ok') continue;
      if (outcome === 'unknown') process = unusedProcess++;
      await new Promise<void>((resolve) => clock.after(pauseAfterFailureMs, resolve));
      startedMs = clock.nowMs();
    }
  };

  await Promise.all(Array.from({ length: clients }, (_, process) => client(process)));
}
