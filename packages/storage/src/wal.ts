/**
 * The write-ahead log: one per node, shared by all of its groups, with group commit.
 *
 * Appends are encoded at once into a staging batch. One commit is under way at any time: one `write`
 * and one `datasync`; whatever is appended meanwhile goes with the next. A promise that a record
 * backs (a vote, an acceptance) leaves the node from `onDurable`, and from nowhere else.
 */
import { type Clock, CodedError, InvariantError, invariant, optionInvalid } from '@quorate/core';
import type { Pinning } from './catalog.ts';
import { asDiskError } from './disk-error.ts';
import { EpochFloors } from './epoch-floors.ts';
import type { FileSystem } from './file-system.ts';
import { commitFrameBytes } from './frame.ts';
import { FrameBuffer } from './frame-buffer.ts';
import type { LogRecord, RecoveredLog } from './record.ts';
import { type RecoveryResult, recoverLog, type TornTail } from './recovery.ts';
import { diskIdBytesMax, segmentHeaderBytes } from './segment.ts';
import { SegmentWriter } from './segment-writer.ts';

/** Where a log stands, and how large its parts may grow. */
export interface WriteAheadLogOptions {
  readonly fileSystem: FileSystem;
  /** Made when it does not exist. Nothing else may write files named like segments there. */
  readonly directory: string;
  /** Only `defer` is used: a commit collects what is appended until then. */
  readonly clock: Pick<Clock, 'defer'>;
  /**
   * The size that segments grow to, 1 KiB to 1 GiB: the first has 4 MiB at most, so that a node starts
   * at once, and a commit larger than a segment makes its own segment larger. Default 64 MiB.
   */
  readonly segmentBytes?: number;
  /**
   * How many segments behind the present one a resting group may keep, 1 or more: beyond that its entries
   * are copied forward, once half of the log is no longer needed. Default 4.
   */
  readonly pinnedSegmentsMax?: number;
  /** Identity of the disk, at most 64 bytes of UTF-8: a log made under another one is refused. Default ''. */
  readonly diskId?: string;
  /** The directory is known to have held a log: when there is none, that is ERR_LOG_CORRUPT. Default false. */
  readonly mustExist?: boolean;
  /** The log cannot go on: a write or a sync failed. Called once; no `onDurable` follows. */
  readonly onFailure: (error: CodedError) => void;
}

/** What a log has done and holds at one moment. */
export interface WriteAheadLogStatus {
  /** Segment files in use. */
  readonly segments: number;
  /** Bytes written and synced since the log was opened; zeroes of preparation not counted. */
  readonly syncedBytes: number;
  /** Commits since the log was opened, each one `write` and one `datasync`. */
  readonly groupCommits: number;
  /** Bytes appended and not durable yet. */
  readonly pendingBytes: number;
  /** Bytes of commits that copied old entries forward since the log was opened; not part of `syncedBytes`. */
  readonly copiedBytes: number;
  /** Whose entries keep the oldest segments: a snapshot of that group would let them go. */
  readonly pinnedBy: Pinning | undefined;
  /** Why the log has stopped, if it has. */
  readonly failure: CodedError | undefined;
}

/** Records on their way to the disk together. */
interface Batch {
  readonly frames: FrameBuffer;
  readonly records: LogRecord[];
  readonly onDurable: (() => void)[];
}

const segmentBytesDefault = 64 * 1024 * 1024;
const pinnedSegmentsMaxDefault = 4;
/** A batch takes no further append once it is this large, or fills this part of a segment. */
const batchBytesMax = 4 * 1024 * 1024;
const batchPartMax = 1 / 4;
/** Batches kept for reuse: one being written, one being filled. */
const spareBatchesMax = 2;

/**
 * The log of one node, for all its groups. It belongs to one process: the caller holds the directory's lock.
 */
