/**
 * A node as the app's thread sees it: one life of its worker, from start to exit.
 *
 * Whoever waits for a worker that ends would wait for ever, because a post to it just vanishes: every
 * call of the control plane is also settled by the exit.
 */
import { isMainThread, MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import * as comlink from 'comlink';
import type { NodeId } from './brand.ts';
import { CodedError, type ErrorData, errorToData } from './coded-error.ts';
import type { NodeLimits } from './node-runtime.ts';
import {
  type NodeControl,
  type NodeReport,
  type NodeSettings,
  type Outcome,
  pauseBlocked,
  pauseWanted,
  type ReportSink,
  unwrap,
} from './router/control.ts';
import { endpointOf } from './router/endpoint.ts';

/**
 * Why a node's thread ended. `killed`: by `kill`. `stopped`: by `stop`. `exit`: its code called
 * `process.exit`, or nothing kept it alive. `error`: an error that nobody caught. `out-of-memory`: it
 * outgrew its heap.
 */
export type NodeDownReason = 'killed' | 'stopped' | 'exit' | 'error' | 'out-of-memory';

export interface NodeExit {
  readonly reason: NodeDownReason;
  readonly exitCode: number;
  readonly error?: ErrorData;
}

export interface NodeBirth {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly seed: number;
  readonly limits: NodeLimits;
  readonly isLogging: boolean;
  /** Heap limit of the thread in MiB; without it, Node's default. */
  readonly heapMiB?: number;
  readonly onReports: (reports: readonly NodeReport[]) => void;
}

/** How long a thread may take to come to the point where it blocks. */
const pauseTimeoutMs = 10_000;
/** How much of the time to stop is kept for the end of a thread whose runtime did not stop. */
const endingMs = 1_000;

/** In Node since 16; TypeScript lists it with ES2024, which is not our target. */
const { waitAsync } = Atomics as unknown as {
  waitAsync(
    flags: Int32Array,
    at: number,
    expected: number,
    timeoutMs: number,
  ): { value: string | Promise<string> };
};

type Control = comlink.Remote<NodeControl>;

export class NodeHandle {
  readonly node: NodeId;
  readonly incarnation: number;
  /** Resolves when the thread has ended. */
  readonly exited: Promise<NodeExit>;
  readonly #worker: Worker;
  readonly #control: Control;
  readonly #reports: MessagePort;
  readonly #pauseFlags = new Int32Array(new SharedArrayBuffer(8));
  readonly #waiting = new Set<() => void>();
  #exit: NodeExit | undefined;
  #isEnding = false;
  #intent: 'killed' | 'stopped' | undefined;
  #pausing: Promise<void> | undefined;

  constructor(birth: NodeBirth) {
    this.node = birth.node;
    this.incarnation = birth.incarnation;
    const { port1, port2 } = new MessageChannel();
    this.#reports = port1;
    const sink: ReportSink = { take: birth.onReports };
    comlink.expose(sink, endpointOf(port1));
    const { node, incarnation, seed, limits, isLogging } = birth;
    const pauseFlags = this.#pauseFlags;
    const settings: NodeSettings = { node, incarnation, seed, limits, isLogging, pauseFlags, reports: port2 };
    this.#worker = new Worker(new URL('./router/worker-entry.js', import.meta.url), {
      name: `node ${node}`,
      workerData: settings,
      transferList: [port2],
      ...(birth.heapMiB === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: birth.heapMiB } }),
    });
    this.#control = comlink.wrap<NodeControl>(endpointOf(this.#worker));
    this.exited = this.#watchExit();
  }

  /** Whether it can be asked anything: its thread has not ended, and nobody has told it to. */
  get isUp(): boolean {
    return this.#exit === undefined && !this.#isEnding;
  }

  get isPaused(): boolean {
    return this.#pausing !== undefined;
  }

  /**
   * Asks something of the worker. @throws CodedError what it answers, or `ERR_STOPPED` when it ends first
   */
  call<T>(ask: (control: Control) => Promise<Outcome<T>>): Promise<T> {
    if (!this.isUp) return Promise.reject(this.#ended());
    return new Promise<T>((resolve, reject) => {
      const onEnd = (): void => reject(this.#ended());
      this.#waiting.add(onEnd);
      ask(this.#control)
        .then(unwrap)
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(onEnd));
    });
  }

  /** Gives the worker its end of a port to `peer`. */
  attach(peer: NodeId, port: MessagePort, incarnation: number): Promise<void> {
    return this.call((control) => control.attach(peer, comlink.transfer(port, [port]), incarnation));
  }

  /** Blocks the thread; resolves when it is blocked. @throws CodedError `ERR_STOPPED` */
  async pause(): Promise<void> {
    if (this.#pausing !== undefined) return;
    Atomics.store(this.#pauseFlags, pauseWanted, 1);
    const pausing = this.call((control) => control.pause());
    // It settles after the resume, or with the exit; either way `resume` and `kill` look after it.
    pausing.catch(() => {});
    this.#pausing = pausing;
    const { value } = waitAsync(this.#pauseFlags, pauseBlocked, 0, pauseTimeoutMs);
    const blocked = await Promise.race([value, pausing.then(() => 'ok')]);
    if (blocked === 'timed-out') {
      this.#unblock();
      this.#pausing = undefined;
      const line = `node ${this.node}: its thread did not come to a stop within ${pauseTimeoutMs} ms`;
      throw new CodedError('ERR_ASK_TIMEOUT', line, { node: this.node });
    }
  }

  /** Lets a paused thread go on. */
  async resume(): Promise<void> {
    const pausing = this.#pausing;
    if (pausing === undefined) return;
    this.#unblock();
    await pausing.catch(() => {});
    this.#pausing = undefined;
  }

  /**
   * Ends the thread wherever it is. Resolves when it has ended: in a call of the operating system that does
   * not come back, on a disk that hangs, it cannot be ended.
   */
  async kill(): Promise<void> {
    this.#intent ??= 'killed';
    await this.#terminate();
  }

  /**
   * Stops the runtime, then the thread; a runtime that takes too long is killed.
   * @returns whether the thread has ended: after `withinMs` (one second at least) nobody waits for it
   */
  async stop(withinMs: number): Promise<boolean> {
    this.#intent ??= 'stopped';
    const deadlineMs = performance.now() + withinMs;
    await this.resume();
    // A worker that ended by itself meanwhile has stopped, too.
    const stopped = this.call((control) => control.stop()).catch(() => {});
    await settlesWithin(stopped, Math.max(0, withinMs - endingMs));
    return settlesWithin(this.#terminate(), Math.max(endingMs, deadlineMs - performance.now()));
  }

  /**
   * Nobody waits for the end of this thread any more, and neither shall the process: Node joins every thread
   * before a process ends, one that is held by the kernel too, and would stay for ever.
   */
  abandon(): void {
    this.#worker.unref();
    this.#reports.close();
    // Of a thread of the app's, the end is not the end of the process.
    if (!isMainThread) return;
    const endProcess = (): void => {
      process.kill(process.pid, 'SIGKILL');
    };
    process.once('exit', endProcess);
    void this.exited.then(() => process.off('exit', endProcess));
  }

  async #terminate(): Promise<void> {
    this.#isEnding = true;
    void this.#worker.terminate();
    this.#unblock();
    this.#giveUpWaiting();
    await this.exited;
  }

  #giveUpWaiting(): void {
    for (const onEnd of this.#waiting) onEnd();
    this.#waiting.clear();
  }

  #unblock(): void {
    Atomics.store(this.#pauseFlags, pauseWanted, 0);
    Atomics.notify(this.#pauseFlags, pauseWanted);
  }

  #watchExit(): Promise<NodeExit> {
    let failure: unknown;
    this.#worker.on('error', (error) => {
      failure = error;
    });
    return new Promise((resolve) => {
      this.#worker.on('exit', (exitCode) => {
        const exit = { reason: this.#reasonFor(failure), exitCode };
        this.#exit = failure === undefined ? exit : { ...exit, error: errorToData(failure) };
        this.#reports.close();
        this.#giveUpWaiting();
        resolve(this.#exit);
      });
    });
  }

  #reasonFor(failure: unknown): NodeDownReason {
    if ((failure as { code?: unknown } | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY')
      return 'out-of-memory';
    if (failure !== undefined) return 'error';
    return this.#intent ?? 'exit';
  }

  #ended(): CodedError {
    const { reason, error } = this.#exit ?? { reason: this.#intent ?? 'exit' };
    const line = `node ${this.node} is down: ${reason}${error === undefined ? '' : `: ${error.message}`}`;
    return new CodedError('ERR_STOPPED', line, { node: this.node, incarnation: this.incarnation, reason });
  }
}

/** Resolves when `done` has settled, or when that has taken too long. @returns whether it has settled */
async function settlesWithin(done: Promise<void>, withinMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, withinMs, false);
  });
  const settled = await Promise.race([done.then(() => true), tooLong]);
  clearTimeout(timer);
  return settled;
}
