/**
 * The scan of one segment: which frames stand in its bytes, where they stop, and what lies beyond.
 */
import { sectorBytes } from './file-system.ts';
import {
  commitFrameBytes,
  frameEnd,
  frameHeadBytes,
  frameType,
  frameTypeAt,
  getUint53,
  isCommitFrame,
  isFrameIntact,
  segmentSeed,
} from './frame.ts';
import { type Checkpoint, entryHeadBytes } from './frame-buffer.ts';
import type { LogEntry, LogRecord } from './record.ts';
import { decodeSegmentHeader, type SegmentHeader, segmentHeaderBytes } from './segment.ts';
import { judgeTail, type TailEvidence, type TailVerdict } from './tail-verdict.ts';

/** A frame and the bytes [start, end) of the segment that it takes. Byte arrays in it are views. */
export type SegmentFrame = { readonly start: number; readonly end: number } & (
  | { readonly kind: 'commit'; readonly syncedTo: number; readonly oldestSequence: number }
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'record'; readonly record: LogRecord }
);

export interface SegmentScan {
  /** Undefined when the segment does not begin with a whole header; then there are no frames either. */
  readonly header: SegmentHeader | undefined;
  /** Where the intact frames stop. */
  readonly end: number;
  /** Where the last intact commit begins; 0 when there is none. */
  readonly lastCommit: number;
  /** The oldest segment that may not be missing, as of the last intact commit; 0 when there is none. */
  readonly oldestSequence: number;
  /** The header and every checkpoint that it announces are there. */
  readonly isHeadWhole: boolean;
  /** Where the last byte that is not zero ends. */
  readonly dataEnd: number;
  readonly evidence: TailEvidence;
}

/** What frames are checked against: the segment that the caller takes the bytes for. */
export interface SegmentIdentity {
  readonly diskId: string;
  readonly sequence: number;
}

/** Reads the frames of a segment, one after the other, as far as they are intact. */
export function scanSegment(
  bytes: Uint8Array,
  identity: SegmentIdentity,
  visit: (frame: SegmentFrame) => void,
): SegmentScan {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const seed = segmentSeed(identity.diskId, identity.sequence);
  const header = decodeSegmentHeader(bytes);
  let at = header === undefined ? 0 : segmentHeaderBytes;
  let lastCommit = 0;
  let oldestSequence = 0;
  let checkpoints = 0;
  let isUnreadable = false;
  while (header !== undefined) {
    const end = frameEnd(view, at);
    if (end === undefined || !isFrameIntact(bytes, view, at, seed)) break;
    const frame = decodeFrame(bytes, view, at, end);
    if (frame === undefined) {
      isUnreadable = true;
      break;
    }
    if (frame.kind === 'checkpoint') checkpoints++;
    if (frame.kind === 'commit') {
      lastCommit = at;
      oldestSequence = frame.oldestSequence;
    }
    visit(frame);
    at = end;
  }
  const dataEnd = endOfData(bytes);
  return {
    header,
    end: at,
    lastCommit,
    oldestSequence,
    isHeadWhole: header !== undefined && lastCommit > 0 && checkpoints === header.checkpoints,
    dataEnd,
    evidence: {
      isBelowMark: dataEnd > at && latestMark(bytes, view, at, seed) > at,
      isZeroToEnd: dataEnd <= at,
      isExplainedByZeroes: !isUnreadable && isExplainedByZeroes(bytes, view, at, dataEnd),
    },
  };
}

/** How far any intact commit beyond `from` says that the segment was synced before it; 0 if there is none. */
function latestMark(bytes: Uint8Array, view: DataView, from: number, seed: number): number {
  let mark = 0;
  for (let at = from; at + commitFrameBytes <= bytes.byteLength; at += 8) {
    if (!isCommitFrame(bytes, view, at, seed)) continue;
    mark = Math.max(mark, getUint53(view, at + frameHeadBytes));
  }
  return mark;
}

/**
 * Whether an interrupted write explains that no intact frame stands at `at`: the write was cut short
 * there (nothing but zeroes from some byte of the frame on), or a whole sector of the frame is missing.
 * Where the head itself is not whole, only the head counts: its length says nothing.
 */
function isExplainedByZeroes(bytes: Uint8Array, view: DataView, at: number, dataEnd: number): boolean {
  // A header has no trailer, but is followed by a commit frame in the same write and sector.
  if (at < segmentHeaderBytes) {
    return dataEnd <= segmentHeaderBytes || isZero(bytes, 0, Math.min(sectorBytes, bytes.byteLength));
  }
  const end = frameEnd(view, at) ?? at + frameHeadBytes;
  // The trailer of a frame is not zero, so data that stops before it was cut short.
  if (dataEnd < end) return true;
  // The whole sector counts, beyond the frame too: what else is in it comes from the same write.
  for (let from = at; from < end; from = nextSector(from)) {
    if (isZero(bytes, from, Math.min(nextSector(from), bytes.byteLength))) return true;
  }
  return false;
}

function nextSector(at: number): number {
  return at - (at % sectorBytes) + sectorBytes;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}

const zeroes = Buffer.alloc(64 * 1024);

