/**
 * The snapshot store: the snapshots of all groups of a node, each a file of its own.
 *
 * A snapshot exists from its rename on, and is renamed only when its bytes are synced: so a crash
 * leaves either the whole of it or a temporary file, which the next start removes. The one before is
 * kept until {@link SnapshotStore.prune}: should the newest turn out damaged, there is one to fall back to.
 */
import { hasCode, invariant } from '@quorate/core';
import type { File, FileSystem } from './file-system.ts';
import {
  blockHeadBytes,
  blockPayloadBytes,
  blockPosition,
  encodeSnapshotFooter,
  encodeSnapshotHeader,
  readBlocks,
  readSnapshotSize,
  type SnapshotPosition,
  sealBlock,
  snapshotSeed,
} from './snapshot-file.ts';

/** A snapshot that is durable: whose it is, how far it reaches, how large it is. */
export interface SnapshotMeta extends SnapshotPosition {
  /** Bytes of content. */
  readonly sizeBytes: number;
}

/** Writes one snapshot; calls must not overlap. After an error only {@link abort} may be called. */
export interface SnapshotWriter {
  /** Takes the next bytes of the content; they are copied. */
  append(chunk: Uint8Array): Promise<void>;
  /** Resolves when the snapshot survives a power loss. */
  commit(): Promise<SnapshotMeta>;
  /** Gives up and removes what was written. */
  abort(): Promise<void>;
}

/** Reads one snapshot. What is read was verified, chunk by chunk. */
export interface SnapshotReader {
  readonly sizeBytes: number;
  /**
   * Reads up to `bytesMax` (>= 1) bytes of content from `offset`; fewer, down to none, only at its end.
   * @throws ERR_LOG_CORRUPT when what stands there is damaged
   */
  read(offset: number, bytesMax: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A snapshot file. `sizeBytes` is undefined until it was verified. */
interface Held {
  readonly position: SnapshotPosition;
  readonly path: string;
  sizeBytes: number | undefined;
}

/** How much a writer leaves unsynced: more would make the log's own syncs wait behind it. */
const unsyncedBytesMax = 4 * 1024 * 1024;
const blocksPerVerification = 16;

/**
 * The snapshots of a node, of all its groups: each whole or absent, the one before kept until the next is
 * proven.
 */
export class SnapshotStore {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  /** Per group, newest first. The first one was verified. */
  readonly #held = new Map<number, Held[]>();
  /** Files found damaged when the store was opened; `prune` of their group removes them. */
  readonly #damaged: Held[] = [];
  #temporaries = 0;

  /**
   * Opens the store, removes what unfinished snapshots left, and verifies the newest of each group;
   * where that is damaged, the one before, and so on.
   * @throws what the disk port throws
   */
  static async open(options: {
    readonly fileSystem: FileSystem;
    readonly directory: string;
  }): Promise<SnapshotStore> {
    const store = new SnapshotStore(options.fileSystem, options.directory);
    await options.fileSystem.makeDirectory(options.directory);
    await store.#load();
    return store;
  }

  private constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
  }

  /** The newest snapshot of the group that is whole: by epoch, then by index. */
  latest(group: number): SnapshotMeta | undefined {
    const newest = this.#held.get(group)?.[0];
    if (newest === undefined) return undefined;
    invariant(newest.sizeBytes !== undefined, 'the newest snapshot of a group was verified');
    return { ...newest.position, sizeBytes: newest.sizeBytes };
  }

  /** Paths of the snapshots that were found damaged when the store was opened. */
  get damaged(): readonly string[] {
    return this.#damaged.map(({ path }) => path);
  }

  async create(position: Omit<SnapshotMeta, 'sizeBytes'>): Promise<SnapshotWriter> {
    const path = this.#path(position);
    const temporary = `${path}.${++this.#temporaries}.tmp`;
    const file = await this.#fileSystem.open(temporary, 'create');
    const writer = new BlockWriter(file, position);
    let isOpen = true;
    return {
      append: (chunk) => writer.append(chunk),
      commit: async () => {
        const sizeBytes = await writer.finish();
        isOpen = false;
        await file.close();
        await this.#fileSystem.rename(temporary, path);
        await this.#fileSystem.syncDirectory(this.#directory);
        this.#hold({ position, path, sizeBytes });
        return { ...position, sizeBytes };
      },
      abort: async () => {
        if (isOpen) await file.close();
        isOpen = false;
        await this.#fileSystem.remove(temporary);
      },
    };
  }

  /** @throws ERR_LOG_CORRUPT when header or footer are damaged; ERR_DISK_FAILED when there is none */
  async reader(meta: SnapshotPosition): Promise<SnapshotReader> {
    const path = this.#path(meta);
    const file = await this.#fileSystem.open(path, 'read');
    const sizeBytes = await readSnapshotSize(file, path, meta).catch(async (error: unknown) => {
      await file.close();
      throw error;
    });
    const from = { path, seed: snapshotSeed(meta), sizeBytes };
    return {
      sizeBytes,
      read: async (offset, bytesMax) => {
        const end = Math.min(offset + bytesMax, sizeBytes);
        if (offset >= end) return new Uint8Array(0);
        const first = Math.floor(offset / blockPayloadBytes);
        const count = Math.ceil(end / blockPayloadBytes) - first;
        const content = Buffer.concat(await readBlocks(file, from, { first, count }));
        const skip = offset - first * blockPayloadBytes;
        return new Uint8Array(content.buffer, content.byteOffset + skip, end - offset);
      },
      close: () => file.close(),
    };
  }

  /**
   * Removes the snapshots older than the one that the log counts from, but for the newest of them, and
   * those found damaged. Newer ones stay: the log may come to count from them.
   */
  async prune(countsFrom: Omit<SnapshotPosition, 'reign'>): Promise<void> {
    const { group, epoch, index } = countsFrom;
    const held = this.#held.get(group) ?? [];
    const isOlder = ({ position }: Held): boolean =>
      position.epoch < epoch || (position.epoch === epoch && position.index < index);
    const newestOlder = held.findIndex(isOlder);
    const superseded = newestOlder < 0 ? [] : held.splice(newestOlder + 1);
    const isDamaged = (one: Held): boolean => one.position.group === group;
    const gone = [...superseded, ...this.#damaged.filter(isDamaged)];
    this.#damaged.splice(0, this.#damaged.length, ...this.#damaged.filter((one) => !isDamaged(one)));
    for (const { path } of gone) await this.#fileSystem.remove(path);
    if (gone.length > 0) await this.#fileSystem.syncDirectory(this.#directory);
  }

  async #load(): Promise<void> {
    for (const name of await this.#fileSystem.list(this.#directory)) {
      const path = `${this.#directory}/${name}`;
      const position = parseName(name);
      if (position !== undefined) this.#hold({ position, path, sizeBytes: undefined });
      else if (/\.snap\.\d+\.tmp$/.test(name)) await this.#fileSystem.remove(path);
    }
    for (const held of this.#held.values()) await this.#verifyNewest(held);
  }

  async #verifyNewest(held: Held[]): Promise<void> {
    for (let newest = held[0]; newest !== undefined; newest = held[0]) {
      try {
        newest.sizeBytes = await this.#verify(newest);
        return;
      } catch (error) {
        if (!hasCode(error, 'ERR_LOG_CORRUPT')) throw error;
        this.#damaged.push(newest);
        held.shift();
      }
    }
  }

  async #verify({ path, position }: Held): Promise<number> {
    const file = await this.#fileSystem.open(path, 'read');
    try {
      const sizeBytes = await readSnapshotSize(file, path, position);
      const from = { path, seed: snapshotSeed(position), sizeBytes };
      const blocks = Math.ceil(sizeBytes / blockPayloadBytes);
      for (let first = 0; first < blocks; first += blocksPerVerification) {
        await readBlocks(file, from, { first, count: Math.min(blocksPerVerification, blocks - first) });
      }
      return sizeBytes;
    } finally {
      await file.close();
    }
  }

