/**
 * The disk port over Node's `fs`: every call runs in libuv's pool, none blocks the event loop.
 *
 * The callback functions of `fs` are used rather than `fs.promises`: a `FileHandle` costs an object and
 * a microtask more for each of the two calls that a group commit consists of.
 */
import fs from 'node:fs';
import { dirname } from 'node:path';
import { diskError, errnoOf } from './disk-error.ts';
import { totalBytes } from './disk-operation.ts';
import type { File, FileSystem, OpenMode } from './file-system.ts';

const flags: Readonly<Record<OpenMode, string>> = { read: 'r', update: 'r+', create: 'wx+' };

type Callback<T> = (error: NodeJS.ErrnoException | null, result: T) => void;

/** One call of `fs` as a promise that rejects with a coded error. */
function call<T>(operation: string, path: string, start: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, result) => {
      if (error === null || error === undefined) resolve(result);
      else reject(diskError(error.code ?? 'UNKNOWN', operation, path, error));
    });
  });
}

class NodeFile implements File {
  readonly #descriptor: number;
  readonly #path: string;

  constructor(descriptor: number, path: string) {
    this.#descriptor = descriptor;
    this.#path = path;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < into.byteLength) {
      const from = done;
      const taken = await call<number>('read', this.#path, (callback) =>
        fs.read(this.#descriptor, into, from, into.byteLength - from, position + from, callback),
      );
      if (taken === 0) break;
      done += taken;
    }
    return done;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let left = buffers.filter((buffer) => buffer.byteLength > 0);
    let at = position;
    while (left.length > 0) {
      const written = await this.#writeOnce(left, at);
      // A call that takes nothing and reports nothing would be repeated for ever.
      if (written === 0) throw diskError('EIO', 'write', this.#path);
      at += written;
      left = written === totalBytes(left) ? [] : skipBytes(left, written);
    }
  }

  #writeOnce(buffers: readonly Uint8Array[], position: number): Promise<number> {
    return call<number>('write', this.#path, (callback) =>
      fs.writev(this.#descriptor, buffers as Uint8Array[], position, (error, written) =>
        callback(error, written),
      ),
    );
  }

  datasync(): Promise<void> {
    return call<void>('datasync', this.#path, (done) =>
      fs.fdatasync(this.#descriptor, (error) => done(error, undefined)),
    );
  }

  async sizeBytes(): Promise<number> {
    const stats = await call<fs.Stats>('size', this.#path, (done) => fs.fstat(this.#descriptor, done));
    return stats.size;
  }

  truncate(sizeBytes: number): Promise<void> {
    return call<void>('truncate', this.#path, (done) =>
      fs.ftruncate(this.#descriptor, sizeBytes, (error) => done(error, undefined)),
    );
  }

  close(): Promise<void> {
    return call<void>('close', this.#path, (done) =>
      fs.close(this.#descriptor, (error) => done(error ?? null, undefined)),
    );
  }
}

/** What is left of `buffers` after their first `bytes`. */
function skipBytes(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const left: Uint8Array[] = [];
  let skip = bytes;
  for (const buffer of buffers) {
    if (skip < buffer.byteLength) left.push(buffer.subarray(skip));
    skip = Math.max(0, skip - buffer.byteLength);
  }
  return left;
}

async function syncDirectory(directory: string): Promise<void> {
  const descriptor = await call<number>('sync-directory', directory, (done) => fs.open(directory, 'r', done));
  try {
    await call<void>('sync-directory', directory, (done) =>
      fs.fsync(descriptor, (error) => done(error, undefined)),
    );
  } finally {
    await call<void>('close', directory, (done) =>
      fs.close(descriptor, (error) => done(error ?? null, undefined)),
    );
  }
}

/**
 * Makes the directory and those above it, and syncs each one in which a new name came to stand.
 * Not `recursive: true`, which on Node 20 turns for ever where a directory can never be made (`/proc/x`).
 */
async function makeDirectory(directory: string): Promise<void> {
  const made = await makeOne(directory);
  if (made === 'exists') return;
  if (made === 'no-parent') {
    const parent = dirname(directory);
    if (parent === directory) throw diskError('ENOENT', 'make-directory', directory);
    await makeDirectory(parent);
    if ((await makeOne(directory)) === 'no-parent') throw diskError('ENOENT', 'make-directory', directory);
  }
  await syncDirectory(dirname(directory));
}

async function makeOne(directory: string): Promise<'made' | 'exists' | 'no-parent'> {
  try {
    await call<void>('make-directory', directory, (done) =>
      fs.mkdir(directory, (error) => done(error, undefined)),
    );
    return 'made';
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return 'no-parent';
    if (errno !== 'EEXIST') throw error;
  }
  const stats = await call<fs.Stats>('make-directory', directory, (done) => fs.stat(directory, done));
  if (!stats.isDirectory()) throw diskError('ENOTDIR', 'make-directory', directory);
  return 'exists';
}

async function list(directory: string): Promise<readonly string[]> {
  try {
    const names = await call<string[]>('list', directory, (done) => fs.readdir(directory, done));
    return names.sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function remove(path: string): Promise<void> {
  await call<void>('remove', path, (done) =>
    fs.unlink(path, (error) => done(error?.code === 'ENOENT' ? null : error, undefined)),
  );
}

/**
 * The real disk. Paths are absolute. Errors are `ERR_DISK_FULL` for `ENOSPC` and `EDQUOT`, otherwise
 * `ERR_DISK_FAILED`, with the system's name in `details.errno`.
 */
export function nodeFileSystem(): FileSystem {
  return {
    async open(path, mode) {
      const kind = mode === 'create' ? 'create' : 'open';
      const descriptor = await call<number>(kind, path, (done) => fs.open(path, flags[mode], done));
      return new NodeFile(descriptor, path);
    },
    list,
    makeDirectory,
    rename: (from, to) =>
      call<void>('rename', from, (done) => fs.rename(from, to, (error) => done(error, undefined))),
    remove,
    syncDirectory,
  };
}
