/**
 * Interrupts: whoever presses Ctrl-C finds nothing left behind, neither files nor threads nor a hidden cursor.
 */
import { constants } from 'node:os';

type Undo = () => void | Promise<void>;

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Whoever waits longer than this for a way out gets none of what is left to undo. */
const undoMsMax = 10_000;

/** A terminal and npm both pass on one Ctrl-C; only a later one is meant as a second. */
const sameInterruptMs = 1_000;

const undoings = new Set<{ readonly undo: Undo }>();
let endingSinceMs: number | undefined;

/** Whether the process is about to end because of a signal: what fails from then on fails because of it. */
export function isInterrupted(): boolean {
  return endingSinceMs !== undefined;
}

/**
 * Until the returned function is called, `undo` runs when the process is interrupted: one after the other, the
 * latest first. Then the process ends.
 */
export function undoOnInterrupt(undo: Undo): () => void {
  if (undoings.size === 0) for (const signal of signals) process.on(signal, end);
  const entry = { undo };
  undoings.add(entry);
  return () => {
    undoings.delete(entry);
    if (undoings.size === 0 && !isInterrupted()) for (const signal of signals) process.off(signal, end);
  };
}

/** Works with what is being started, and stops it: at the end, at an error, at an interrupt. */
export async function withStarted<Part, Result>(
  starting: Promise<Part>,
  stop: (part: Part) => Promise<void>,
  work: (part: Part) => Promise<Result>,
): Promise<Result> {
  const stopStarted = async (): Promise<void> => stop(await starting);
  const release = undoOnInterrupt(stopStarted);
  try {
    const part = await starting;
    try {
      return await work(part);
    } finally {
      await stop(part);
    }
  } finally {
    release();
  }
}

function end(signal: NodeJS.Signals): void {
  // By convention a process that a signal ended says so with 128 and the signal's number.
  const exit = (): never => process.exit(128 + constants.signals[signal]);
  if (endingSinceMs !== undefined) {
    if (performance.now() - endingSinceMs > sameInterruptMs) exit();
    return;
  }
  endingSinceMs = performance.now();
  setTimeout(exit, undoMsMax);
  void undoAll().then(exit, exit);
}

async function undoAll(): Promise<void> {
  for (const { undo } of [...undoings].reverse()) {
    try {
      await undo();
    } catch {
      // The next one may succeed, and nobody is left to be told.
    }
  }
}
