/**
 * A disk that fails on demand: errors, full, read-only, hung or slow, one operation in so many or all.
 *
 * Conditions are set from outside and hold until they are set anew; randomness and time are injected.
 */
import type { Clock, Random } from '@quorate/core';
import { diskError } from './disk-error.ts';
import { type DiskOperation, type DiskOperationKind, totalBytes } from './disk-operation.ts';
import { type File, type FileSystem, sectorBytes, writeDurably } from './file-system.ts';

/** The errors that can be had on purpose: a failed device, a full one, a read-only one. */
export type FaultErrno = 'EIO' | 'ENOSPC' | 'EROFS';

/** What is wrong with a disk from now on. What is not named is well. */
export interface DiskConditions {
  readonly fail?: {
    readonly errno: FaultErrno;
    /** Which operations. Default: what a real disk fails so (`EIO`: `write`, `datasync`). */
    readonly on?: readonly DiskOperationKind[];
    /** Part of the operations that fail, 0 to 1. Default 1. */
    readonly rate?: number;
    /** So many failures, then no more. Default: no end. */
    readonly times?: number;
  };
  /** These operations do not end until conditions without them are set. `true`: all. */
  readonly hang?: true | readonly DiskOperationKind[];
  /** Every operation starts so much later. Needs `clock`. */
  readonly delayMs?: number;
}

/** What the faults of a disk are drawn from, and who is told of them. */
export interface FaultyOptions {
  /** For `rate`, and for how much of a write is done before the disk is full. */
  readonly random: Random;
  /** For `delayMs`. */
  readonly clock?: Pick<Clock, 'after'>;
  /**
   * Told of each `datasync` that was made to fail. A disk in memory loses the unsynced writes of the
   * file then, as Linux does: they stay readable, and no later sync brings them to the disk.
   */
  readonly onSyncFailed?: (path: string) => void;
}

/** Operations that failed, hung or were delayed on purpose. */
export interface FaultCounts {
  readonly failed: number;
  readonly hung: number;
  readonly delayed: number;
}

/** A disk whose faults can be set while it is used. */
export type FaultyFileSystem = FileSystem & {
  /** Replaces all conditions; `{}` heals the disk, and lets go what hung. */
  set(conditions: DiskConditions): void;
  /** Faults injected so far. */
  readonly counts: FaultCounts;
};

const failedBy: Readonly<Record<FaultErrno, readonly DiskOperationKind[]>> = {
  EIO: ['write', 'datasync'],
  ENOSPC: ['write', 'create', 'make-directory'],
  EROFS: ['write', 'truncate', 'create', 'make-directory', 'rename', 'remove'],
};

/**
 * Puts faults in front of any disk. Healthy until `set` says otherwise; an operation that is made to fail does
 * not reach `inner`, but for the part of a write that a full disk has room for.
 */
export function faultyFileSystem(inner: FileSystem, options: FaultyOptions): FaultyFileSystem {
  const faults = new Faults(options);
  const through = async <T>(kind: DiskOperationKind, path: string, run: () => Promise<T>): Promise<T> => {
    await faults.pass({ kind, path, bytes: 0 });
    return run();
  };
  return {
    open: (path, mode) =>
      through(mode === 'create' ? 'create' : 'open', path, async () =>
        faultyFile(await inner.open(path, mode), path, faults),
      ),
    list: (directory) => through('list', directory, () => inner.list(directory)),
    makeDirectory: (directory) => through('make-directory', directory, () => inner.makeDirectory(directory)),
    rename: (from, to) => through('rename', from, () => inner.rename(from, to)),
    remove: (path) => through('remove', path, () => inner.remove(path)),
    syncDirectory: (directory) => through('sync-directory', directory, () => inner.syncDirectory(directory)),
    set: (conditions) => faults.set(conditions),
    get counts() {
      return faults.counts;
    },
  };
}

