/**
 * The worker of one node of the limit: wires a leader or a follower to its ports and its disk.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type ErrorData, errorToData, invariant } from '@quorate/core';
import type { LimitMode } from './batch.ts';
import { type BatchStore, groupCommitFile, memoryStore } from './group-commit-file.ts';
import { LimitFollower, LimitLeader, type SendBytes } from './replica.ts';

export interface LimitNodeOptions {
  readonly mode: LimitMode;
  /** Undefined: nothing is written. */
  readonly path: string | undefined;
  readonly groupBytesMax: number;
  /** A leader has the client and its followers; a follower has its leader. */
  readonly links:
    | { readonly role: 'leader'; readonly client: MessagePort; readonly followers: readonly MessagePort[] }
    | { readonly role: 'follower'; readonly leader: MessagePort };
}

/** What a node says to the thread that started it. */
export type NodeReport = { readonly type: 'ready' } | { readonly type: 'failed'; readonly error: ErrorData };

const control = parentPort;
invariant(control !== null, 'a node of the limit runs in a worker');

const fail = (error: unknown): void => {
  const isFull = (error as NodeJS.ErrnoException).code === 'ENOSPC';
  const data = errorToData(error, isFull ? 'ERR_DISK_FULL' : 'ERR_DISK_FAILED');
  control.postMessage({ type: 'failed', error: data } satisfies NodeReport);
};

function openStore(options: LimitNodeOptions, onDurable: (batches: number) => void): BatchStore {
  const { path, groupBytesMax } = options;
  if (path === undefined) return memoryStore(onDurable);
  return groupCommitFile({ path, groupBytesMax, onDurable, onError: fail });
}

function sendOver(port: MessagePort): SendBytes {
  return (bytes) => port.postMessage(bytes.buffer, [bytes.buffer as ArrayBuffer]);
}

function start(options: LimitNodeOptions): void {
  const { mode, links } = options;
  if (links.role === 'leader') {
    const leader = new LimitLeader({
      mode,
      store: openStore(options, (batches) => leader.onOwnDurable(batches)),
      followers: links.followers.map(sendOver),
      reply: sendOver(links.client),
    });
    links.followers.forEach((port, follower) => {
      port.on('message', (upTo: number) => leader.onAcknowledged(follower, upTo));
    });
    links.client.on('message', (batch: ArrayBuffer) => leader.onBatch(Buffer.from(batch)));
  } else {
    const { leader: port } = links;
    const follower = new LimitFollower({
      mode,
      store: openStore(options, (batches) => follower.onOwnDurable(batches)),
      acknowledge: (upTo) => port.postMessage(upTo),
    });
    port.on('message', (batch: ArrayBuffer) => follower.onBatch(Buffer.from(batch)));
  }
  control?.postMessage({ type: 'ready' } satisfies NodeReport);
}

try {
  start(workerData as LimitNodeOptions);
} catch (error) {
  fail(error);
}
