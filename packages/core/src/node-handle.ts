/**
 * A node as the app's thread sees it: one life of its worker, from start to exit.
 *
 * Whoever waits for a worker that ends would wait for ever, because a post to it just vanishes: every
 * call of the control plane is also settled by the exit.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
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
  readonly #waiting = new Set<(exit: NodeExit) => void>();
  #exit: NodeExit | undefined;
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

  get isUp(): boolean {
    return this.#exit === undefined;
  }

  get isPaused(): boolean {
    return this.#pausing !== undefined;
  }

  /**
   * Asks something of the worker. @throws CodedError what it answers, or `ERR_STOPPED` when it ends first
   */
  call<T>(ask: (control: Control) => Promise<Outcome<T>>): Promise<T> {
    if (this.#exit !== undefined) return Promise.reject(this.#ended(this.#exit));
    return new Promise<T>((resolve, reject) => {
      const onExit = (exit: NodeExit): void => reject(this.#ended(exit));
      this.#waiting.add(onExit);
      ask(this.#control)
        .then(unwrap)
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(onExit));
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

  /** Ends the thread wherever it is. Resolves when it has ended. */
  async kill(): Promise<void> {
    this.#intent ??= 'killed';
    await this.#terminate();
  }

  /** Stops the runtime, then the thread; a runtime that takes longer than `withinMs` is killed. */
  async stop(withinMs: number): Promise<void> {
    this.#intent ??= 'stopped';
    await this.resume();
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, withinMs);
    });
    // A worker that ended by itself meanwhile has stopped, too.
    const stopped = this.call((control) => control.stop()).catch(() => {});
    await Promise.race([stopped, tooLong]);
    clearTimeout(timer);
    await this.#terminate();
  }

  async #terminate(): Promise<void> {
    const terminated = this.#worker.terminate();
    this.#unblock();
    await terminated;
    await this.exited;
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
        for (const onExit of this.#waiting) onExit(this.#exit);
        this.#waiting.clear();
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

  #ended({ reason, error }: NodeExit): CodedError {
    const line = `node ${this.node} is down: ${reason}${error === undefined ? '' : `: ${error.message}`}`;
    return new CodedError('ERR_STOPPED', line, { node: this.node, incarnation: this.incarnation, reason });
  }
}
