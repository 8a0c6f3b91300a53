/**
 * Segments: the files that the log is cut into, their names, their headers, and how one is prepared.
 */
import { crc32 } from 'node:zlib';
import { CodedError, invariant } from '@quorate/core';
import { type File, type FileSystem, writeDurably } from './file-system.ts';
import { getUint53, putUint53, segmentSeed } from './frame.ts';

export const segmentHeaderBytes = 128;
const formatVersion = 2;
const magic = new TextEncoder().encode('QUORATEL');
const diskIdAt = 64;
export const diskIdBytesMax = segmentHeaderBytes - diskIdAt;
/** How much zero is written before it is synced, so that a commit that comes between waits little. */
const zeroChunk = new Uint8Array(new SharedArrayBuffer(1024 * 1024));

/** What a segment file says of itself before its first commit. */
export interface SegmentHeader {
  /** 1 for the first segment of a log, then one more for each. */
  readonly sequence: number;
  /** Where the segment before ended: everything before that place was synced. 0 for the first segment. */
  readonly previousEnd: number;
  /** How many checkpoint frames follow the first commit frame. */
  readonly checkpoints: number;
  /** The disk that the log was made for; at most 64 bytes of UTF-8. */
  readonly diskId: string;
}

/** The file name of the segment with this sequence, a whole number >= 1. */
export function segmentName(sequence: number): string {
  return `${String(sequence).padStart(16, '0')}.log`;
}

/** The sequence that a file name stands for, or undefined when it is no segment's name. */
export function segmentSequence(name: string): number | undefined {
  const sequence = /^\d{16}\.log$/.test(name) ? Number(name.slice(0, 16)) : 0;
  return sequence >= 1 && Number.isSafeInteger(sequence) ? sequence : undefined;
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(segmentHeaderBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  view.setUint32(12, formatVersion, true);
  putUint53(view, 16, header.sequence);
  putUint53(view, 24, header.previousEnd);
  view.setUint32(32, header.checkpoints, true);
  const diskId = new TextEncoder().encode(header.diskId);
  invariant(diskId.byteLength <= diskIdBytesMax, 'a disk id has at most 64 bytes');
  bytes.set(diskId, diskIdAt);
  view.setUint32(8, crc32(bytes.subarray(12)), true);
  return bytes;
}

/**
 * The header that `bytes` begin with, or undefined when they do not begin with a whole one.
 * @throws ERR_FOREIGN_DATA when it is whole and of a version that this build does not read
 */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | undefined {
  if (bytes.byteLength < segmentHeaderBytes) return undefined;
  if (magic.some((byte, at) => bytes[at] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (crc32(bytes.subarray(12, segmentHeaderBytes)) !== view.getUint32(8, true)) return undefined;
  const version = view.getUint32(12, true);
  if (version !== formatVersion) {
    throw new CodedError(
      'ERR_FOREIGN_DATA',
      `the log has format ${version}, this build reads ${formatVersion}`,
      { found: version, expected: formatVersion },
    );
  }
  const diskId = bytes.subarray(diskIdAt, segmentHeaderBytes);
  const length = diskId.indexOf(0);
  return {
    sequence: getUint53(view, 16),
    previousEnd: getUint53(view, 24),
    checkpoints: view.getUint32(32, true),
    diskId: new TextDecoder().decode(length < 0 ? diskId : diskId.subarray(0, length)),
  };
}

/** An open segment. */
export interface Segment {
  readonly sequence: number;
  readonly seed: number;
  readonly path: string;
  readonly file: File;
  /** Bytes of the file that are there to be written: zeroes, allocated and synced. */
  sizeBytes: number;
}

export interface SegmentPlace {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly diskId: string;
}

export function segmentPath(directory: string, sequence: number): string {
  return `${directory}/${segmentName(sequence)}`;
}

/** The first segment of a log is small, so that a node starts at once; each one after it is larger. */
const firstSegmentBytes = 4 * 1024 * 1024;
const growth = 4;

/** The size to prepare a segment at, when the one before it has `previousBytes` (undefined: there is none). */
export function segmentSize(segmentBytesMax: number, previousBytes: number | undefined): number {
  const bytes = previousBytes === undefined ? firstSegmentBytes : previousBytes * growth;
  return Math.min(bytes, segmentBytesMax);
}

/** Opens a segment that exists. */
export async function openSegment(place: SegmentPlace, sequence: number): Promise<Segment> {
  const path = segmentPath(place.directory, sequence);
  const file = await place.fileSystem.open(path, 'update');
  const sizeBytes = await file.sizeBytes();
  return { sequence, seed: segmentSeed(place.diskId, sequence), path, file, sizeBytes };
}

/** Makes the file of a segment, without a byte in it. Its name survives a power loss once the directory is synced. */
export async function createSegment(place: SegmentPlace, sequence: number): Promise<Segment> {
  const path = segmentPath(place.directory, sequence);
  const file = await place.fileSystem.open(path, 'create');
  return { sequence, seed: segmentSeed(place.diskId, sequence), path, file, sizeBytes: 0 };
}

/** Resolves with the segment once `work` is done; closes its file when `work` fails. */
export async function orClose(segment: Segment, work: () => Promise<void>): Promise<Segment> {
  try {
    await work();
    return segment;
  } catch (error) {
    await segment.file.close().catch(() => undefined);
    throw error;
  }
}

/**
 * Fills the segment up to `sizeBytes` with zeroes and syncs them. Syncing chunk by chunk keeps the
 * disk's queue short: one sync of a whole segment would hold up the commits of the segment in use.
 */
export async function extendSegment(segment: Segment, sizeBytes: number): Promise<void> {
  while (segment.sizeBytes < sizeBytes) {
    const bytes = Math.min(zeroChunk.byteLength, sizeBytes - segment.sizeBytes);
    await writeDurably(segment.file, [zeroChunk.subarray(0, bytes)], segment.sizeBytes);
    segment.sizeBytes += bytes;
  }
}
