/**
 * A disk in memory that forgets at a crash what a real one may forget: nothing more, nothing less.
 *
 * It keeps two things apart: what was synced, and the changes since. Running code sees both; a crash
 * keeps, drops or tears each change at random. So code that forgot a sync fails here in a seed or two,
 * while on a real disk it would take a power cut. There is no clock and no randomness inside: latency
 * comes from `settle`, the fate of changes from the random stream that {@link MemoryFileSystem.crash}
 * is given.
 */
import type { Random } from '@quorate/core';
import { diskError, fileIsClosed } from './disk-error.ts';
import { type DiskOperation, totalBytes } from './disk-operation.ts';
import type { File, FileSystem, OpenMode } from './file-system.ts';
import { MemoryFile, type Surviving } from './memory-file.ts';

/** How long the operations of a disk in memory take. */
export interface MemoryFileSystemOptions {
  /** Called at each operation; the operation resolves after it. The default adds no time at all. */
  readonly settle?: (operation: DiskOperation) => Promise<void>;
}

/** What a crash did, for traces and for counting how many faults of each kind a run injected. */
export interface CrashReport extends Surviving {
  readonly directoryOperationsKept: number;
  readonly directoryOperationsDropped: number;
}

/** A change of names that no `syncDirectory` covers yet. */
type NameChange =
  | { readonly kind: 'create'; readonly path: string; readonly file: MemoryFile }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly path: string; readonly file: MemoryFile };

