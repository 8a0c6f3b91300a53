/**
 * Virtual time: one queue of events, worked off in order, for everything that waits in a simulation.
 *
 * Nothing runs beside it. An event runs to its end, then everything that was deferred to the end of the
 * turn, then every promise that has become ready, and only then does time move on. Events of the same
 * moment run in the order in which they were asked for. So a run is a function of its seed.
 */
import { type Clock, invariant, type Timer } from '@quorate/core';

class Scheduled implements Timer {
  readonly atMs: number;
  /** Breaks ties: events of one moment run in the order of asking. */
  readonly order: number;
  readonly run: () => void;
  isCancelled = false;

  constructor(atMs: number, order: number, run: () => void) {
    this.atMs = atMs;
    this.order = order;
    this.run = run;
  }

  cancel(): void {
    this.isCancelled = true;
  }
}

/** Simulations start at this wall time: a fixed moment, so that stamps are the same in every run. */
const wallStartMs = Date.UTC(2026, 0, 1);

export class VirtualTime {
  #nowMs = 0;
  #order = 0;
  #steps = 0;
  readonly #heap: Scheduled[] = [];
  #deferred: (() => void)[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `run` after `delayMs` (>= 0) of virtual time. */
  after(delayMs: number, run: () => void): Timer {
    invariant(delayMs >= 0, `a delay is not negative, got ${delayMs}`);
    this.#order += 1;
    const scheduled = new Scheduled(this.#nowMs + delayMs, this.#order, run);
    this.#push(scheduled);
    return scheduled;
  }

  /** Runs `run` at the end of the present turn. */
  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  /** Steps taken so far. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * Takes step after step. One driver instead of a promise for each step: these are what a simulation consists of.
   * @param isOver asked before each step; what it throws, and what a step throws, rejects
   * @returns true as soon as `isOver` does, false when nothing is left to happen
   */
  runUntil(isOver: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const goOn = (): void => {
        try {
          if (this.#deferred.length > 0) this.#runDeferred();
          else if (isOver()) return resolve(true);
          else if (!this.#step()) return resolve(false);
          whenPromisesHaveRun(goOn);
        } catch (error) {
          reject(error);
        }
      };
      goOn();
    });
  }

  /** Runs what is deferred and every promise that is ready, until neither is left. */
  settle(): Promise<boolean> {
    let hasSettled = false;
    this.defer(() => {
      hasSettled = true;
    });
    return this.runUntil(() => hasSettled);
  }

  /** @returns false when nothing is left to do */
  #step(): boolean {
    const next = this.#pop();
    if (next === undefined) return false;
    invariant(next.atMs >= this.#nowMs, 'time does not go back');
    this.#nowMs = next.atMs;
    this.#steps += 1;
    next.run();
    this.#runDeferred();
    return true;
  }

  #runDeferred(): void {
    if (this.#deferred.length === 0) return;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const run of deferred) run();
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

const ready = Promise.resolve();

/**
 * Runs `run` when no promise can go on any more without new events: no real I/O is under way here. A tick that
 * a promise asks for comes when all promises that are ready are through; that costs no turn of the event loop.
 */
function whenPromisesHaveRun(run: () => void): void {
  void ready.then(() => process.nextTick(run));
}

/** Something that a thread will do when it gets to it. */
interface Errand {
  readonly run: () => void;
  readonly isTimer: boolean;
}

export interface NodeClockOptions {
  /** How far this node's wall clock is off; default 0. */
  readonly wallSkewMs?: number;
  /** How fast its clocks run: 1.2 gains a fifth, 0.8 loses one; default 1. */
  readonly rate?: number;
  /** Called whenever anything has run in this life. */
  readonly ran?: () => void;
}

/**
 * The clock of one life of a node, and with it the thread that it ticks for. When the life ends, its timers
 * and deferred work end with it. While the thread is paused, or computes for a while, they wait, as they do in
 * production; then they run one after the other, as stale as they are.
 */
export class NodeClock implements Clock {
  readonly #time: VirtualTime;
  readonly #ran: () => void;
  #wallSkewMs: number;
  /** This clock's milliseconds for each millisecond of virtual time, and the moment since when that is so. */
  #rate: number;
  #since: { readonly timeMs: number; readonly ownMs: number };
  #isDead = false;
  #isPaused = false;
  /** The thread computes until then, in virtual time. */
  #busyUntilMs = 0;
  #waiting: Errand[] = [];
  #isDrainScheduled = false;

  constructor(time: VirtualTime, options: NodeClockOptions = {}) {
    const { wallSkewMs = 0, rate = 1, ran = () => undefined } = options;
    this.#time = time;
    this.#wallSkewMs = wallSkewMs;
    this.#rate = rate;
    this.#ran = ran;
    this.#since = { timeMs: time.nowMs, ownMs: time.nowMs };
  }

  /** From now on the clocks run at `rate`; a timer that is set already rings as it was to. */
  setRate(rate: number): void {
    invariant(rate > 0, 'a clock does not stand still');
    this.#since = { timeMs: this.#reachedMs(), ownMs: this.nowMs() };
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
    return ownMs + (this.#reachedMs() - timeMs) * this.#rate;
  }

  wallMs(): number {
    return wallStartMs + Math.floor(this.nowMs() + this.#wallSkewMs);
  }

  after(delayMs: number, run: () => void): Timer {
    const sinceNowMs = this.#reachedMs() - this.#time.nowMs;
    return this.#time.after(sinceNowMs + delayMs / this.#rate, () => this.#whenFree({ run, isTimer: true }));
  }

  defer(run: () => void): void {
    this.#time.defer(() => this.whenAwake(run));
  }

  /** Runs `run` now, or when the thread gets to it, or never if the life is over. */
  whenAwake(run: () => void): void {
    this.#whenFree({ run, isTimer: false });
  }

  /** The thread computes for so much virtual time: its clocks go on, and whatever comes has to wait. */
  spend(durationMs: number): void {
    if (durationMs > 0) this.#busyUntilMs = this.#reachedMs() + durationMs;
  }

  pause(): void {
    this.#isPaused = true;
  }

  /**
   * @param timersFirst timers that rang meanwhile go before messages that came meanwhile; default: as it was
   * @returns how many timers rang meanwhile: they are stale
   */
  resume(timersFirst = false): number {
    this.#isPaused = false;
    const timers = this.#waiting.filter(({ isTimer }) => isTimer);
    if (timersFirst) {
      this.#waiting = [...timers, ...this.#waiting.filter(({ isTimer }) => !isTimer)];
    }
    this.#drainLater();
    return timers.length;
  }

  /** Ends the life: nothing that this clock was asked to run will run. */
  end(): void {
    this.#isDead = true;
    this.#waiting = [];
  }

  #reachedMs(): number {
    return Math.max(this.#time.nowMs, this.#busyUntilMs);
  }

  #whenFree(errand: Errand): void {
    if (this.#isDead) return;
    const mustWait = this.#isPaused || this.#waiting.length > 0 || this.#busyUntilMs > this.#time.nowMs;
    if (!mustWait) return this.#do(errand);
    this.#waiting.push(errand);
    this.#drainLater();
  }

  #do(errand: Errand): void {
    this.#ran();
    errand.run();
  }

  #drainLater(): void {
    if (this.#isDrainScheduled || this.#isPaused || this.#waiting.length === 0) return;
    this.#isDrainScheduled = true;
    this.#time.after(this.#reachedMs() - this.#time.nowMs, () => {
      this.#isDrainScheduled = false;
      if (this.#isDead || this.#isPaused) return;
      // Each in a turn of its own, so that what one of them brings about is seen by the next.
      const errand = this.#busyUntilMs > this.#time.nowMs ? undefined : this.#waiting.shift();
      if (errand !== undefined) this.#do(errand);
      this.#drainLater();
    });
  }
}
