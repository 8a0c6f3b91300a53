/**
 * The segment writer: puts one commit after the other on the disk, begins new segments, and removes
 * those that nobody needs.
 *
 * One commit at a time. When {@link SegmentWriter.commit} resolves, the commit survives a power loss;
 * when it rejects, nothing is known about it, and the writer must not be used again.
 */
import type { Catalog, Pinning } from './catalog.ts';
import { writeDurably } from './file-system.ts';
import { ForwardCopy } from './forward-copy.ts';
import { commitFrameBytes } from './frame.ts';
import { FrameBuffer } from './frame-buffer.ts';
import type { LogRecord } from './record.ts';
import type { RecoveryResult } from './recovery.ts';
import {
  encodeSegmentHeader,
  extendSegment,
  type Segment,
  type SegmentPlace,
  segmentHeaderBytes,
  segmentPath,
  segmentSize,
} from './segment.ts';
import { SegmentPreparation } from './segment-preparation.ts';

/** The next segment is prepared while the use of the active one grows from one part of it to the other. */
const prepareFromPart = 1 / 4;
const preparedAtPart = 3 / 4;

export interface Commit {
  /** Begins with a commit frame, which is rewritten here; then the frames of the records. */
  readonly frames: FrameBuffer;
  readonly records: readonly LogRecord[];
}

export interface SegmentSizes {
  /** What segments grow to. */
  readonly segmentBytes: number;
  /** How many segments behind the active one entries may keep before they may be copied forward. */
  readonly pinnedSegmentsMax: number;
}

export class SegmentWriter {
  readonly #place: SegmentPlace;
  readonly #sizes: SegmentSizes;
  readonly #catalog: Catalog;
  #active: Segment | undefined;
  /** Where the next commit goes in the active segment; everything before it is synced. */
  #position: number;
  #next: SegmentPreparation | undefined;
  #oldestOnDisk: number;
  /** No segment from here on may be missing: so say the commits written from now on. */
  #oldestNeeded: number;
  /** Closing and removing old segments goes on beside the commits. */
  #cleaning: Promise<void> = Promise.resolve();
  #cleaningFailure: unknown;

  /** Where the segments before the active one end, by sequence. */
  readonly #ends: Map<number, number>;
  #copy: ForwardCopy | undefined;
  #copiedBytes = 0;
  /** A segment was begun, or copied: there may be another one to be copied. */
  #mayCopy = true;

  /** Goes on where recovery ended. The first commit of a blank log makes its first segment. */
  constructor(place: SegmentPlace, sizes: SegmentSizes, recovery: RecoveryResult) {
    this.#place = place;
    this.#sizes = sizes;
    this.#ends = new Map(recovery.segments.map(({ sequence, end }) => [sequence, end]));
    this.#catalog = recovery.catalog;
    this.#active = recovery.tail?.segment;
    this.#position = recovery.tail?.position ?? 0;
    this.#oldestOnDisk = recovery.segments[0]?.sequence ?? 1;
    this.#oldestNeeded = this.#catalog.oldestNeeded(this.#active?.sequence ?? 1);
    this.#next = recovery.next && this.#prepare(recovery.next);
  }

  get segments(): number {
    return this.#active === undefined ? 0 : this.#active.sequence - this.#oldestOnDisk + 1;
  }

  /** Which log keeps the oldest segment from going, if one does. */
  get pinnedBy(): Pinning | undefined {
    return this.#active && this.#catalog.pinning(this.#active.sequence);
  }