function applyNameChange(names: Map<string, MemoryFile>, change: NameChange): void {
  if (change.kind === 'remove') names.delete(change.path);
  else {
    if (change.kind === 'rename') names.delete(change.from);
    names.set(change.path, change.file);
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? (slash === 0 ? '/' : '') : path.slice(0, slash);
}

/**
 * A disk in memory. It keeps apart what running code sees and what is synced, and `crash` loses of the rest
 * what a power failure may lose.
 */
export class MemoryFileSystem implements FileSystem {
  readonly #settle: ((operation: DiskOperation) => Promise<void>) | undefined;
  readonly #directories = new Set<string>(['', '/']);
  /** Names as running code sees them. */
  #names = new Map<string, MemoryFile>();
  /** Names as they stand on the disk. */
  #syncedNames = new Map<string, MemoryFile>();
  #nameChanges: NameChange[] = [];
  /** Grows with every crash; what was opened under an older one is dead. */
  #generation = 0;

  constructor(options: MemoryFileSystemOptions = {}) {
    this.#settle = options.settle;
  }

  /**
   * The port as one process sees it: after a crash or {@link detach} every operation on it, and on the
   * files it opened, rejects. The methods of this object itself always belong to the present process.
   */
  mount(): FileSystem {
    const generation = this.#generation;
    return {
      open: (path, mode) => this.#open(generation, path, mode),
      list: (directory) => this.#list(generation, directory),
      makeDirectory: (directory) => this.#makeDirectory(generation, directory),
      rename: (from, to) => this.#rename(generation, from, to),
      remove: (path) => this.#remove(generation, path),
      syncDirectory: (directory) => this.#syncDirectory(generation, directory),
    };
  }

  open(path: string, mode: OpenMode): Promise<File> {
    return this.#open(this.#generation, path, mode);
  }
  list(directory: string): Promise<readonly string[]> {
    return this.#list(this.#generation, directory);
  }
  makeDirectory(directory: string): Promise<void> {
    return this.#makeDirectory(this.#generation, directory);
  }
  rename(from: string, to: string): Promise<void> {
    return this.#rename(this.#generation, from, to);
  }
  remove(path: string): Promise<void> {
    return this.#remove(this.#generation, path);
  }
  syncDirectory(directory: string): Promise<void> {
    return this.#syncDirectory(this.#generation, directory);
  }

  /**
   * The power fails: each unsynced write is kept, dropped, or torn at 512-byte sectors, each unsynced
   * change of a name is kept or dropped, as `random` has it. Everything that was open is dead.
   */
  crash(random: Random): CrashReport {
    this.#generation++;
    const report = { writesKept: 0, writesDropped: 0, writesTorn: 0 };
    let directoryOperationsKept = 0;
    const changes = this.#nameChanges;
    this.#nameChanges = [];
    for (const change of changes) {
      if (random.chance(0.5)) continue;
      applyNameChange(this.#syncedNames, change);
      directoryOperationsKept++;
    }
    for (const path of [...this.#syncedNames.keys()].sort()) {
      this.#syncedNames.get(path)?.crash(random, report);
    }
    this.#names = new Map(this.#syncedNames);
    return {
      ...report,
      directoryOperationsKept,
      directoryOperationsDropped: changes.length - directoryOperationsKept,
    };
  }

  /** The process dies (`kill -9`) and the disk does not: open files are dead, nothing is lost. */
  detach(): void {
    this.#generation++;
  }

  /**
   * What a failed `fdatasync` does on Linux: the unsynced writes of the file stay visible, are taken
   * for clean, and never reach the disk, however often a later sync succeeds.
   */
  loseUnsynced(path: string): void {
    this.#existing(path, 'datasync').loseUnsynced();
  }

  /** Every path, sorted. */
  paths(): readonly string[] {
    return [...this.#names.keys()].sort();
  }

  /** A copy of what running code would read. */
  image(path: string): Uint8Array {
    return this.#existing(path, 'read').image();
  }

  /** A copy of what is certain to survive a crash now. */
  syncedImage(path: string): Uint8Array {
    return this.#existing(path, 'read').syncedImage();
  }

  /** Damages or repairs the disk behind everyone's back: writes through to the synced bytes. */
  overwrite(path: string, position: number, bytes: Uint8Array): void {
    this.#existing(path, 'write').overwrite(bytes, position);
  }

  #existing(path: string, operation: string): MemoryFile {
    const file = this.#names.get(path);
    if (file === undefined) throw diskError('ENOENT', operation, path);
    return file;
  }

  #requireAlive(generation: number, operation: DiskOperation): void {
    if (generation !== this.#generation) throw diskError('EIO', operation.kind, operation.path);
  }

  async #settled(generation: number, operation: DiskOperation): Promise<void> {
    if (this.#settle === undefined) return;
    await this.#settle(operation);
    this.#requireAlive(generation, operation);
  }

  async #open(generation: number, path: string, mode: OpenMode): Promise<File> {
    const operation: DiskOperation = { kind: mode === 'create' ? 'create' : 'open', path, bytes: 0 };
    this.#requireAlive(generation, operation);
    if (mode === 'create') {
      if (this.#names.has(path)) throw diskError('EEXIST', operation.kind, path);
      if (!this.#directories.has(parentOf(path))) throw diskError('ENOENT', operation.kind, path);
      this.#changeName({ kind: 'create', path, file: new MemoryFile() });
    }
    const file = this.#existing(path, operation.kind);
    await this.#settled(generation, operation);
    return this.#handle(generation, path, file, mode !== 'read');
  }

  #handle(generation: number, path: string, file: MemoryFile, writable: boolean): File {
    let open = true;
    const begin = (kind: DiskOperation['kind'], bytes: number): DiskOperation => {
      const operation = { kind, path, bytes };
      this.#requireAlive(generation, operation);
      if (!open) throw fileIsClosed(kind, path);
      if (!writable && (kind === 'write' || kind === 'truncate')) throw diskError('EBADF', kind, path);
      return operation;
    };
    return {
      read: async (into, position) => {
        const operation = begin('read', into.byteLength);
        const taken = file.read(into, position);
        await this.#settled(generation, operation);
        return taken;
      },
      // A write is pending from the moment of the call: a crash may find it half done.
      write: async (buffers, position) => {
        const operation = begin('write', totalBytes(buffers));
        file.write(buffers, position);
        await this.#settled(generation, operation);
      },
      datasync: async () => {
        const operation = begin('datasync', 0);
        const covered = file.changesSoFar();
        await this.#settled(generation, operation);
        file.sync(covered);
      },
      sizeBytes: async () => {
        const operation = begin('size', 0);
        await this.#settled(generation, operation);
        return file.sizeBytes;
      },
      truncate: async (sizeBytes) => {
        const operation = begin('truncate', 0);
        file.truncate(sizeBytes);
        await this.#settled(generation, operation);
      },
      close: async () => {
        const operation = begin('close', 0);
        open = false;
        await this.#settled(generation, operation);
      },
    };
  }

  async #list(generation: number, directory: string): Promise<readonly string[]> {
    const operation: DiskOperation = { kind: 'list', path: directory, bytes: 0 };
    this.#requireAlive(generation, operation);
    await this.#settled(generation, operation);
    const names = new Set<string>();
    const prefix = directory.endsWith('/') || directory === '' ? directory : `${directory}/`;
    for (const path of [...this.#names.keys(), ...this.#directories]) {
      if (!path.startsWith(prefix) || path.length <= prefix.length) continue;
      names.add(path.slice(prefix.length).split('/')[0] ?? '');
    }
    return [...names].sort();
  }

  async #makeDirectory(generation: number, directory: string): Promise<void> {
    const operation: DiskOperation = { kind: 'make-directory', path: directory, bytes: 0 };
    this.#requireAlive(generation, operation);
    await this.#settled(generation, operation);
    for (let at = directory; !this.#directories.has(at); at = parentOf(at)) this.#directories.add(at);
  }

  async #rename(generation: number, from: string, to: string): Promise<void> {
    const operation: DiskOperation = { kind: 'rename', path: from, bytes: 0 };
    this.#requireAlive(generation, operation);
    this.#changeName({ kind: 'rename', from, path: to, file: this.#existing(from, 'rename') });
    await this.#settled(generation, operation);
  }

  async #remove(generation: number, path: string): Promise<void> {
    const operation: DiskOperation = { kind: 'remove', path, bytes: 0 };
    this.#requireAlive(generation, operation);
    if (this.#names.has(path)) this.#changeName({ kind: 'remove', path });
    await this.#settled(generation, operation);
  }

  async #syncDirectory(generation: number, directory: string): Promise<void> {
    const operation: DiskOperation = { kind: 'sync-directory', path: directory, bytes: 0 };
    this.#requireAlive(generation, operation);
    const covered = this.#nameChanges.filter((change) => parentOf(change.path) === directory);
    await this.#settled(generation, operation);
    const isCovered = new Set(covered);
    for (const change of covered) applyNameChange(this.#syncedNames, change);
    this.#nameChanges = this.#nameChanges.filter((change) => !isCovered.has(change));
  }

  #changeName(change: NameChange): void {
    applyNameChange(this.#names, change);
    this.#nameChanges.push(change);
  }
}
