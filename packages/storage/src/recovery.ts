/**
 * Recovery: what the segments of a log say after a stop of any kind, and the repair of a torn tail.
 *
 * It never guesses: a place where the frames stop is judged by {@link judgeTail}, and what no crash
 * explains is `ERR_LOG_CORRUPT`, with file and position.
 */
import { CodedError } from '@quorate/core';
import { Catalog } from './catalog.ts';
import { type File, writeDurably } from './file-system.ts';
import type { SegmentFrame } from './frame-decoding.ts';
import type { RecoveredLog } from './record.ts';
import { Replay } from './replay.ts';
import {
  decodeSegmentHeader,
  openSegment,
  orClose,
  type Segment,
  type SegmentPlace,
  segmentHeaderBytes,
  segmentPath,
  segmentSequence,
} from './segment.ts';
import { type SegmentScan, scanSegment } from './segment-scan.ts';
import { judgeTail } from './tail-verdict.ts';

export interface RecoveryResult {
  readonly logs: readonly RecoveredLog[];
  readonly catalog: Catalog;
  /** The segments in use, ascending, and where each ends; the last is `tail`. Empty for a blank directory. */
  readonly segments: readonly { readonly sequence: number; readonly end: number }[];
  /** The segment to go on with, cut and synced, and where to go on. */
  readonly tail: { readonly segment: Segment; readonly position: number } | undefined;
  /** A segment of zeroes that follows the tail, if there was one; it may not have its size yet. */
  readonly next: Segment | undefined;
  readonly torn: TornTail | undefined;
}

/** A commit that was under way when the node stopped, and was cut: nothing of it had been acknowledged. */
export interface TornTail {
  readonly path: string;
  readonly position: number;
  readonly bytes: number;
}

/** A commit of one largest record, and the largest segment, stay well below. */
const segmentBytesMax = 2 ** 32 - 1;

/** A segment as it was read. */
interface ReadSegment {
  readonly sequence: number;
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly scan: SegmentScan;
}

/**
 * Reads the whole log, cuts a torn tail, and syncs what a crash may have left in the page cache only.
 * @throws ERR_LOG_CORRUPT on damage that a crash does not explain; ERR_FOREIGN_DATA when the log
 *   belongs to another disk or format; what the disk port throws
 */
export async function recoverLog(place: SegmentPlace): Promise<RecoveryResult> {
  const replay = new Replay();
  const catalog = new Catalog();
  const sequences = await listSegments(place);
  const ends: { readonly sequence: number; readonly end: number }[] = [];
  let previous: ReadSegment | undefined;
  let last: ReadSegment | undefined;
  for (const sequence of sequences) {
    previous = last;
    last = await readSegment(place, sequence, { replay, catalog, isOldest: sequence === sequences[0] });
    ends.push({ sequence, end: last.scan.end });
    if (previous !== undefined) checkFollows(previous, last, sequence === sequences.at(-1));
  }
  if (last !== undefined && judgeTail(last.scan.evidence) === 'rot') throw rotten(last);

  const isLastInUse = last?.scan.isHeadWhole === true;
  const tail = isLastInUse ? last : previous;
  const unused = isLastInUse ? undefined : last;
  if (tail !== undefined && judgeTail(tail.scan.evidence) === 'rot') throw rotten(tail);
  checkNoneMissing(place, sequences, tail);

  const segment = tail && (await repairTail(place, tail));
  const next =
    unused &&
    (await blankSegment(place, unused).catch(async (error: unknown) => {
      await segment?.file.close().catch(() => undefined);
      throw error;
    }));
  return {
    logs: replay.recovered(),
    catalog,
    segments: ends.filter(({ sequence }) => sequence !== unused?.sequence),
    tail: segment && { segment, position: tail.scan.end },
    next,
    torn: tornTail(unused) ?? tornTail(tail),
  };
}

function tornTail(segment: ReadSegment | undefined): TornTail | undefined {
  if (segment === undefined) return undefined;
  const { path, scan } = segment;
  const position = scan.isHeadWhole ? scan.end : 0;
  return scan.dataEnd > position ? { path, position, bytes: scan.dataEnd - position } : undefined;
}

async function listSegments(place: SegmentPlace): Promise<readonly number[]> {
  const names = await place.fileSystem.list(place.directory);
  const sequences = names.map(segmentSequence).filter((sequence) => sequence !== undefined);
  sequences.sort((a, b) => a - b);
  for (const [at, sequence] of sequences.entries()) {
    const expected = (sequences[0] ?? 0) + at;
    if (sequence !== expected)
      throw corrupt(segmentPath(place.directory, expected), 0, 'the segment is missing');
  }
  return sequences;
}

