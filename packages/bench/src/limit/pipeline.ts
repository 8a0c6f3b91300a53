/**
 * The limit's threads, started and wired: the client stays in the calling thread, every node has a worker.
 *
 * Plain workers and ports, none of Quorate's actors: this is what they are compared with.
 */
import { join } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { errorFromData, invariant } from '@quorate/core';
import {
  decodeResults,
  encodeDecodable,
  encodeOpaque,
  type LimitCommand,
  type LimitMode,
  readHeader,
} from './batch.ts';
import type { LimitNodeOptions, NodeReport } from './node-worker.ts';

export interface PipelineOptions {
  readonly mode: LimitMode;
  /** The leader's thread included. */
  readonly nodes: number;
  /** Each node gets a file in it; undefined: nothing is written. */
  readonly directory: string | undefined;
  /** No more bytes than these are ever outstanding. */
  readonly groupBytesMax: number;
}

type Resolve = (outcome: 'ok') => void;

export class Pipeline {
  /** Rejects when a disk or a thread fails; what is outstanding is never resolved then. Never resolves. */
  readonly failed: Promise<never>;
  readonly #mode: LimitMode;
  readonly #workers: readonly Worker[];
  readonly #leader: MessagePort;
  #commands: LimitCommand[] = [];
  #resolves: Resolve[] = [];
  /** What waits for the reply to each batch under way, oldest first; replies come in that order. */
  readonly #underWay: Resolve[][] = [];
  #lastSent = 0;
  #lastReplied = 0;

  private constructor(mode: LimitMode, nodes: readonly StartedNode[], leader: MessagePort) {
    this.#mode = mode;
    this.#workers = nodes.map(({ worker }) => worker);
    this.failed = Promise.race(nodes.map(({ failed }) => failed));
    this.#leader = leader;
    leader.on('message', (reply: ArrayBuffer) => this.#onReply(Buffer.from(reply)));
  }

  /**
   * Starts `nodes` workers and resolves when each has its file.
   * @throws CodedError `ERR_DISK_FULL` or `ERR_DISK_FAILED`
   */
  static async start(options: PipelineOptions): Promise<Pipeline> {
    const client = new MessageChannel();
    const links = Array.from({ length: options.nodes - 1 }, () => new MessageChannel());
    const started = Array.from({ length: options.nodes }, (_, node) => {
      const link = links[node - 1];
      return startNode(
        {
          mode: options.mode,
          path: options.directory === undefined ? undefined : join(options.directory, `node-${node}.limit`),
          groupBytesMax: options.groupBytesMax,
          links:
            link === undefined
              ? { role: 'leader', client: client.port2, followers: links.map(({ port1 }) => port1) }
              : { role: 'follower', leader: link.port2 },
        },
        link === undefined ? [client.port2, ...links.map(({ port1 }) => port1)] : [link.port2],
      );
    });
    const pipeline = new Pipeline(options.mode, started, client.port1);
    try {
      await Promise.race([Promise.all(started.map(({ ready }) => ready)), pipeline.failed]);
      return pipeline;
    } catch (error) {
      await pipeline.stop();
      throw error;
    }
  }

  /**
   * Resolves when a quorum has the command and the leader has applied it. It leaves with this turn's batch.
   * The promise is the only one of its operation: at a million a second, one more is a tenth of the time.
   */
  submit(command: LimitCommand): Promise<'ok'> {
    return new Promise((resolve) => {
      if (this.#commands.length === 0) setImmediate(() => this.#flush());
      this.#commands.push(command);
      this.#resolves.push(resolve);
    });
  }

  async stop(): Promise<void> {
    this.#leader.close();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #flush(): void {
    const encode = this.#mode === 'opaque' ? encodeOpaque : encodeDecodable;
    this.#lastSent += 1;
    const batch = encode(this.#lastSent, this.#commands);
    this.#underWay.push(this.#resolves);
    this.#commands = [];
    this.#resolves = [];
    this.#leader.postMessage(batch.buffer, [batch.buffer as ArrayBuffer]);
  }

  #onReply(reply: Buffer): void {
    const { number, count } = readHeader(reply);
    const resolves = this.#underWay.shift();
    this.#lastReplied += 1;
    invariant(resolves !== undefined && number === this.#lastReplied, 'replies come in the order of batches');
    const results = decodeResults(reply)?.length ?? count;
    invariant(resolves.length === results, 'a reply answers every command of its batch');
    for (const resolve of resolves) resolve('ok');
  }
}

interface StartedNode {
  readonly worker: Worker;
  readonly ready: Promise<void>;
  readonly failed: Promise<never>;
}

function startNode(workerData: LimitNodeOptions, transferList: readonly MessagePort[]): StartedNode {
  const worker = new Worker(new URL('./node-worker.js', import.meta.url), {
    workerData,
    transferList: [...transferList],
  });
  let onReady = (): void => {};
  let onFailed = (_error: Error): void => {};
  const ready = new Promise<void>((resolve) => {
    onReady = resolve;
  });
  const failed = new Promise<never>((_, reject) => {
    onFailed = reject;
  });
  worker.on('message', (report: NodeReport) => {
    if (report.type === 'ready') onReady();
    else onFailed(errorFromData(report.error));
  });
  worker.on('error', onFailed);
  return { worker, ready, failed };
}
