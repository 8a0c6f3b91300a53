/**
 * Frames: how one record becomes bytes of the log, and how the bytes show that they are whole and in
 * their place. `FORMAT.md` draws the layouts.
 *
 * The checksum of a frame is masked by the log's identity, the segment and the position that the frame
 * was written for: a sector that the disk put in the wrong place, or a leftover of another log, has a
 * checksum that does not fit there.
 */
import { crc32 } from 'node:zlib';
import { invariant } from '@quorate/core';

export const frameType = {
  commit: 1,
  checkpoint: 2,
  entries: 3,
  truncate: 4,
  hardState: 5,
  snapshot: 6,
  forget: 7,
} as const;

/** Checksum, length, type and check of the head, group and epoch. */
export const frameHeadBytes = 24;
/** Ends every frame, never zero: a frame whose write was cut short has a zero here. */
export const frameTrailer = 0xa5;
/** A commit frame as it lies in the file. */
export const commitFrameBytes = 56;
const commitFrameLength = frameHeadBytes + 24;
/** No frame is larger; positions inside a frame fit 32 bits with room to spare. */
export const frameBytesMax = 2 ** 30;

/** The bytes that a frame of `length` takes in the file: a trailer, and all frames start at multiples of 8. */
export function paddedBytes(length: number): number {
  return (length + 8) & ~7;
}

invariant(paddedBytes(commitFrameLength) === commitFrameBytes, 'a commit frame has one fixed size');

/** What binds frames to one segment of one log. */
export function segmentSeed(diskId: string, sequence: number): number {
  return crc32(`${diskId}/${sequence}`) >>> 0;
}

/** Differs between any two positions of a segment: the factor is odd, so the product never repeats in 2^32. */
export function frameMask(seed: number, position: number): number {
  return (seed + Math.imul(position / 8, 0x9e3779b1)) >>> 0;
}

export function putUint53(view: DataView, at: number, value: number): void {
  invariant(Number.isSafeInteger(value) && value >= 0, 'numbers in the log are whole and not negative');
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

export function getUint53(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

/** Writes everything of the head but the checksum. `length` has neither the padding nor the trailer. */
export function putFrameHead(
  view: DataView,
  at: number,
  head: { readonly length: number; readonly type: number; readonly group: number; readonly epoch: number },
): void {
  invariant(head.length <= frameBytesMax, 'a record is at most a gigabyte');
  invariant(head.group >>> 0 === head.group, 'a group is a 32-bit number');
  view.setUint32(at + 4, head.length, true);
  view.setUint32(at + 12, head.group, true);
  putUint53(view, at + 16, head.epoch);
  view.setUint32(at + 8, ((headCheck(view, at) << 8) | head.type) >>> 0, true);
}

/**
 * 24 bits over length, group and epoch. The checksum says whether a frame is whole; this says whether
 * the length of one that is not can be believed, and with it where the frame should have ended.
 */
function headCheck(view: DataView, at: number): number {
  let check = 0x2545f491;
  for (const field of [4, 12, 16, 20]) {
    check = Math.imul(check ^ view.getUint32(at + field, true), 0x9e3779b1);
    check ^= check >>> 15;
  }
  return check & 0xffffff;
}

export function frameTypeAt(view: DataView, at: number): number {
  return view.getUint8(at + 8);
}

/**
 * Where the frame that begins at `at` ends; undefined when its head is damaged or not there, or when
 * it would reach beyond the file.
 */
export function frameEnd(view: DataView, at: number): number | undefined {
  if (at + frameHeadBytes > view.byteLength) return undefined;
  const length = view.getUint32(at + 4, true);
  if (length < frameHeadBytes || length > frameBytesMax) return undefined;
  if (view.getUint32(at + 8, true) >>> 8 !== headCheck(view, at)) return undefined;
  const end = at + paddedBytes(length);
  return end <= view.byteLength ? end : undefined;
}

/** Pads and ends the frame at `at` and writes its checksum, not masked yet. Returns where the next begins. */
export function finishFrame(bytes: Uint8Array, view: DataView, at: number): number {
  const length = view.getUint32(at + 4, true);
  const end = at + paddedBytes(length);
  bytes.fill(0, at + length, end);
  bytes[end - 1] = frameTrailer;
  view.setUint32(at, crc32(bytes.subarray(at + 4, end)), true);
  return end;
}

/**
 * Whether the frame at `at` is whole, and was written for its place: `position` in the segment, which is
 * `at` when `bytes` are all of it. The frame must lie inside `bytes`.
 */
export function isFrameIntact(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  seed: number,
  position = at,
): boolean {
  const end = at + paddedBytes(view.getUint32(at + 4, true));
  const expected = (view.getUint32(at, true) ^ frameMask(seed, position)) >>> 0;
  return crc32(bytes.subarray(at + 4, end)) === expected;
}

/** What the frame says that every commit begins with. */
export interface CommitMark {
  /** Everything before this place in the segment, and every earlier segment, is synced. */
  readonly syncedTo: number;
  /** The oldest segment that may not be missing. */
  readonly oldestSequence: number;
  /** How far the commit reaches, this frame counted: it is replayed whole or not at all. */
  readonly commitBytes: number;
}

/** What stands in a commit frame until its commit is about to be written. */
export const blankMark: CommitMark = { syncedTo: 0, oldestSequence: 0, commitBytes: 0 };

export function putCommitFrame(bytes: Uint8Array, view: DataView, at: number, mark: CommitMark): number {
  putFrameHead(view, at, { length: commitFrameLength, type: frameType.commit, group: 0, epoch: 0 });
  putUint53(view, at + frameHeadBytes, mark.syncedTo);
  putUint53(view, at + frameHeadBytes + 8, mark.oldestSequence);
  putUint53(view, at + frameHeadBytes + 16, mark.commitBytes);
  return finishFrame(bytes, view, at);
}

/** The commit frame at `at`, which must be one. */
export function getCommitMark(view: DataView, at: number): CommitMark {
  return {
    syncedTo: getUint53(view, at + frameHeadBytes),
    oldestSequence: getUint53(view, at + frameHeadBytes + 8),
    commitBytes: getUint53(view, at + frameHeadBytes + 16),
  };
}

/** Whether an intact commit frame lies at `at`, a multiple of 8. */
export function isCommitFrame(bytes: Uint8Array, view: DataView, at: number, seed: number): boolean {
  return (
    at + commitFrameBytes <= bytes.byteLength &&
    view.getUint32(at + 4, true) === commitFrameLength &&
    frameTypeAt(view, at) === frameType.commit &&
    isFrameIntact(bytes, view, at, seed)
  );
}