async function readSegment(
  place: SegmentPlace,
  sequence: number,
  into: { readonly replay: Replay; readonly catalog: Catalog; readonly isOldest: boolean },
): Promise<ReadSegment> {
  const path = segmentPath(place.directory, sequence);
  const file = await place.fileSystem.open(path, 'read');
  const bytes = await readWhole(file, path).finally(() => file.close());
  const header = decodeSegmentHeader(bytes);
  if (header !== undefined && header.diskId !== place.diskId) {
    throw new CodedError(
      'ERR_FOREIGN_DATA',
      `${path} belongs to disk ${header.diskId}, this is disk ${place.diskId}`,
      { path, found: header.diskId, expected: place.diskId },
    );
  }
  if (header !== undefined && header.sequence !== sequence) {
    throw corrupt(path, 0, `the segment was written as number ${header.sequence}`);
  }
  const visit = (frame: SegmentFrame): void => {
    if (frame.kind === 'record') {
      if (!into.replay.apply(frame.record)) {
        throw corrupt(path, frame.start, 'a record names an epoch that was forgotten');
      }
      into.catalog.apply(frame.record, sequence);
    } else if (frame.kind === 'checkpoint') {
      if (!into.replay.checkpoint(frame.checkpoint, into.isOldest)) {
        throw corrupt(path, frame.start, 'a checkpoint contradicts the records before it');
      }
      into.catalog.restore(frame.checkpoint);
    }
  };
  return { sequence, path, bytes, scan: scanSegment(bytes, { diskId: place.diskId, sequence }, visit) };
}

async function readWhole(file: File, path: string): Promise<Uint8Array> {
  const sizeBytes = await file.sizeBytes();
  if (sizeBytes > segmentBytesMax) throw corrupt(path, segmentBytesMax, 'no segment is so large');
  const bytes = new Uint8Array(sizeBytes);
  await file.read(bytes, 0);
  return bytes;
}

/** A segment with a header was begun after everything in the one before it had been synced. */
function checkFollows(before: ReadSegment, after: ReadSegment, isAfterLast: boolean): void {
  if (after.scan.header === undefined) {
    if (!isAfterLast) throw corrupt(after.path, 0, 'the header is damaged');
    return;
  }
  if (before.scan.end !== after.scan.header.previousEnd || !before.scan.evidence.isZeroToEnd) {
    throw rotten(before);
  }
}

function checkNoneMissing(
  place: SegmentPlace,
  sequences: readonly number[],
  tail: ReadSegment | undefined,
): void {
  const first = sequences[0];
  if (first === undefined) return;
  const oldestNeeded = tail?.scan.oldestSequence ?? 1;
  if (first <= oldestNeeded) return;
  throw corrupt(segmentPath(place.directory, oldestNeeded), 0, 'the segment is missing');
}

function rotten({ path, scan }: ReadSegment): CodedError {
  return corrupt(path, scan.stop, 'damage that a crash does not explain');
}

function corrupt(path: string, position: number, what: string): CodedError {
  return new CodedError('ERR_LOG_CORRUPT', `${path} at byte ${position}: ${what}`, { path, position });
}

/**
 * Cuts what is torn, and writes the last commit once more. No mark says yet that it was synced, and if
 * a sync of it failed before the process ended, the page cache shows bytes that the disk does not have
 * and takes them for clean; only writing them again makes the next sync mean something.
 */
async function repairTail(place: SegmentPlace, { sequence, bytes, scan }: ReadSegment): Promise<Segment> {
  const segment = await openSegment(place, sequence);
  // The header goes with the first commit, in one write: where that was not synced, neither was the header.
  const from = scan.lastCommit === segmentHeaderBytes ? 0 : scan.lastCommit;
  const cut = new Uint8Array(Math.max(0, scan.dataEnd - scan.end));
  return orClose(segment, async () => {
    await writeDurably(segment.file, [bytes.subarray(from, scan.end), cut], from);
  });
}

/** A segment that was prepared, or whose first commit never ended, becomes zeroes as far as it goes. */
async function blankSegment(place: SegmentPlace, { sequence, scan }: ReadSegment): Promise<Segment> {
  const segment = await openSegment(place, sequence);
  return orClose(segment, async () => {
    if (scan.dataEnd > 0) await segment.file.write([new Uint8Array(scan.dataEnd)], 0);
    await segment.file.datasync();
  });
}
