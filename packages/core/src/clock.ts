/**
 * The clock is a port: everything that waits or reads time does it through a {@link Clock}.
 *
 * Production uses {@link systemClock}; the simulator hands each node a virtual one, which may drift.
 */
import { performance } from 'node:perf_hooks';

/** A timer that can be taken back. Cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

/** The longest delay that a clock takes, in milliseconds: Node fires longer ones at once. About 24 days. */
export const delayMsMax = 2 ** 31 - 1;

/**
 * Time as a part is given it. Real in production, virtual in the simulator; nothing else asks what time it is.
 */
export interface Clock {
  /** Milliseconds since some fixed moment, with fractions; never goes back. For deadlines and leases. */
  nowMs(): number;
  /** Milliseconds since 1970, whole; may jump. For what people read, and for `timeMs` stamps. */
  wallMs(): number;
  /** Calls `run` once, not earlier than `delayMs` (0 to {@link delayMsMax}) from now. */
  after(delayMs: number, run: () => void): Timer;
  /**
   * Calls `run` once, when the messages that are already here have been handled and before any timer.
   * Work that is cheaper in bulk (a frame, a group commit) is collected until then.
   */
  defer(run: () => void): void;
}

/** Time as the operating system gives it. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, run) {
    const handle = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  defer(run) {
    setImmediate(run);
  },
};