  /** Bytes of entries that were copied forward. */
  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  /** Writes and syncs one commit, and before it one of copies if some are due; resolves with its bytes. */
  async commit(commit: Commit): Promise<number> {
    if (this.#cleaningFailure !== undefined) throw this.#cleaningFailure;
    const oldestNeeded = this.#oldestNeeded;
    const copies = this.#copy?.take();
    if (copies !== undefined) this.#copiedBytes += await this.#write(copies);
    const bytes = await this.#write(commit);
    // The segments before `oldestNeeded` go only now that the log itself says they may be missing.
    while (this.#oldestOnDisk < oldestNeeded) this.#removeLater(this.#oldestOnDisk++);
    this.#lookAhead();
    return bytes;
  }

  /** Ends the work in the background and closes the files. Errors here no longer matter to what is synced. */
  async close(): Promise<void> {
    await this.#next?.close();
    await this.#cleaning;
    await this.#active?.file.close();
  }

  #write(commit: Commit): Promise<number> {
    const active = this.#active;
    const fits = active !== undefined && this.#position + commit.frames.length <= active.sizeBytes;
    return fits ? this.#goOn(active, commit) : this.#beginNext(commit);
  }

  async #goOn(active: Segment, { frames, records }: Commit): Promise<number> {
    frames.setCommit(0, {
      syncedTo: this.#position,
      oldestSequence: this.#oldestNeeded,
      commitBytes: frames.length,
    });
    frames.place(active.seed, this.#position);
    for (const record of records) this.#catalog.apply(record, active.sequence);
    await writeDurably(active.file, [frames.view()], this.#position);
    this.#position += frames.length;
    return frames.length;
  }

  /**
   * The first commit of a segment: header and checkpoints go before the records. Everything in the
   * segments before is synced, and so are the file of this one and its name.
   */
  async #beginNext({ frames, records }: Commit): Promise<number> {
    const segment = await this.#takeNext();
    const head = this.#encodeHead(segment, frames.length - commitFrameBytes);
    for (const record of records) this.#catalog.apply(record, segment.sequence);
    const bytes = head.length + frames.length - commitFrameBytes;
    // Rare: a commit larger than a segment. Its zeroes come first here too, so that what a crash
    // leaves of it reads as zeroes.
    await extendSegment(segment, bytes);
    frames.place(segment.seed, head.length, commitFrameBytes);
    await writeDurably(segment.file, [head.view(), frames.view(commitFrameBytes)], 0);
    const retired = this.#active;
    if (retired !== undefined) {
      this.#ends.set(retired.sequence, this.#position);
      this.#clean(() => retired.file.close());
    }
    this.#mayCopy = true;
    this.#active = segment;
    this.#position = bytes;
    return bytes;
  }

  /** Header, commit frame, where everything stands; `recordBytes` of records belong to the same commit. */
  #encodeHead({ sequence, seed }: Segment, recordBytes: number): FrameBuffer {
    const checkpoints = this.#catalog.checkpoints();
    const head = new FrameBuffer();
    const { diskId } = this.#place;
    head.addRaw(
      encodeSegmentHeader({ sequence, previousEnd: this.#position, checkpoints: checkpoints.length, diskId }),
    );
    head.addCommit();
    for (const checkpoint of checkpoints) head.addCheckpoint(checkpoint);
    for (const record of this.#catalog.forgotten()) head.addRecord(record);
    head.setCommit(segmentHeaderBytes, {
      syncedTo: 0,
      oldestSequence: this.#oldestNeeded,
      commitBytes: head.length - segmentHeaderBytes + recordBytes,
    });
    head.place(seed, segmentHeaderBytes, segmentHeaderBytes);
    return head;
  }

  #takeNext(): Promise<Segment> {
    const next = this.#next ?? this.#prepare(undefined);
    this.#next = undefined;
    return next.finish();
  }

  #prepare(begun: Segment | undefined): SegmentPreparation {
    const active = this.#active;
    const sizeBytes = segmentSize(this.#sizes.segmentBytes, active?.sizeBytes);
    return new SegmentPreparation(this.#place, { sequence: (active?.sequence ?? 0) + 1, sizeBytes, begun });
  }

  #lookAhead(): void {
    const active = this.#active;
    if (active === undefined) return;
    const used = this.#position / active.sizeBytes;
    if (used >= prepareFromPart) {
      this.#next ??= this.#prepare(undefined);
      this.#next.advance((used - prepareFromPart) / (preparedAtPart - prepareFromPart));
    }
    if (this.#catalog.takeMayFreeSegments()) this.#oldestNeeded = this.#catalog.oldestNeeded(active.sequence);
    if (this.#copy?.isOver === true) {
      this.#copy = undefined;
      this.#mayCopy = true;
    }
    if (this.#mayCopy && this.#copy === undefined) this.#copyIfDue(active);
  }

  /**
   * Copies the oldest segment that is needed, once too many are kept and at least half of what they hold
   * is not live. So a log is at most twice as long as what is live in it, or within its allowance, and
   * over time no more is copied than is freed.
   */
  #copyIfDue(active: Segment): void {
    this.#mayCopy = false;
    const oldest = this.#catalog.oldestNeeded(active.sequence);
    const end = this.#ends.get(oldest);
    if (end === undefined || active.sequence - oldest <= this.#sizes.pinnedSegmentsMax) return;
    let writtenBytes = this.#position;
    for (const [sequence, bytes] of this.#ends) if (sequence >= oldest) writtenBytes += bytes;
    if (this.#catalog.liveBytes() * 2 > writtenBytes) return;
    const copy = new ForwardCopy(this.#place, this.#catalog, oldest);
    this.#copy = copy;
    this.#clean(() => copy.read(end));
  }

  /** One after the other, each with a sync of the directory: so a crash leaves no gap between segments. */
  #removeLater(sequence: number): void {
    this.#ends.delete(sequence);
    this.#clean(async () => {
      await this.#place.fileSystem.remove(segmentPath(this.#place.directory, sequence));
      await this.#place.fileSystem.syncDirectory(this.#place.directory);
    });
  }

  #clean(work: () => Promise<void>): void {
    this.#cleaning = this.#cleaning.then(work).catch((error: unknown) => {
      this.#cleaningFailure ??= error;
    });
  }
}
