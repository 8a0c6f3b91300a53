/**
 * Readers beside a load of writes: few, and never in a hurry, so that the history says what was to be seen
 * while the load stays what it is.
 */
import type { Clock } from '@quorate/core';
import type { Execute } from './closed-loop.ts';

/** Far above the processes of the load beside them; a reader keeps its own, since no read ends unknown. */
const firstProcess = 2 ** 30;

/** Resolves when `signal` is aborted and every read that was outstanding has ended. */
export async function pacedReaders(options: {
  readonly readers: number;
  /** From the end of a read to the reader's next one. */
  readonly pauseMs: number;
  readonly execute: Execute;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { readers, pauseMs, execute, clock, signal } = options;
  const read = async (process: number): Promise<void> => {
    while (!signal.aborted) {
      await execute(process);
      await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
    }
  };
  await Promise.all(Array.from({ length: readers }, (_, reader) => read(firstProcess + reader)));
}
