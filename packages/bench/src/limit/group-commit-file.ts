/**
 * A preallocated file with group commit: what is appended while one `fdatasync` runs goes with the next.
 *
 * The file is as long as it will ever be before the first append, so an `fdatasync` has no metadata to
 * write; at its end it starts over from the front. It is never read: the limit has no recovery.
 */
import { closeSync, fdatasync, fsyncSync, openSync, writeSync, writev } from 'node:fs';
import { invariant } from '@quorate/core';

const preallocatedBytesMin = 64 * 2 ** 20;

/** Where a replica of the limit puts its batches. */
export interface BatchStore {
  /** Takes the bytes; they must not change until they are durable. */
  append(batch: Uint8Array): void;
}

/** Keeps nothing and calls everything durable at once: the row without a disk. */
export function memoryStore(onDurable: (batches: number) => void): BatchStore {
  return { append: () => onDurable(1) };
}

/**
 * @param options.groupBytesMax no more bytes than these are ever queued at once
 * @param options.onDurable called with the number of batches that became durable, in the order of appending
 * @param options.onError called once when the disk fails; nothing becomes durable after it
 */
export function groupCommitFile(options: {
  readonly path: string;
  readonly groupBytesMax: number;
  readonly onDurable: (batches: number) => void;
  readonly onError: (error: Error) => void;
}): BatchStore {
  const { path, groupBytesMax, onDurable, onError } = options;
  const preallocatedBytes = Math.max(preallocatedBytesMin, 2 * groupBytesMax);
  const descriptor = preallocate(path, preallocatedBytes);
  let queued: Uint8Array[] = [];
  let isWriting = false;
  let position = 0;

  const commitQueued = (): void => {
    isWriting = true;
    const group = queued;
    queued = [];
    const bytes = group.reduce((sum, batch) => sum + batch.byteLength, 0);
    invariant(bytes <= preallocatedBytes, 'one group of batches fits the preallocated file');
    if (position + bytes > preallocatedBytes) position = 0;
    writev(descriptor, group, position, (writeError, written) => {
      if (writeError !== null) return onError(writeError);
      if (written !== bytes) return onError(new Error(`wrote ${written} of ${bytes} bytes`));
      fdatasync(descriptor, (syncError) => {
        if (syncError !== null) return onError(syncError);
        isWriting = false;
        if (queued.length > 0) commitQueued();
        onDurable(group.length);
      });
    });
    position += bytes;
  };

  return {
    append(batch) {
      queued.push(batch);
      if (!isWriting) commitQueued();
    },
  };
}

function preallocate(path: string, bytes: number): number {
  const descriptor = openSync(path, 'w');
  try {
    const zeroes = new Uint8Array(1024 * 1024);
    for (let at = 0; at < bytes; at += zeroes.byteLength) {
      writeSync(descriptor, zeroes, 0, zeroes.byteLength, at);
    }
    fsyncSync(descriptor);
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}
