/**
 * Virtual time: one queue of events, worked off in order, for everything that waits in a simulation.
 *
 * Nothing runs beside it. An event runs to its end, then everything that was deferred to the end of the
 * turn, then every promise that has become ready, and only then does time move on. Events of the same
 * moment run in the order in which they were asked for. So a run is a function of its seed.
 */
import { type Clock, invariant, type Timer } from '@quorate/core';

interface Scheduled {
  readonly atMs: number;
  /** Breaks ties: events of one moment run in the order of asking. */
  readonly order: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/** Simulations start at this wall time: a fixed moment, so that stamps are the same in every run. */
const wallStartMs = Date.UTC(2026, 0, 1);

export class VirtualTime {
  #nowMs = 0;
  #order = 0;
  readonly #heap: Scheduled[] = [];
  #deferred: (() => void)[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `run` after `delayMs` (>= 0) of virtual time. */
  after(delayMs: number, run: () => void): Timer {
    invariant(delayMs >= 0, `a delay is not negative, got ${delayMs}`);
    this.#order += 1;
    const scheduled: Scheduled = { atMs: this.#nowMs + delayMs, order: this.#order, run, isCancelled: false };
    this.#push(scheduled);
    return {
      cancel: () => {
        scheduled.isCancelled = true;
      },
    };
  }

  /** Runs `run` at the end of the present turn. */
  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  /** Takes one step. @returns false when nothing is left to do */
  async step(): Promise<boolean> {
    const next = this.#pop();
    if (next === undefined) return false;
    invariant(next.atMs >= this.#nowMs, 'time does not go back');
    this.#nowMs = next.atMs;
    next.run();
    await this.settle();
    return true;
  }

  /** Runs what is deferred and every promise that is ready, until neither is left. */
  async settle(): Promise<void> {
    do {
      const deferred = this.#deferred;
      this.#deferred = [];
      for (const run of deferred) run();
      await promisesReady();
    } while (this.#deferred.length > 0);
  }

  #push(scheduled: Scheduled): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(scheduled);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(scheduled, heap[above] as Scheduled)) break;
      heap[at] = heap[above] as Scheduled;
      at = above;
    }
    heap[at] = scheduled;
  }

  #pop(): Scheduled | undefined {
    for (;;) {
      const first = this.#heap[0];
      const last = this.#heap.pop();
      if (first === undefined || last === undefined) return undefined;
      if (this.#heap.length > 0) this.#sink(last);
      if (!first.isCancelled) return first;
    }
  }

  #sink(moved: Scheduled): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      const right = below + 1;
      if (right < heap.length && isBefore(heap[right] as Scheduled, heap[below] as Scheduled)) below = right;
      if (!isBefore(heap[below] as Scheduled, moved)) break;
      heap[at] = heap[below] as Scheduled;
      at = below;
    }
    heap[at] = moved;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Resolves when no promise can go on any more without new events: no real I/O is under way here. */
function promisesReady(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * The clock of one life of a node. When the life ends, its timers and deferred work end with it; while
 * it is paused, they wait, as they do in a stopped process.
 */
export class NodeClock implements Clock {
  readonly #time: VirtualTime;
  #wallSkewMs: number;
  /** This clock's milliseconds for each millisecond of virtual time, and the moment since when that is so. */
  #rate: number;
  #since: { readonly timeMs: number; readonly ownMs: number };
  #isDead = false;
  #isPaused = false;
  #waiting: (() => void)[] = [];

  /**
   * @param wallSkewMs how far this node's wall clock is off
   * @param rate how fast its clocks run: 1.2 gains a fifth, 0.8 loses one
   */
  constructor(time: VirtualTime, wallSkewMs = 0, rate = 1) {
    this.#time = time;
    this.#wallSkewMs = wallSkewMs;
    this.#rate = rate;
    this.#since = { timeMs: time.nowMs, ownMs: time.nowMs };
  }

  /** From now on the clocks run at `rate`; a timer that is set already rings as it was to. */
  setRate(rate: number): void {
    invariant(rate > 0, 'a clock does not stand still');
    this.#since = { timeMs: this.#time.nowMs, ownMs: this.nowMs() };
    this.#rate = rate;
  }

  /** Somebody sets the wall clock. The monotonic one does not notice. */
  jumpWall(byMs: number): void {
    this.#wallSkewMs += byMs;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  nowMs(): number {
    const { timeMs, ownMs } = this.#since;
    return ownMs + (this.#time.nowMs - timeMs) * this.#rate;
  }

  wallMs(): number {
    return wallStartMs + Math.floor(this.nowMs() + this.#wallSkewMs);
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#time.after(delayMs / this.#rate, () => this.whenAwake(run));
  }

  defer(run: () => void): void {
    this.#time.defer(() => this.whenAwake(run));
  }

  /** Runs `run` now, or at the end of the pause, or never if the life is over. */
  whenAwake(run: () => void): void {
    if (this.#isDead) return;
    if (this.#isPaused) this.#waiting.push(run);
    else run();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) this.#time.defer(() => this.whenAwake(run));
  }

  /** Ends the life: nothing that this clock was asked to run will run. */
  end(): void {
    this.#isDead = true;
    this.#waiting = [];
  }
}