export class WriteAheadLog {
  #recovered: readonly RecoveredLog[];
  /** What was cut off the end of the log when it was opened; undefined when its last commit was whole. */
  readonly torn: TornTail | undefined;
  readonly #floors = new EpochFloors();
  readonly #writer: SegmentWriter;
  readonly #path: string;
  readonly #batchBytesMax: number;
  readonly #clock: Pick<Clock, 'defer'>;
  readonly #onFailure: (error: CodedError) => void;
  readonly #queue: Batch[] = [];
  readonly #spare: Batch[] = [];
  #inFlight: Batch | undefined;
  #isWoken = false;
  #onIdle: (() => void) | undefined;
  #closed: Promise<void> | undefined;
  #failure: CodedError | undefined;
  #syncedBytes = 0;
  #groupCommits = 0;

  /**
   * Recovers the log in the directory, or begins one, and marks all of it as synced.
   * @throws ERR_LOG_CORRUPT damage that is not a torn tail, with `details.path` and `details.position`;
   *   ERR_FOREIGN_DATA made under another disk id or format; ERR_DISK_FULL, ERR_DISK_FAILED; ERR_OPTION_INVALID
   */
  static async open(options: WriteAheadLogOptions): Promise<WriteAheadLog> {
    const { fileSystem, directory, diskId = '', segmentBytes = segmentBytesDefault } = options;
    const { pinnedSegmentsMax = pinnedSegmentsMaxDefault } = options;
    if (!Number.isSafeInteger(segmentBytes) || segmentBytes < 1024 || segmentBytes > 2 ** 30) {
      throw optionInvalid('segmentBytes', segmentBytes, 'a whole number of bytes from 1 KiB to 1 GiB');
    }
    if (!Number.isSafeInteger(pinnedSegmentsMax) || pinnedSegmentsMax < 1) {
      throw optionInvalid('pinnedSegmentsMax', pinnedSegmentsMax, 'a whole number of at least 1');
    }
    if (Buffer.byteLength(diskId) > diskIdBytesMax || diskId.includes('\0')) {
      throw optionInvalid('diskId', diskId, `at most ${diskIdBytesMax} bytes of UTF-8, none of them zero`);
    }
    const place = { fileSystem, directory, diskId };
    await fileSystem.makeDirectory(directory);
    const recovery = await recoverLog(place);
    if (options.mustExist === true && recovery.tail === undefined) {
      const details = { path: directory, position: 0 };
      throw new CodedError('ERR_LOG_CORRUPT', `${directory} has held a log, which is gone`, details);
    }
    const writer = new SegmentWriter(place, { segmentBytes, pinnedSegmentsMax }, recovery);
    try {
      await writer.commit(newBatch());
    } catch (error) {
      await writer.close().catch(() => undefined);
      throw error;
    }
    return new WriteAheadLog(options, writer, recovery);
  }

  private constructor(options: WriteAheadLogOptions, writer: SegmentWriter, recovery: RecoveryResult) {
    this.#recovered = recovery.logs;
    this.torn = recovery.torn;
    for (const forgotten of recovery.catalog.forgotten()) this.#floors.raise(forgotten);
    this.#writer = writer;
    this.#path = options.directory;
    const segmentBytes = options.segmentBytes ?? segmentBytesDefault;
    this.#batchBytesMax = Math.min(batchBytesMax, segmentBytes * batchPartMax);
    this.#clock = options.clock;
    this.#onFailure = options.onFailure;
  }

  /** What the log held when it was opened, one per (group, epoch), sorted. */
  get recovered(): readonly RecoveredLog[] {
    return this.#recovered;
  }

  /** Whoever needed it has it: the entries among it are not to be held for as long as the log is open. */
  forgetRecovered(): void {
    this.#recovered = [];
  }