/** Where the last byte that is not zero ends; whole blocks are compared first, which is native and fast. */
function endOfData(bytes: Uint8Array): number {
  let end = bytes.byteLength;
  while (end >= zeroes.byteLength && zeroes.equals(bytes.subarray(end - zeroes.byteLength, end))) {
    end -= zeroes.byteLength;
  }
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}

/** The frame at `at`, whose checksum fits; undefined when it has no meaning to this build. */
function decodeFrame(bytes: Uint8Array, view: DataView, at: number, end: number): SegmentFrame | undefined {
  const bodyEnd = at + view.getUint32(at + 4, true);
  const body = at + frameHeadBytes;
  const place = { start: at, end };
  const group = view.getUint32(at + 12, true);
  const epoch = getUint53(view, at + 16);
  const bodyBytes = bodyEnd - body;
  switch (frameTypeAt(view, at)) {
    case frameType.commit: {
      if (bodyBytes !== 16) return undefined;
      const syncedTo = getUint53(view, body);
      return { ...place, kind: 'commit', syncedTo, oldestSequence: getUint53(view, body + 8) };
    }
    case frameType.checkpoint: {
      if (bodyBytes < 32) return undefined;
      const checkpoint = decodeCheckpoint(bytes, view, { group, epoch, body, bodyEnd });
      return { ...place, kind: 'checkpoint', checkpoint };
    }
    case frameType.entries: {
      const entries = decodeEntries(bytes, view, body, bodyEnd);
      if (entries === undefined) return undefined;
      return { ...place, kind: 'record', record: { type: 'entries', group, epoch, entries } };
    }
    case frameType.truncate: {
      if (bodyBytes !== 8) return undefined;
      const after = getUint53(view, body);
      return { ...place, kind: 'record', record: { type: 'truncate', group, epoch, after } };
    }
    case frameType.hardState: {
      const state = bytes.subarray(body, bodyEnd);
      return { ...place, kind: 'record', record: { type: 'hard-state', group, epoch, state } };
    }
    case frameType.snapshot: {
      if (bodyBytes !== 24) return undefined;
      const position = { index: getUint53(view, body), reign: getUint53(view, body + 8) };
      const discardsLog = getUint53(view, body + 16) !== 0;
      return {
        ...place,
        kind: 'record',
        record: { type: 'snapshot', group, epoch, ...position, discardsLog },
      };
    }
    default:
      return undefined;
  }
}

function decodeCheckpoint(
  bytes: Uint8Array,
  view: DataView,
  at: { readonly group: number; readonly epoch: number; readonly body: number; readonly bodyEnd: number },
): Checkpoint {
  const hasHardState = view.getUint32(at.body + 24, true) === 1;
  return {
    group: at.group,
    epoch: at.epoch,
    hardState: hasHardState ? bytes.subarray(at.body + 32, at.bodyEnd) : undefined,
    snapshot: { index: getUint53(view, at.body), reign: getUint53(view, at.body + 8) },
    lastIndex: getUint53(view, at.body + 16),
  };
}

function decodeEntries(
  bytes: Uint8Array,
  view: DataView,
  body: number,
  bodyEnd: number,
): readonly LogEntry[] | undefined {
  if (body + 8 > bodyEnd) return undefined;
  const count = view.getUint32(body, true);
  const entries: LogEntry[] = [];
  let at = body + 8;
  for (let n = 0; n < count; n++) {
    const payloadAt = at + entryHeadBytes;
    if (payloadAt > bodyEnd) return undefined;
    const payloadEnd = payloadAt + view.getUint32(at + 24, true);
    if (payloadEnd > bodyEnd) return undefined;
    entries.push({
      index: getUint53(view, at),
      reign: getUint53(view, at + 8),
      timeMs: view.getFloat64(at + 16, true),
      payload: bytes.subarray(payloadAt, payloadEnd),
    });
    at = payloadEnd;
  }
  return at === bodyEnd ? entries : undefined;
}

/** Where each entry of an entries frame lies in the segment: [start, end), in the order of the record. */
export function entryRanges(
  frame: SegmentFrame,
): readonly { readonly start: number; readonly end: number }[] {
  if (frame.kind !== 'record' || frame.record.type !== 'entries') return [];
  let at = frame.start + frameHeadBytes + 8;
  return frame.record.entries.map((entry) => {
    const start = at;
    at += entryHeadBytes + entry.payload.byteLength;
    return { start, end: at };
  });
}

/** A segment taken apart, for tools and for tests that prove what was on the disk when. */
export interface DecodedSegment extends SegmentScan {
  readonly frames: readonly SegmentFrame[];
  readonly verdict: TailVerdict;
}

/**
 * Takes the bytes of a segment file apart. Without `identity` the header is believed.
 * Pure; byte arrays in the result are views of `bytes`.
 * @throws ERR_FOREIGN_DATA when the segment has a format version that this build does not read
 */
export function decodeSegment(bytes: Uint8Array, identity?: SegmentIdentity): DecodedSegment {
  const frames: SegmentFrame[] = [];
  const believed = identity ?? decodeSegmentHeader(bytes) ?? { diskId: '', sequence: 0 };
  const scan = scanSegment(bytes, believed, (frame) => frames.push(frame));
  return { ...scan, frames, verdict: judgeTail(scan.evidence) };
}
