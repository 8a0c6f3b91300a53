/**
 * The file of one snapshot: a header, blocks of 64 KiB with a checksum each, and a footer that only a
 * finished snapshot has. `FORMAT.md` draws the layout.
 *
 * Every block can be read and verified alone, so that a transfer may start anywhere; a block's checksum
 * is masked by snapshot and number, so that one in the wrong place is noticed.
 */
import { crc32 } from 'node:zlib';
import { CodedError } from '@quorate/core';
import type { File } from './file-system.ts';
import { frameMask, getUint53, putUint53 } from './frame.ts';

/** Which snapshot: everything up to `index` of the epoch, chosen under `reign`. */
export interface SnapshotPosition {
  readonly group: number;
  readonly epoch: number;
  readonly index: number;
  readonly reign: number;
}

export const snapshotHeaderBytes = 64;
export const snapshotFooterBytes = 32;
/** Payload bytes of every block but the last, which may be shorter. */
export const blockPayloadBytes = 64 * 1024;
/** Checksum and length stand before the payload. */
export const blockHeadBytes = 8;
const blockBytes = blockPayloadBytes + blockHeadBytes;
const formatVersion = 1;
const headerMagic = new TextEncoder().encode('QUORSNAP');
const footerMagic = new TextEncoder().encode('QUORSEND');

export function encodeSnapshotHeader(position: SnapshotPosition): Uint8Array {
  const bytes = new Uint8Array(snapshotHeaderBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(headerMagic);
  view.setUint32(12, formatVersion, true);
  view.setUint32(16, position.group, true);
  putUint53(view, 24, position.epoch);
  putUint53(view, 32, position.index);
  putUint53(view, 40, position.reign);
  view.setUint32(8, crc32(bytes.subarray(12)), true);
  return bytes;
}

export function encodeSnapshotFooter(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(snapshotFooterBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(footerMagic);
  putUint53(view, 16, sizeBytes);
  view.setUint32(8, crc32(bytes.subarray(12)), true);
  return bytes;
}

/** What the blocks of this snapshot are masked with. */
export function snapshotSeed(position: SnapshotPosition): number {
  return crc32(encodeSnapshotHeader(position)) >>> 0;
}

/** Writes the head of a block whose payload stands in `block` already, behind it. */
export function sealBlock(block: Uint8Array, seed: number, number: number): void {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  view.setUint32(4, block.byteLength - blockHeadBytes, true);
  view.setUint32(0, (crc32(block.subarray(4)) ^ frameMask(seed, number * 8)) >>> 0, true);
}

export function blockPosition(number: number): number {
  return snapshotHeaderBytes + number * blockBytes;
}

/** The file's size for `sizeBytes` of content. */
function fileBytesFor(sizeBytes: number): number {
  const blocks = Math.ceil(sizeBytes / blockPayloadBytes);
  return snapshotHeaderBytes + sizeBytes + blocks * blockHeadBytes + snapshotFooterBytes;
}

/**
 * Checks header, footer and size, and returns the bytes of content.
 * @throws ERR_LOG_CORRUPT when this is not a finished snapshot of `position`
 */
export async function readSnapshotSize(
  file: File,
  path: string,
  position: SnapshotPosition,
): Promise<number> {
  const fileBytes = await file.sizeBytes();
  const header = new Uint8Array(snapshotHeaderBytes);
  await file.read(header, 0);
  if (Buffer.compare(header, encodeSnapshotHeader(position)) !== 0) throw damaged(path, 0);
  const footer = new Uint8Array(snapshotFooterBytes);
  const footerAt = Math.max(0, fileBytes - snapshotFooterBytes);
  await file.read(footer, footerAt);
  const sizeBytes = getUint53(new DataView(footer.buffer), 16);
  const isWhole =
    Number.isSafeInteger(sizeBytes) &&
    Buffer.compare(footer, encodeSnapshotFooter(sizeBytes)) === 0 &&
    fileBytes === fileBytesFor(sizeBytes);
  if (!isWhole) throw damaged(path, footerAt);
  return sizeBytes;
}

/**
 * Reads the payloads of `count` blocks from block `first` on, verified. Views of one fresh buffer.
 * @throws ERR_LOG_CORRUPT with path and position of the block that is damaged
 */
export async function readBlocks(
  file: File,
  from: { readonly path: string; readonly seed: number; readonly sizeBytes: number },
  range: { readonly first: number; readonly count: number },
): Promise<readonly Uint8Array[]> {
  const start = blockPosition(range.first);
  const contentEnd = fileBytesFor(from.sizeBytes) - snapshotFooterBytes;
  const bytes = new Uint8Array(Math.min(blockPosition(range.first + range.count), contentEnd) - start);
  const taken = await file.read(bytes, start);
  const payloads: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength; at += blockBytes) {
    const block = bytes.subarray(at, Math.min(at + blockBytes, bytes.byteLength));
    const number = range.first + at / blockBytes;
    const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
    const checksum = (crc32(block.subarray(4)) ^ frameMask(from.seed, number * 8)) >>> 0;
    const isIntact =
      at + block.byteLength <= taken &&
      view.getUint32(0, true) === checksum &&
      view.getUint32(4, true) === block.byteLength - blockHeadBytes;
    if (!isIntact) throw damaged(from.path, start + at);
    payloads.push(block.subarray(blockHeadBytes));
  }
  return payloads;
}

function damaged(path: string, position: number): CodedError {
  return new CodedError('ERR_LOG_CORRUPT', `${path} at byte ${position}: the snapshot is damaged`, {
    path,
    position,
  });
}
