/**
 * The disk port: the few calls that we make of a file system, and what each one promises.
 *
 * What the log and the snapshots rely on is written here and nowhere else, so that the real disk, the
 * one in memory, the faulty one and the tracing one can stand in for each other. Paths are absolute or
 * relative to the port's root, with `/` between parts.
 *
 * Assumed of every disk: a write that was not followed by a `datasync` may be lost, in whole or in
 * 512-byte sectors, in any order; after a failed `datasync` nothing is known about the writes before it.
 */

/** What a disk writes in one piece: a crash leaves each sector as it was before a write, or as after it. */
export const sectorBytes = 512;

/** An open file. All positions and sizes are in bytes. */
export interface File {
  /** Reads into `into` from `position`; resolves with the bytes read, fewer only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of `buffers`, one after the other, from `position`. Resolves when the system has taken them. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** Resolves when all that was written to this file before the call survives a power loss (`fdatasync`). */
  datasync(): Promise<void>;
  /** `write`, then `datasync`, as one call: where each of them wakes another thread. See {@link writeDurably}. */
  readonly writeDurably?: (buffers: readonly Uint8Array[], position: number) => Promise<void>;
  sizeBytes(): Promise<number>;
  truncate(sizeBytes: number): Promise<void>;
  /**
   * Resolves when what was under way is over and the file is closed. From the call on, everything else that is
   * asked of it, another `close` too, is `ERR_DISK_FAILED` with `EBADF`, and reaches no file.
   */
  close(): Promise<void>;
}

/** Writes all of `buffers` from `position`; resolves when it, and all written before, survives a power loss. */
export async function writeDurably(
  file: File,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<void> {
  if (file.writeDurably !== undefined) return file.writeDurably(buffers, position);
  await file.write(buffers, position);
  await file.datasync();
}

/** `read`: must exist. `update`: must exist, read and write. `create`: must not exist, read and write. */
export type OpenMode = 'read' | 'update' | 'create';

/**
 * Errors are `CodedError`s: `ERR_DISK_FULL` when no space is left, `ERR_DISK_FAILED` otherwise
 * (`details.errno` has the system's name for it, such as `EIO`, `EROFS`, `ENOENT`).
 */
export interface FileSystem {
  open(path: string, mode: OpenMode): Promise<File>;
  /** Names in the directory, sorted; an empty array when it does not exist. */
  list(directory: string): Promise<readonly string[]>;
  /** Makes the directory and its parents; they survive a power loss once this resolves. */
  makeDirectory(directory: string): Promise<void>;
  /** Renames atomically, replacing `to`. Survives a power loss only after `syncDirectory` of the parent. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; no error when it does not exist. */
  remove(path: string): Promise<void>;
  /** Resolves when creations, renames and removals in `directory` survive a power loss. */
  syncDirectory(directory: string): Promise<void>;
}
