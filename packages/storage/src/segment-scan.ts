/**
 * The scan of one segment: which frames stand in its bytes, where they stop, and what lies beyond.
 */
import { sectorBytes } from './file-system.ts';
import {
  type CommitMark,
  commitFrameBytes,
  frameEnd,
  frameHeadBytes,
  getCommitMark,
  isCommitFrame,
  isFrameIntact,
  segmentSeed,
} from './frame.ts';
import { decodeFrame, type SegmentFrame } from './frame-decoding.ts';
import { decodeSegmentHeader, type SegmentHeader, segmentHeaderBytes } from './segment.ts';
import { judgeTail, type TailEvidence, type TailVerdict } from './tail-verdict.ts';

/** What the bytes of one segment file hold, and where they end to make sense. */
export interface SegmentScan {
  /** Undefined when the segment does not begin with a whole header; then there are no frames either. */
  readonly header: SegmentHeader | undefined;
  /** Where the last whole commit ends. */
  readonly end: number;
  /** Where the first frame should stand that does not: `end`, or inside the commit that begins there. */
  readonly stop: number;
  /** Where the last intact commit begins; 0 when there is none. */
  readonly lastCommit: number;
  /** The oldest segment that may not be missing, as of the last intact commit; 0 when there is none. */
  readonly oldestSequence: number;
  /** The first commit is whole, and with it every checkpoint that the header announces. */
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

/** Hands out the frames of a segment, commit by commit, as far as whole commits go. */
export function scanSegment(
  bytes: Uint8Array,
  identity: SegmentIdentity,
  visit: (frame: SegmentFrame) => void,
): SegmentScan {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const segment: SegmentBytes = { bytes, view, seed: segmentSeed(identity.diskId, identity.sequence) };
  const header = decodeSegmentHeader(bytes);
  const dataEnd = endOfData(bytes);
  let end = header === undefined ? 0 : segmentHeaderBytes;
  let lastCommit = 0;
  let oldestSequence = 0;
  let broken: BrokenCommit = { at: end, commitEnd: undefined, isUnreadable: false };
  while (header !== undefined) {
    const commit = readCommit(segment, end, lastCommit === 0 ? header.checkpoints : 0);
    if ('at' in commit) {
      broken = commit;
      break;
    }
    lastCommit = end;
    oldestSequence = commit.mark.oldestSequence;
    for (const frame of commit.frames) visit(frame);
    end = commit.end;
  }
  return {
    header,
    end,
    stop: broken.at,
    lastCommit,
    oldestSequence,
    isHeadWhole: lastCommit > 0,
    dataEnd,
    evidence: {
      isKnownSynced: isFollowed(broken, dataEnd) || (dataEnd > end && latestMark(segment, end) > end),
      isZeroToEnd: dataEnd <= end,
      isExplainedByZeroes: !broken.isUnreadable && isExplainedByZeroes(segment, broken, dataEnd),
    },
  };
}

interface SegmentBytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly seed: number;
}

interface WholeCommit {
  readonly mark: CommitMark;
  readonly frames: readonly SegmentFrame[];
  readonly end: number;
}

interface BrokenCommit {
  /** Where a frame should stand and no intact one does. */
  readonly at: number;
  /** Where the commit should have ended; undefined when its first frame does not say so. */
  readonly commitEnd: number | undefined;
  /** The frame is intact and means nothing to this build. */
  readonly isUnreadable: boolean;
}

/** The commit that begins at `start`: all of its frames, or where the first one is that is not right. */
function readCommit(segment: SegmentBytes, start: number, checkpoints: number): WholeCommit | BrokenCommit {
  const { bytes, view, seed } = segment;
  if (!isCommitFrame(bytes, view, start, seed)) {
    return { at: start, commitEnd: undefined, isUnreadable: isAnyFrame(segment, start) };
  }
  const mark = getCommitMark(view, start);
  const commitEnd = start + mark.commitBytes;
  const frames: SegmentFrame[] = [];
  let checkpointsFound = 0;
  let at = start;
  while (at < commitEnd) {
    const end = frameEnd(view, at);
    const isIntact = end !== undefined && isFrameIntact(bytes, view, at, seed);
    if (!isIntact) return { at, commitEnd, isUnreadable: false };
    const frame = decodeFrame(bytes, view, at, end);
    const belongs = frame !== undefined && (frame.kind === 'commit') === (at === start) && end <= commitEnd;
    if (!belongs) return { at, commitEnd, isUnreadable: true };
    if (frame.kind === 'checkpoint') checkpointsFound++;
    frames.push(frame);
    at = end;
  }
  const isRight = at > start && at === commitEnd && checkpointsFound === checkpoints;
  return isRight ? { mark, frames, end: at } : { at: start, commitEnd, isUnreadable: true };
}

function isAnyFrame({ bytes, view, seed }: SegmentBytes, at: number): boolean {
  return frameEnd(view, at) !== undefined && isFrameIntact(bytes, view, at, seed);
}

/** Something stands beyond the broken commit: it was written after that commit had been synced. */
function isFollowed({ commitEnd }: BrokenCommit, dataEnd: number): boolean {
  return commitEnd !== undefined && dataEnd > commitEnd;
}

/** How far any intact commit beyond `from` says that the segment was synced before it; 0 if there is none. */
function latestMark({ bytes, view, seed }: SegmentBytes, from: number): number {
  let mark = 0;
  for (let at = from; at + commitFrameBytes <= bytes.byteLength; at += 8) {
    if (isCommitFrame(bytes, view, at, seed)) mark = Math.max(mark, getCommitMark(view, at).syncedTo);
  }
  return mark;
}

/**
 * Whether an interrupted write explains that no intact frame stands at `broken.at`: the commit was cut
 * short (nothing but zeroes from some byte of it on), or a whole sector of the frame is missing.
 * Where the head itself is not whole, only the head counts: its length says nothing.
 */
function isExplainedByZeroes(
  { bytes, view }: SegmentBytes,
  { at, commitEnd }: BrokenCommit,
  dataEnd: number,
): boolean {
  // A header has no trailer, but is followed by a commit frame in the same write and sector.
  if (at < segmentHeaderBytes) {
    return dataEnd <= segmentHeaderBytes || isZero(bytes, 0, Math.min(sectorBytes, bytes.byteLength));
  }
  const end = frameEnd(view, at) ?? at + frameHeadBytes;
  // The trailer of a frame is not zero, so data that stops before it was cut short.
  if (dataEnd < (commitEnd ?? end)) return true;
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
