/**
 * The operations of the disk port as plain data: what the twins of the disk fail, delay and record.
 */

/** The calls that are made of a disk, by name; `create` is an `open` that makes the file. */
export type DiskOperationKind =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'datasync'
  | 'size'
  | 'truncate'
  | 'close'
  | 'list'
  | 'make-directory'
  | 'rename'
  | 'remove'
  | 'sync-directory';

/** One call of the port. `bytes` is what it moves: 0 for everything but reads and writes. */
export interface DiskOperation {
  readonly kind: DiskOperationKind;
  readonly path: string;
  readonly bytes: number;
}

export function totalBytes(buffers: readonly Uint8Array[]): number {
  let total = 0;
  for (const buffer of buffers) total += buffer.byteLength;
  return total;
}
