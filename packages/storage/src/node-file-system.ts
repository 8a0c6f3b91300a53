/**
 * The disk port over a real file system: short reads and writes are continued, directories are synced
 * where a name came to stand in them, and every failure gets one of our codes.
 */
import { dirname } from 'node:path';
import { asDiskError, diskError, errnoOf, fileIsClosed } from './disk-error.ts';
import { totalBytes } from './disk-operation.ts';
import type { File, FileSystem, OpenMode } from './file-system.ts';
import { poolCalls, type SystemCalls } from './system-calls.ts';

const flags: Readonly<Record<OpenMode, string>> = { read: 'r', update: 'r+', create: 'wx+' };

/** Waits for one call; a failure becomes a coded error that names the operation and the path. */
async function coded<T>(operation: string, path: string, called: Promise<T>): Promise<T> {
  try {
    return await called;
  } catch (error) {
    throw asDiskError(error, operation, path);
  }
}

class NodeFile implements File {
  readonly #calls: SystemCalls;
  readonly #descriptor: number;
  readonly #path: string;
  /** Calls that have the descriptor: closing waits for them, or one could go to the file that gets it next. */
  #underWay = 0;
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  constructor(calls: SystemCalls, descriptor: number, path: string) {
    this.#calls = calls;
    this.#descriptor = descriptor;
    this.#path = path;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < into.byteLength) {
      const left = into.subarray(done);
      const at = position + done;
      const taken = await this.#call('read', (descriptor) => this.#calls.read(descriptor, left, at));
      if (taken === 0) break;
      done += taken;
    }
    return done;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let left = withoutEmpty(buffers);
    let at = position;
    while (left.length > 0) {
      const [now, from] = [left, at];
      const written = await this.#call('write', (descriptor) => this.#calls.write(descriptor, now, from));
      // A call that takes nothing and reports nothing would be repeated for ever.
      if (written === 0) throw diskError('EIO', 'write', this.#path);
      at += written;
      left = written === totalBytes(left) ? [] : skipBytes(left, written);
    }
  }

  async writeDurably(buffers: readonly Uint8Array[], position: number): Promise<void> {
    const whole = withoutEmpty(buffers);
    if (whole.length === 0) return this.datasync();
    const written = await this.#call('write-durably', (descriptor) =>
      this.#calls.writeDurably(descriptor, whole, position),
    );
    if (written === totalBytes(whole)) return;
    await this.write(skipBytes(whole, written), position + written);
    await this.datasync();
  }

  datasync(): Promise<void> {
    return this.#call('datasync', (descriptor) => this.#calls.datasync(descriptor));
  }

  sizeBytes(): Promise<number> {
    return this.#call('size', (descriptor) => this.#calls.sizeBytes(descriptor));
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#call('truncate', (descriptor) => this.#calls.truncate(descriptor, sizeBytes));
  }

  async close(): Promise<void> {
    if (this.#isClosed) throw fileIsClosed('close', this.#path);
    this.#isClosed = true;
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await coded('close', this.#path, this.#calls.close(this.#descriptor));
  }

  async #call<T>(operation: string, start: (descriptor: number) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw fileIsClosed(operation, this.#path);
    this.#underWay++;
    try {
      return await start(this.#descriptor);
    } catch (error) {
      throw asDiskError(error, operation, this.#path);
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#onIdle?.();
    }
  }
}

function withoutEmpty(buffers: readonly Uint8Array[]): readonly Uint8Array[] {
  return buffers.filter((buffer) => buffer.byteLength > 0);
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

/**
 * The real disk, by the `calls` that are given: without any, each one runs in libuv's pool, which all of
 * the process shares. Paths are absolute. Errors are `ERR_DISK_FULL` for `ENOSPC` and `EDQUOT`, otherwise
 * `ERR_DISK_FAILED`, with the system's name in `details.errno`.
 */
export function nodeFileSystem(calls: SystemCalls = poolCalls): FileSystem {
  const syncDirectory = async (directory: string): Promise<void> => {
    const descriptor = await coded('sync-directory', directory, calls.open(directory, 'r'));
    try {
      await coded('sync-directory', directory, calls.sync(descriptor));
    } finally {
      await coded('close', directory, calls.close(descriptor));
    }
  };

  const makeOne = async (directory: string): Promise<'made' | 'exists' | 'no-parent'> => {
    try {
      await coded('make-directory', directory, calls.makeDirectory(directory));
      return 'made';
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT') return 'no-parent';
      if (errno !== 'EEXIST') throw error;
    }
    if (await coded('make-directory', directory, calls.isDirectory(directory))) return 'exists';
    throw diskError('ENOTDIR', 'make-directory', directory);
  };

  // Each directory in which a new name came to stand is synced. Not `recursive: true`, which on Node 20
  // turns for ever where a directory can never be made (`/proc/x`).
  const makeDirectory = async (directory: string): Promise<void> => {
    const made = await makeOne(directory);
    if (made === 'exists') return;
    if (made === 'no-parent') {
      const parent = dirname(directory);
      if (parent === directory) throw diskError('ENOENT', 'make-directory', directory);
      await makeDirectory(parent);
      if ((await makeOne(directory)) === 'no-parent') throw diskError('ENOENT', 'make-directory', directory);
    }
    await syncDirectory(dirname(directory));
  };

  return {
    async open(path, mode) {
      const kind = mode === 'create' ? 'create' : 'open';
      return new NodeFile(calls, await coded(kind, path, calls.open(path, flags[mode])), path);
    },
    async list(directory) {
      try {
        return (await coded('list', directory, calls.list(directory))).sort();
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return [];
        throw error;
      }
    },
    makeDirectory,
    rename: (from, to) => coded('rename', from, calls.rename(from, to)),
    async remove(path) {
      try {
        await coded('remove', path, calls.remove(path));
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error;
      }
    },
    syncDirectory,
  };
}
