/**
 * The worker of one node of the limit: wires a leader or a follower to its ports and its disk.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type ErrorData, errorToData, invariant } from '@quorate/core';
import { asDiskError } from '@quorate/storage';
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

function openStore(options: LimitNodeOptions, onDurable: (batches: number) => void): BatchStore {
  const { path, groupBytesMax } = options;
  if (path === undefined) return memoryStore(onDurable);
  const onError = (error: unknown): void =>
    report({ type: 'failed', error: errorToData(asDiskError(error, 'write', path)) });
  try {
    return groupCommitFile({ path, groupBytesMax, onDurable, onError });
  } catch (error) {
    throw asDiskError(error, 'preallocate', path);
  }
}

function report(said: NodeReport): void {
  control?.postMessage(said);
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
  report({ type: 'ready' });
}

try {
  start(workerData as LimitNodeOptions);
} catch (error) {
  report({ type: 'failed', error: errorToData(error) });
}
