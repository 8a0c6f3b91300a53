/**
 * A disk that tells what is done to it: with the trace one can prove that nothing was acknowledged
 * before the sync that covers it, which no `kill -9` can show.
 */
import type { DiskOperation, DiskOperationKind } from './disk-operation.ts';
import { totalBytes } from './disk-operation.ts';
import type { File, FileSystem } from './file-system.ts';

/** One finished operation. */
export interface DiskEvent {
  readonly kind: DiskOperationKind;
  readonly path: string;
  /** Where a rename leads. */
  readonly to?: string;
  /** Byte position in the file; reads, writes and truncations only. */
  readonly position?: number;
  /** Bytes moved. */
  readonly length: number;
  readonly startMs: number;
  readonly endMs: number;
  /** Starts and ends counted together over all operations: tells the order where times are equal. */
  readonly startOrder: number;
  readonly endOrder: number;
  /** What was written, when asked for; a copy. */
  readonly bytes?: Uint8Array;
  /** Present when the operation failed. */
  readonly error?: unknown;
}

/** What a trace holds. */
export interface TracingOptions {
  readonly nowMs: () => number;
  /** Copies what is written into the events. Default false. */
  readonly withBytes?: boolean;
}

type Facts = Pick<DiskEvent, 'to' | 'position' | 'bytes'>;

/** `sink` is called when an operation ends, before the caller hears of it. */
export function tracingFileSystem(
  inner: FileSystem,
  sink: (event: DiskEvent) => void,
  options: TracingOptions,
): FileSystem {
  let order = 0;
  const traced = async <T>(operation: DiskOperation, facts: Facts, run: () => Promise<T>): Promise<T> => {
    const startMs = options.nowMs();
    const startOrder = ++order;
    const report = (outcome: { readonly error?: unknown }): void => {
      const { kind, path, bytes: length } = operation;
      const times = { startMs, endMs: options.nowMs(), startOrder, endOrder: ++order };
      sink({ kind, path, length, ...facts, ...times, ...outcome });
    };
    try {
      const result = await run();
      report({});
      return result;
    } catch (error) {
      report({ error });
      throw error;
    }
  };
  const plain = <T>(kind: DiskOperationKind, path: string, run: () => Promise<T>): Promise<T> =>
    traced({ kind, path, bytes: 0 }, {}, run);

  const tracedFile = (file: File, path: string): File => ({
    read: (into, position) =>
      traced({ kind: 'read', path, bytes: into.byteLength }, { position }, () => file.read(into, position)),
    write: (buffers, position) =>
      traced(
        { kind: 'write', path, bytes: totalBytes(buffers) },
        { position, ...(options.withBytes === true ? { bytes: joined(buffers) } : {}) },
        () => file.write(buffers, position),
      ),
    datasync: () => plain('datasync', path, () => file.datasync()),
    sizeBytes: () => plain('size', path, () => file.sizeBytes()),
    truncate: (sizeBytes) =>
      traced({ kind: 'truncate', path, bytes: 0 }, { position: sizeBytes }, () => file.truncate(sizeBytes)),
    close: () => plain('close', path, () => file.close()),
  });

  return {
    open: async (path, mode) =>
      tracedFile(
        await plain(mode === 'create' ? 'create' : 'open', path, () => inner.open(path, mode)),
        path,
      ),
    list: (directory) => plain('list', directory, () => inner.list(directory)),
    makeDirectory: (directory) => plain('make-directory', directory, () => inner.makeDirectory(directory)),
    rename: (from, to) =>
      traced({ kind: 'rename', path: from, bytes: 0 }, { to }, () => inner.rename(from, to)),
    remove: (path) => plain('remove', path, () => inner.remove(path)),
    syncDirectory: (directory) => plain('sync-directory', directory, () => inner.syncDirectory(directory)),
  };
}

function joined(buffers: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(totalBytes(buffers));
  let at = 0;
  for (const buffer of buffers) {
    bytes.set(buffer, at);
    at += buffer.byteLength;
  }
  return bytes;
}
