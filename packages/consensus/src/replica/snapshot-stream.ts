/** The byte stream of a snapshot: a header with its length in front, then the body, in chunks of any size. */
import { CodedError } from '@quorate/core';
import type { SnapshotBytes } from '../state-machine.ts';

const sliceBytes = 256 * 1024;

/** Whether a machine gave bytes, and not a value to encode. @throws CodedError ERR_MODULE_INVALID for a Map or Set */
export function isSnapshotBytes(saved: unknown): saved is SnapshotBytes {
  if (saved instanceof Map || saved instanceof Set) {
    throw new CodedError(
      'ERR_MODULE_INVALID',
      'snapshot() gave a Map or Set; give an array of its entries',
      {},
    );
  }
  if (typeof saved !== 'object' || saved === null || Array.isArray(saved) || saved instanceof Uint8Array)
    return false;
  return Symbol.iterator in saved || Symbol.asyncIterator in saved;
}

/** An encoded value as chunks. */
export function* slices(encoded: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < encoded.byteLength; at += sliceBytes) yield encoded.subarray(at, at + sliceBytes);
}

export async function* joined(header: Uint8Array, body: SnapshotBytes): AsyncIterable<Uint8Array> {
  const head = new Uint8Array(4 + header.byteLength);
  new DataView(head.buffer).setUint32(0, header.byteLength);
  head.set(header, 4);
  yield head;
  yield* body;
}

/** Reads a stream of chunks by length. */
export class SnapshotChunks {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #current: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#iterator = chunks[Symbol.asyncIterator]();
  }

  /** Room is made for what has come, and not for what a length promises: that may be wrong. */
  async take(lengthBytes: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let left = lengthBytes; left > 0; ) {
      if (this.#current.byteLength === 0 && !(await this.#next())) {
        throw new CodedError('ERR_FRAME_INVALID', 'snapshot: ends in the middle', {});
      }
      const part = this.#current.subarray(0, left);
      parts.push(part);
      left -= part.byteLength;
      this.#current = this.#current.subarray(part.byteLength);
    }
    return gathered(parts);
  }

  async *rest(): AsyncIterable<Uint8Array> {
    if (this.#current.byteLength > 0) yield this.#current;
    while (await this.#next()) yield this.#current;
  }

  async all(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const part of this.rest()) parts.push(part);
    return gathered(parts);
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#iterator.next();
    if (done === true) return false;
    this.#current = value;
    return true;
  }
}

/** In a buffer of their own. */
function gathered(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
