/**
 * The calls that the disk port makes of the operating system, one for one: who answers them (libuv's
 * pool, or a thread of their own) is exchangeable, and what the port makes of them is not.
 *
 * A call that fails rejects with an error whose `code` is the system's name for the failure.
 */
import fs from 'node:fs';
import { totalBytes } from './disk-operation.ts';

export interface SystemCalls {
  open(path: string, flags: string): Promise<number>;
  /** Resolves with the bytes taken: at least one, unless the file ends at `position`. */
  read(descriptor: number, into: Uint8Array, position: number): Promise<number>;
  /** Resolves with the bytes written, which may be fewer than there are. */
  write(descriptor: number, buffers: readonly Uint8Array[], position: number): Promise<number>;
  datasync(descriptor: number): Promise<void>;
  /** `write`, and then, if it has written all that there is, `datasync`. */
  writeDurably(descriptor: number, buffers: readonly Uint8Array[], position: number): Promise<number>;
  sync(descriptor: number): Promise<void>;
  sizeBytes(descriptor: number): Promise<number>;
  truncate(descriptor: number, sizeBytes: number): Promise<void>;
  close(descriptor: number): Promise<void>;
  list(directory: string): Promise<string[]>;
  isDirectory(path: string): Promise<boolean>;
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
}

function call<T>(
  start: (done: (error: NodeJS.ErrnoException | null, result: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, result) => {
      if (error === null || error === undefined) resolve(result);
      else reject(error);
    });
  });
}

function run(start: (done: fs.NoParamCallback) => void): Promise<void> {
  return call<void>((done) => start((error) => done(error, undefined)));
}

/**
 * Over the callback functions of `fs`: each call takes one of the four threads that libuv has for the
 * whole process. For work that is no node's: a disk that hangs takes those threads from everyone.
 */
export const poolCalls: SystemCalls = {
  async writeDurably(descriptor, buffers, position) {
    const written = await poolCalls.write(descriptor, buffers, position);
    if (written === totalBytes(buffers)) await poolCalls.datasync(descriptor);
    return written;
  },
  open: (path, flags) => call((done) => fs.open(path, flags, done)),
  read: (descriptor, into, position) =>
    call((done) =>
      fs.read(descriptor, into, 0, into.byteLength, position, (error, taken) => done(error, taken)),
    ),
  write: (descriptor, buffers, position) =>
    call((done) =>
      fs.writev(descriptor, buffers as Uint8Array[], position, (error, written) => done(error, written)),
    ),
  datasync: (descriptor) => run((done) => fs.fdatasync(descriptor, done)),
  sync: (descriptor) => run((done) => fs.fsync(descriptor, done)),
  sizeBytes: async (descriptor) => (await call<fs.Stats>((done) => fs.fstat(descriptor, done))).size,
  truncate: (descriptor, sizeBytes) => run((done) => fs.ftruncate(descriptor, sizeBytes, done)),
  close: (descriptor) => run((done) => fs.close(descriptor, done)),
  list: (directory) => call((done) => fs.readdir(directory, done)),
  isDirectory: async (path) => (await call<fs.Stats>((done) => fs.stat(path, done))).isDirectory(),
  makeDirectory: (path) => run((done) => fs.mkdir(path, done)),
  rename: (from, to) => run((done) => fs.rename(from, to, done)),
  remove: (path) => run((done) => fs.unlink(path, done)),
};
