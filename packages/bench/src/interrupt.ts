/**
 * Interrupts: whoever presses Ctrl-C finds nothing left behind, neither files nor a hidden cursor.
 */
import { constants } from 'node:os';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const undoings = new Set<() => void>();

/**
 * Until the returned function is called, `undo` runs when the process is interrupted, the latest first. The
 * process then ends, and with it all its threads.
 *
 * @param undo not asynchronous: nothing would wait for it
 */
export function undoOnInterrupt(undo: () => void): () => void {
  if (undoings.size === 0) for (const signal of signals) process.on(signal, end);
  // A function of its own, so that the same one may be given twice.
  const undoing = (): void => undo();
  undoings.add(undoing);
  return () => {
    undoings.delete(undoing);
    if (undoings.size === 0) for (const signal of signals) process.off(signal, end);
  };
}

function end(signal: NodeJS.Signals): void {
  for (const undo of [...undoings].reverse()) undo();
  // By convention a process that a signal ended says so with 128 and the signal's number.
  process.exit(128 + constants.signals[signal]);
}
