/** A clock that a test turns by hand: time stands still until `advance`, deferred work runs in `settle`. */
import type { Clock, Timer } from '../src/clock.ts';

export interface ManualClock extends Clock {
  /** Runs deferred work, and what it defers, and the promises between, until nothing is left. */
  settle(): Promise<void>;
  /** Moves time on, firing timers in order, and settles after each. */
  advance(ms: number): Promise<void>;
}

export function manualClock(): ManualClock {
  let nowMs = 0;
  let deferred: (() => void)[] = [];
  let order = 0;
  const timers = new Set<{ dueMs: number; order: number; run: () => void }>();
  const clock: ManualClock = {
    nowMs: () => nowMs,
    wallMs: () => Math.floor(nowMs),
    after(delayMs, run): Timer {
      const timer = { dueMs: nowMs + delayMs, order: order++, run };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    defer: (run) => void deferred.push(run),
    async settle() {
      let idle = 0;
      while (idle < 3) {
        const batch = deferred;
        deferred = [];
        for (const run of batch) run();
        await new Promise<void>((resolve) => setImmediate(resolve));
        idle = batch.length === 0 && deferred.length === 0 ? idle + 1 : 0;
      }
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      await clock.settle();
      while (true) {
        const due = [...timers].filter((timer) => timer.dueMs <= untilMs);
        const next = due.sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
        if (next === undefined) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.dueMs);
        next.run();
        await clock.settle();
      }
      nowMs = untilMs;
    },
  };
  return clock;
}