function faultyFile(file: File, path: string, faults: Faults): File {
  const through = async <T>(kind: DiskOperationKind, run: () => Promise<T>): Promise<T> => {
    await faults.pass({ kind, path, bytes: 0 });
    return run();
  };
  const faulty: File = {
    read: (into, position) => through('read', () => file.read(into, position)),
    write: async (buffers, position) => {
      try {
        await faults.pass({ kind: 'write', path, bytes: totalBytes(buffers) });
      } catch (error) {
        const part = faults.partBeforeFull(error, { position, bytes: totalBytes(buffers) });
        if (part > 0) await file.write([Buffer.concat(buffers).subarray(0, part)], position);
        throw error;
      }
      await file.write(buffers, position);
    },
    datasync: () => through('datasync', () => file.datasync()),
    sizeBytes: () => through('size', () => file.sizeBytes()),
    truncate: (sizeBytes) => through('truncate', () => file.truncate(sizeBytes)),
    // Closing is never made to fail: what it would leave open is ours, not the disk's.
    close: () => file.close(),
  };
  const inOne = file.writeDurably;
  if (inOne === undefined) return faulty;
  return {
    ...faulty,
    // On a sick disk each half fails, hangs and is late by itself.
    writeDurably: (buffers, position) =>
      faults.areNone ? inOne.call(file, buffers, position) : writeDurably(faulty, buffers, position),
  };
}

class Faults {
  readonly #options: FaultyOptions;
  #conditions: DiskConditions = {};
  #failuresLeft = Number.POSITIVE_INFINITY;
  #hung: (() => void)[] = [];
  #counts = { failed: 0, hung: 0, delayed: 0 };

  constructor(options: FaultyOptions) {
    this.#options = options;
  }

  get counts(): FaultCounts {
    return { ...this.#counts };
  }

  get areNone(): boolean {
    return Object.keys(this.#conditions).length === 0;
  }

  set(conditions: DiskConditions): void {
    this.#conditions = conditions;
    this.#failuresLeft = conditions.fail?.times ?? Number.POSITIVE_INFINITY;
    const released = this.#hung;
    this.#hung = [];
    for (const release of released) release();
  }

  /** Resolves when the operation may go to the disk; rejects when it is to fail. */
  async pass(operation: DiskOperation): Promise<void> {
    // Asked again after each wait: the conditions may have changed, and hang it still or anew.
    while (this.#hangs(operation)) {
      this.#counts.hung++;
      await new Promise<void>((resolve) => this.#hung.push(resolve));
    }
    const { delayMs } = this.#conditions;
    const { clock } = this.#options;
    if (delayMs !== undefined && clock !== undefined) {
      this.#counts.delayed++;
      await new Promise<void>((resolve) => clock.after(delayMs, resolve));
    }
    this.#failIfDue(operation);
  }

  #hangs({ kind }: DiskOperation): boolean {
    const { hang } = this.#conditions;
    return hang !== undefined && (hang === true || hang.includes(kind));
  }

  #failIfDue({ kind, path }: DiskOperation): void {
    const { fail } = this.#conditions;
    if (fail === undefined || this.#failuresLeft <= 0) return;
    if (!(fail.on ?? failedBy[fail.errno]).includes(kind)) return;
    if (fail.rate !== undefined && !this.#options.random.chance(fail.rate)) return;
    this.#failuresLeft--;
    this.#counts.failed++;
    if (kind === 'datasync') this.#options.onSyncFailed?.(path);
    throw diskError(fail.errno, kind, path);
  }

  /** A disk that runs full has taken a part of the write, up to a sector's end: how many bytes. */
  partBeforeFull(error: unknown, write: { readonly position: number; readonly bytes: number }): number {
    const { errno } = (error as { details?: { errno?: unknown } }).details ?? {};
    if (errno !== 'ENOSPC') return 0;
    const end = write.position + this.#options.random.below(write.bytes + 1);
    return Math.max(0, end - (end % sectorBytes) - write.position);
  }
}