  #hold(one: Held): void {
    const others = (this.#held.get(one.position.group) ?? []).filter(({ path }) => path !== one.path);
    others.push(one);
    others.sort((a, b) => b.position.epoch - a.position.epoch || b.position.index - a.position.index);
    this.#held.set(one.position.group, others);
  }

  #path({ group, epoch, index, reign }: SnapshotPosition): string {
    return `${this.#directory}/${group}-${epoch}-${index}-${reign}.snap`;
  }
}

function parseName(name: string): SnapshotPosition | undefined {
  const match = /^(\d+)-(\d+)-(\d+)-(\d+)\.snap$/.exec(name);
  if (match === null) return undefined;
  const [group = -1, epoch = -1, index = -1, reign = -1] = match.slice(1).map(Number);
  const isOurs = group >>> 0 === group && [epoch, index, reign].every(Number.isSafeInteger);
  return isOurs ? { group, epoch, index, reign } : undefined;
}

/** Cuts the content into blocks and writes each one once it is full. */
class BlockWriter {
  readonly #file: File;
  readonly #seed: number;
  readonly #header: Uint8Array;
  readonly #block = new Uint8Array(blockHeadBytes + blockPayloadBytes);
  #filled = 0;
  #blocks = 0;
  #sizeBytes = 0;
  #unsyncedBytes = 0;

  constructor(file: File, position: SnapshotPosition) {
    this.#file = file;
    this.#seed = snapshotSeed(position);
    this.#header = encodeSnapshotHeader(position);
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let taken = 0; taken < chunk.byteLength; ) {
      const take = Math.min(blockPayloadBytes - this.#filled, chunk.byteLength - taken);
      this.#block.set(chunk.subarray(taken, taken + take), blockHeadBytes + this.#filled);
      this.#filled += take;
      taken += take;
      if (this.#filled === blockPayloadBytes) await this.#flush();
    }
  }

  async finish(): Promise<number> {
    if (this.#filled > 0) await this.#flush();
    const end = blockPosition(this.#blocks) - (this.#blocks * blockPayloadBytes - this.#sizeBytes);
    await this.#file.write([this.#header], 0);
    await this.#file.write([encodeSnapshotFooter(this.#sizeBytes)], end);
    await this.#file.datasync();
    return this.#sizeBytes;
  }

  async #flush(): Promise<void> {
    const block = this.#block.subarray(0, blockHeadBytes + this.#filled);
    sealBlock(block, this.#seed, this.#blocks);
    await this.#file.write([block], blockPosition(this.#blocks));
    this.#blocks++;
    this.#sizeBytes += this.#filled;
    this.#unsyncedBytes += block.byteLength;
    this.#filled = 0;
    if (this.#unsyncedBytes < unsyncedBytesMax) return;
    await this.#file.datasync();
    this.#unsyncedBytes = 0;
  }
}
