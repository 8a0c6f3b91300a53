/**
 * The staging buffer: records are encoded straight into it while the previous commit is on its way.
 *
 * Its position in the file is not known yet at that time, so the frames are masked for their place
 * last of all, by {@link FrameBuffer.place}. The checksum proper is computed when the bytes are copied.
 */
import { assertNever, invariant } from '@quorate/core';
import {
  blankMark,
  type CommitMark,
  commitFrameBytes,
  finishFrame,
  frameHeadBytes,
  frameMask,
  frameType,
  paddedBytes,
  putCommitFrame,
  putFrameHead,
  putUint53,
} from './frame.ts';
import type { EntriesRecord, LogRecord } from './record.ts';

/** Index, reign, time and payload length: what precedes the payload of an entry in the file. */
export const entryHeadBytes = 28;
/** A buffer that had to grow past this is given back to the collector once empty. */
const retainedBytesMax = 16 * 1024 * 1024;
const firstBytes = 64 * 1024;
/** Below this, `set` is the faster way to copy. */
const smallBytes = 256;

/** Where one (group, epoch) stands when a segment begins. */
export interface Checkpoint {
  readonly group: number;
  readonly epoch: number;
  readonly hardState: Uint8Array | undefined;
  readonly snapshot: { readonly index: number; readonly reign: number };
  /** No entry above this one is held; 0 when none is. */
  readonly lastIndex: number;
}

export class FrameBuffer {
  // Shared memory, so that a disk thread writes it where it stands.
  #bytes = Buffer.from(new SharedArrayBuffer(firstBytes));
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The bytes from `from` on: a view, good until the buffer is written again. */
  view(from = 0): Uint8Array {
    return this.#bytes.subarray(from, this.#length);
  }

  clear(): void {
    this.#length = 0;
    if (this.#bytes.byteLength > retainedBytesMax) this.#allocate(firstBytes);
  }

  /** Appends bytes that are no frame (the header of a segment). */
  addRaw(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.byteLength;
  }

  /** Appends the frame that a commit begins with; {@link setCommit} says the rest once it is known. */
  addCommit(): void {
    this.#reserve(commitFrameBytes);
    this.#length = putCommitFrame(this.#bytes, this.#view, this.#length, blankMark);
  }

  /** Rewrites the commit frame at `at`. */
  setCommit(at: number, mark: CommitMark): void {
    putCommitFrame(this.#bytes, this.#view, at, mark);
  }

  addCheckpoint(checkpoint: Checkpoint): void {
    const { hardState, snapshot, lastIndex } = checkpoint;
    const at = this.#begin(frameType.checkpoint, checkpoint, 32 + (hardState?.byteLength ?? 0));
    putUint53(this.#view, at, snapshot.index);
    putUint53(this.#view, at + 8, snapshot.reign);
    putUint53(this.#view, at + 16, lastIndex);
    this.#view.setUint32(at + 24, hardState === undefined ? 0 : 1, true);
    this.#view.setUint32(at + 28, 0, true);
    if (hardState !== undefined) this.#bytes.set(hardState, at + 32);
    this.#finish();
  }

  addRecord(record: LogRecord): void {
    switch (record.type) {
      case 'entries':
        this.#addEntries(record);
        return;
      case 'truncate': {
        const at = this.#begin(frameType.truncate, record, 8);
        putUint53(this.#view, at, record.after);
        this.#finish();
        return;
      }
      case 'hard-state': {
        const at = this.#begin(frameType.hardState, record, record.state.byteLength);
        this.#bytes.set(record.state, at);
        this.#finish();
        return;
      }
      case 'snapshot': {
        const at = this.#begin(frameType.snapshot, record, 24);
        putUint53(this.#view, at, record.index);
        putUint53(this.#view, at + 8, record.reign);
        putUint53(this.#view, at + 16, record.discardsLog ? 1 : 0);
        this.#finish();
        return;
      }
      case 'forget':
        this.#begin(frameType.forget, record, 0);
        this.#finish();
        return;
      default:
        assertNever(record, 'record of the log');
    }
  }

  #addEntries(record: EntriesRecord): void {
    const { entries } = record;
    let bodyBytes = 8;
    for (const entry of entries) bodyBytes += entryHeadBytes + entry.payload.byteLength;
    let at = this.#begin(frameType.entries, record, bodyBytes);
    const view = this.#view;
    view.setUint32(at, entries.length, true);
    view.setUint32(at + 4, 0, true);
    at += 8;
    for (const entry of entries) {
      putUint53(view, at, entry.index);
      putUint53(view, at + 8, entry.reign);
      view.setFloat64(at + 16, entry.timeMs, true);
      view.setUint32(at + 24, entry.payload.byteLength, true);
      this.#put(entry.payload, at + entryHeadBytes);
      at += entryHeadBytes + entry.payload.byteLength;
    }
    this.#finish();
  }

  /**
   * Masks every frame from `from` on for its place, the byte at `from` coming to stand at `position`.
   * After this the buffer is to be written there and nowhere else.
   */
  place(seed: number, position: number, from = 0): void {
    for (let at = from; at < this.#length; ) {
      const mask = frameMask(seed, position + at - from);
      const length = this.#view.getUint32(at + 4, true);
      this.#view.setUint32(at, (this.#view.getUint32(at, true) ^ mask) >>> 0, true);
      at += paddedBytes(length);
    }
  }

  /** Opens a frame and returns where its body goes. */
  #begin(type: number, of: { readonly group: number; readonly epoch: number }, bodyBytes: number): number {
    const length = frameHeadBytes + bodyBytes;
    this.#reserve(length + 8);
    putFrameHead(this.#view, this.#length, { length, type, group: of.group, epoch: of.epoch });
    return this.#length + frameHeadBytes;
  }

  #finish(): void {
    this.#length = finishFrame(this.#bytes, this.#view, this.#length);
  }

  /** `set` copies into shared memory word by word, forty times slower than `fill`, which copies it whole. */
  #put(payload: Uint8Array, at: number): void {
    if (payload.byteLength < smallBytes) this.#bytes.set(payload, at);
    else this.#bytes.fill(payload, at, at + payload.byteLength);
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.byteLength) return;
    invariant(needed < 2 ** 32, 'a staging buffer stays below four gigabytes');
    const old = this.#bytes.subarray(0, this.#length);
    this.#allocate(Math.max(needed, this.#bytes.byteLength * 2));
    this.#put(old, 0);
  }

  #allocate(capacity: number): void {
    this.#bytes = Buffer.from(new SharedArrayBuffer(capacity));
    this.#view = new DataView(this.#bytes.buffer);
  }
}
