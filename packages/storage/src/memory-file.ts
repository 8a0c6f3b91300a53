/**
 * The content of one file in memory: the bytes that are synced, and the changes that are not.
 */
import type { Random } from '@quorate/core';
import { totalBytes } from './disk-operation.ts';
import { sectorBytes } from './file-system.ts';
import { SparseBytes } from './sparse-bytes.ts';

/**
 * Whether a change is on the disk. `lost`: a sync failed over it, so it is visible until the crash, and gone
 * after. `synced`: on the disk, and still kept because running code must see it above an older lost one.
 */
type State = 'unsynced' | 'lost' | 'synced';

interface WriteChange {
  readonly kind: 'write';
  readonly position: number;
  readonly bytes: Uint8Array;
  state: State;
}

interface TruncateChange {
  readonly kind: 'truncate';
  readonly sizeBytes: number;
  state: State;
}

type Change = WriteChange | TruncateChange;

/** How many unsynced writes met which fate. */
export interface Surviving {
  readonly writesKept: number;
  readonly writesDropped: number;
  readonly writesTorn: number;
}

function applyChange(content: SparseBytes, change: Change): void {
  if (change.kind === 'write') content.write(change.bytes, change.position);
  else content.truncate(change.sizeBytes);
}

export class MemoryFile {
  readonly #synced = new SparseBytes();
  #changes: Change[] = [];
  #sizeBytes = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Reads as running code sees the file; returns the bytes read. */
  read(into: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(into.byteLength, this.#sizeBytes - position));
    const target = into.subarray(0, length);
    this.#synced.read(target, position);
    for (const change of this.#changes) {
      if (change.kind === 'write') overlay(target, position, change);
      else if (change.sizeBytes < position + length) target.fill(0, Math.max(0, change.sizeBytes - position));
    }
    return length;
  }

  /** One change, however many buffers: the sectors in which two of them meet are written once. */
  write(buffers: readonly Uint8Array[], position: number): void {
    const bytes = new Uint8Array(totalBytes(buffers));
    let at = 0;
    for (const buffer of buffers) {
      bytes.set(buffer, at);
      at += buffer.byteLength;
    }
    this.#changes.push({ kind: 'write', position, bytes, state: 'unsynced' });
    this.#sizeBytes = Math.max(this.#sizeBytes, position + bytes.byteLength);
  }

  truncate(sizeBytes: number): void {
    this.#changes.push({ kind: 'truncate', sizeBytes, state: 'unsynced' });
    this.#sizeBytes = sizeBytes;
  }

  /** The changes that a sync begun now would cover. */
  changesSoFar(): ReadonlySet<object> {
    return new Set(this.#changes);
  }

  sync(covered: ReadonlySet<object>): void {
    const left: Change[] = [];
    let isAboveLost = false;
    for (const change of this.#changes) {
      if (change.state === 'unsynced' && covered.has(change)) {
        applyChange(this.#synced, change);
        change.state = 'synced';
      }
      isAboveLost ||= change.state === 'lost';
      if (change.state !== 'synced' || isAboveLost) left.push(change);
    }
    this.#changes = left;
  }

  loseUnsynced(): void {
    for (const change of this.#changes) if (change.state === 'unsynced') change.state = 'lost';
  }

  crash(random: Random, report: { -readonly [K in keyof Surviving]: number }): void {
    const changes = this.#changes;
    this.#changes = [];
    for (const change of changes) {
      if (change.state === 'synced') continue;
      const fate =
        change.state === 'lost' ? 'dropped' : (['kept', 'dropped', 'torn'] as const)[random.below(3)];
      if (change.kind === 'truncate') {
        if (fate === 'kept') applyChange(this.#synced, change);
      } else if (fate === 'kept') {
        applyChange(this.#synced, change);
        report.writesKept++;
      } else if (fate === 'torn') {
        this.#tear(change, random);
        report.writesTorn++;
      } else report.writesDropped++;
    }
    this.#sizeBytes = this.#synced.sizeBytes;
  }

  /** Keeps a random half of the sectors that the write touches. */
  #tear(change: WriteChange, random: Random): void {
    const end = change.position + change.bytes.byteLength;
    for (let at = change.position; at < end; ) {
      const next = Math.min(end, at - (at % sectorBytes) + sectorBytes);
      if (random.chance(0.5)) {
        this.#synced.write(change.bytes.subarray(at - change.position, next - change.position), at);
      }
      at = next;
    }
  }

  image(): Uint8Array {
    const bytes = new Uint8Array(this.#sizeBytes);
    this.read(bytes, 0);
    return bytes;
  }

  syncedImage(): Uint8Array {
    const bytes = new Uint8Array(this.#synced.sizeBytes);
    this.#synced.read(bytes, 0);
    return bytes;
  }

  overwrite(bytes: Uint8Array, position: number): void {
    this.#synced.write(bytes, position);
    this.#sizeBytes = Math.max(this.#sizeBytes, position + bytes.byteLength);
  }
}

function overlay(target: Uint8Array, position: number, change: WriteChange): void {
  const from = Math.max(position, change.position);
  const to = Math.min(position + target.byteLength, change.position + change.bytes.byteLength);
  if (from >= to) return;
  target.set(change.bytes.subarray(from - change.position, to - change.position), from - position);
}
