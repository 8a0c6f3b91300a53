/**
 * A disk of one's own thread: the disk port of a node, whose calls wait for nobody else's.
 *
 * libuv's pool has four threads for the whole process. Four calls that hang, of one node on one bad
 * disk, would hold up every other node of the process, and everything else that uses the pool.
 */
import { Worker } from 'node:worker_threads';
import type { DiskArguments, DiskReply, DiskThreadData } from './disk-thread-message.ts';
import type { FileSystem } from './file-system.ts';
import { nodeFileSystem } from './node-file-system.ts';
import type { SystemCalls } from './system-calls.ts';

/** A disk whose calls nobody else's wait for, nor they for others'. */
export interface DiskThread {
  /** The real disk as {@link nodeFileSystem} gives it; calls are done one after the other. */
  readonly fileSystem: FileSystem;
  /**
   * Ends the thread; what is under way or asked for later fails at once with `ERR_DISK_FAILED`. Resolves
   * when the thread has ended: on a disk that hangs, when the call that hangs has come back. Until then
   * it may still change the disk, and nobody else may open the directory.
   */
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads are done in pieces of this size: their bytes are held twice for a moment. */
const readBytesMax = 4 * 1024 * 1024;

/**
 * Starts a disk thread. It ends with the thread that started it, which it does not keep alive by itself
 * while nothing is asked of it.
 */
export function startDiskThread(): DiskThread {
  const doorbell = new Int32Array(new SharedArrayBuffer(4));
  const workerData: DiskThreadData = { doorbell };
  const worker = new Worker(new URL('./disk-thread-entry.js', import.meta.url), {
    workerData,
    name: 'quorate-disk',
    // It needs no loader, and some flags of a process refuse to start a worker from a file.
    execArgv: [],
  });
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let isOver = false;
  worker.unref();
  worker.on('message', ([id, result, error]: DiskReply) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) worker.unref();
    if (error === undefined) call?.resolve(result as never);
    else call?.reject(Object.assign(new Error(error.message), { code: error.code }));
  });
  const end = (): void => {
    isOver = true;
    for (const { reject } of waiting.values()) reject(gone(diedOf));
    waiting.clear();
  };
  const exited = new Promise<void>((resolve) => {
    worker.on('exit', () => {
      end();
      resolve();
    });
  });
  // What it died of is told by the calls that fail; without a listener it would end the node's thread.
  let diedOf: unknown;
  worker.on('error', (error) => {
    diedOf = error;
  });
  const ask: Ask = (name, ...values) => {
    if (isOver) return Promise.reject(gone(diedOf));
    return new Promise((resolve, reject) => {
      if (waiting.size === 0) worker.ref();
      waiting.set(++lastId, { resolve, reject });
      worker.postMessage([lastId, name, ...values]);
      Atomics.add(doorbell, 0, 1);
      Atomics.notify(doorbell, 0);
    });
  };
  return {
    fileSystem: nodeFileSystem(callsBy(ask)),
    async close() {
      end();
      await worker.terminate();
      await exited;
    },
  };
}

function gone(cause: unknown): Error {
  return Object.assign(new Error('the disk thread has ended', { cause }), { code: 'ECANCELED' });
}

type Ask = <Name extends keyof SystemCalls>(name: Name, ...values: DiskArguments<Name>) => Promise<never>;

function callsBy(ask: Ask): SystemCalls {
  return {
    open: (path, flags) => ask('open', path, flags),
    async read(descriptor, into, position) {
      const bytes: Uint8Array = await ask(
        'read',
        descriptor,
        Math.min(into.byteLength, readBytesMax),
        position,
      );
      into.set(bytes);
      return bytes.byteLength;
    },
    write: (descriptor, buffers, position) => ask('write', descriptor, buffers.map(portable), position),
    writeDurably: (descriptor, buffers, position) =>
      ask('writeDurably', descriptor, buffers.map(portable), position),
    datasync: (descriptor) => ask('datasync', descriptor),
    sync: (descriptor) => ask('sync', descriptor),
    sizeBytes: (descriptor) => ask('sizeBytes', descriptor),
    truncate: (descriptor, sizeBytes) => ask('truncate', descriptor, sizeBytes),
    close: (descriptor) => ask('close', descriptor),
    list: (directory) => ask('list', directory),
    isDirectory: (path) => ask('isDirectory', path),
    makeDirectory: (path) => ask('makeDirectory', path),
    rename: (from, to) => ask('rename', from, to),
    remove: (path) => ask('remove', path),
  };
}

/**
 * Shared memory is seen by the other thread as it is; anything else is copied on the way, and a view with
 * the whole of what it is a view of.
 */
function portable(buffer: Uint8Array): Uint8Array {
  if (buffer.buffer instanceof SharedArrayBuffer) return buffer;
  return buffer.byteLength === buffer.buffer.byteLength ? buffer : new Uint8Array(buffer);
}