  /**
   * Appends the records, in order, after everything appended before. `onDurable` is called once they
   * and everything before them survive a power loss, in the order of the appends; never, if the log
   * fails, or had failed or was closed before. The records, and the bytes in them, must not change until then.
   * A crash leaves all records of one call or none of them. Without records it waits for what was
   * appended before.
   */
  append(records: readonly LogRecord[], onDurable: () => void): void {
    if (this.#failure !== undefined || this.#closed !== undefined) return;
    if (records.length === 0) {
      this.#afterEarlier(onDurable);
      return;
    }
    this.#checkEpochs(records);
    const batch = this.#batchToFill();
    for (const record of records) {
      batch.frames.addRecord(record);
      batch.records.push(record);
    }
    batch.onDurable.push(onDurable);
    this.#wake();
  }

  /**
   * Waits until everything appended is durable, or the log has failed; marks the end as synced, so that
   * any later damage is known for what it is; closes the files. On a disk that hangs it waits as well.
   */
  close(): Promise<void> {
    this.#closed ??= this.#shutDown();
    return this.#closed;
  }

  get status(): WriteAheadLogStatus {
    const batches = this.#inFlight === undefined ? this.#queue : [this.#inFlight, ...this.#queue];
    return {
      segments: this.#writer.segments,
      syncedBytes: this.#syncedBytes,
      groupCommits: this.#groupCommits,
      pendingBytes: batches.reduce((bytes, { frames }) => bytes + frames.length, 0),
      copiedBytes: this.#writer.copiedBytes,
      pinnedBy: this.#writer.pinnedBy,
      failure: this.#failure,
    };
  }

  /** A record for a forgotten epoch would come back at a restart, or not, as the segments have it. */
  #checkEpochs(records: readonly LogRecord[]): void {
    for (const record of records) {
      if (record.type === 'forget') this.#floors.raise(record);
      else {
        invariant(
          !this.#floors.isForgotten(record),
          `epoch ${record.epoch} of group ${record.group} was forgotten: no record may name it`,
        );
      }
    }
  }

  #batchToFill(): Batch {
    const last = this.#queue.at(-1);
    if (last !== undefined && last.frames.length < this.#batchBytesMax) return last;
    const batch = this.#spare.pop() ?? newBatch();
    this.#queue.push(batch);
    return batch;
  }

  #afterEarlier(onDurable: () => void): void {
    const earlier = this.#queue.at(-1) ?? this.#inFlight;
    if (earlier !== undefined) earlier.onDurable.push(onDurable);
    else {
      this.#clock.defer(() => {
        if (this.#failure === undefined) onDurable();
      });
    }
  }

  /** Lets the next commit begin once this turn's messages are handled, unless one is under way. */
  #wake(): void {
    if (this.#isWoken || this.#inFlight !== undefined) return;
    this.#isWoken = true;
    this.#clock.defer(() => {
      this.#isWoken = false;
      void this.#commitNext();
    });
  }

  async #commitNext(): Promise<void> {
    const batch = this.#queue.shift();
    invariant(
      batch !== undefined && this.#inFlight === undefined,
      'one commit at a time, never an empty one',
    );
    this.#inFlight = batch;
    try {
      this.#syncedBytes += await this.#writer.commit(batch);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#groupCommits++;
    // While they are called, `inFlight` still says that this commit is not over: an empty append made
    // in a callback must come after all of them.
    const { onDurable } = batch;
    for (let at = 0; at < onDurable.length; at++) onDurable[at]?.();
    this.#inFlight = undefined;
    this.#recycle(batch);
    if (this.#queue.length > 0) this.#wake();
    else this.#onIdle?.();
  }

  #recycle(batch: Batch): void {
    if (this.#spare.length >= spareBatchesMax) return;
    batch.records.length = 0;
    batch.onDurable.length = 0;
    batch.frames.clear();
    batch.frames.addCommit();
    this.#spare.push(batch);
  }

  /**
   * A failed write or sync ends the log for good. The system may have dropped the dirty pages and call
   * the next sync a success, so that trying again would acknowledge what the disk does not hold.
   */
  #fail(error: unknown): void {
    if (error instanceof InvariantError) throw error;
    this.#failure = asDiskError(error, 'commit', this.#path);
    this.#inFlight = undefined;
    this.#queue.length = 0;
    this.#onFailure(this.#failure);
    this.#onIdle?.();
  }

  async #shutDown(): Promise<void> {
    if (this.#inFlight !== undefined || this.#queue.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    try {
      if (this.#failure === undefined && this.#groupCommits > 0) await this.#writer.commit(newBatch());
    } catch (error) {
      this.#fail(error);
    }
    await this.#writer.close().catch(() => undefined);
  }
}

function newBatch(): Batch {
  const frames = new FrameBuffer();
  frames.addCommit();
  invariant(frames.length === commitFrameBytes && frames.length < segmentHeaderBytes, 'a batch begins so');
  return { frames, records: [], onDurable: [] };
}
