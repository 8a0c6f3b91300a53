/**
 * Copying forward: the live entries of the oldest segment are written once more at the end of the log,
 * so that a group which rests does not keep every segment since its last entry.
 *
 * What is live is asked again when a copy is about to be written, after every record that was written
 * before it: an entry that was replaced, truncated or forgotten meanwhile is not brought back.
 */
import { CodedError } from '@quorate/core';
import type { Catalog } from './catalog.ts';
import type { File } from './file-system.ts';
import { frameEnd, frameHeadBytes, isFrameIntact, paddedBytes, segmentSeed } from './frame.ts';
import { FrameBuffer } from './frame-buffer.ts';
import { decodeFrame } from './frame-decoding.ts';
import type { EntriesRecord, LogEntry } from './record.ts';
import { type SegmentPlace, segmentHeaderBytes, segmentPath } from './segment.ts';

/** Read at a time; between two reads other work of the thread goes on. */
const chunkBytes = 1024 * 1024;
/** What a commit of copies takes, unless a single entry is larger: so that other commits wait little. */
const sliceBytesMax = 256 * 1024;

/** Copies that form one commit. */
export interface CopySlice {
  readonly frames: FrameBuffer;
  readonly records: readonly EntriesRecord[];
}

interface LogCopies {
  readonly group: number;
  readonly epoch: number;
  /** By index, as they were read. */
  readonly entries: Map<number, LogEntry>;
}

/** The copying of one segment: read once, then taken commit by commit. */
export class ForwardCopy {
  readonly #place: SegmentPlace;
  readonly #catalog: Catalog;
  readonly #sequence: number;
  /** Logs with entries that are not copied yet, by group and epoch. */
  readonly #waiting = new Map<string, LogCopies>();
  #isRead = false;

  /** @param sequence a segment that is synced to its end and not written any more */
  constructor(place: SegmentPlace, catalog: Catalog, sequence: number) {
    this.#place = place;
    this.#catalog = catalog;
    this.#sequence = sequence;
    for (const { group, epoch } of catalog.logsIn(sequence)) {
      this.#waiting.set(keyOf(group, epoch), { group, epoch, entries: new Map() });
    }
  }

  /**
   * Reads what is live, up to the end of the last commit at `segmentEnd`.
   * @throws ERR_LOG_CORRUPT the segment is damaged; what the disk port throws
   */
  async read(segmentEnd: number): Promise<void> {
    const path = segmentPath(this.#place.directory, this.#sequence);
    const seed = segmentSeed(this.#place.diskId, this.#sequence);
    const file = await this.#place.fileSystem.open(path, 'read');
    try {
      for (let at = segmentHeaderBytes; at < segmentEnd; ) {
        const bytes = await readFrames(file, at, segmentEnd);
        const taken = this.#readChunk(bytes, { seed, position: at });
        // A frame that is not even whole when all of it was read has a damaged head or checksum.
        if (taken === 0) throw damaged(path, at, 'damage in a record that was synced');
        at += taken;
      }
    } finally {
      await file.close();
    }
    for (const log of this.#waiting.values()) this.#requireAll(log, path);
    this.#isRead = true;
  }

  /** The next copies that are still live, as one commit; undefined when there are none at present. */
  take(): CopySlice | undefined {
    if (!this.#isRead) return undefined;
    const frames = new FrameBuffer();
    frames.addCommit();
    const records: EntriesRecord[] = [];
    for (const [key, log] of this.#waiting) {
      if (frames.length >= sliceBytesMax) break;
      const record = this.#takeLive(log, sliceBytesMax - frames.length);
      if (log.entries.size === 0) this.#waiting.delete(key);
      if (record.entries.length === 0) continue;
      frames.addRecord(record);
      records.push(record);
    }
    return records.length > 0 ? { frames, records } : undefined;
  }

  /** Nothing is left to be copied. */
  get isOver(): boolean {
    return this.#isRead && this.#waiting.size === 0;
  }

  /** Collects from the whole and intact frames that `bytes` begin with; returns how many bytes they take. */
  #readChunk(bytes: Uint8Array, at: { readonly seed: number; readonly position: number }): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let start = 0;
    for (let end = frameEnd(view, start); end !== undefined; end = frameEnd(view, start)) {
      if (!isFrameIntact(bytes, view, start, at.seed, at.position + start)) break;
      const frame = decodeFrame(bytes, view, start, end);
      if (frame?.kind === 'record' && frame.record.type === 'entries') this.#collect(frame.record);
      start = end;
    }
    return start;
  }

  #collect({ group, epoch, entries }: EntriesRecord): void {
    const log = this.#waiting.get(keyOf(group, epoch));
    const live = this.#catalog.liveIn(this.#sequence, { group, epoch });
    if (log === undefined || live === undefined) return;
    for (const entry of entries) {
      // A later one of the same segment replaces an earlier one, as at a replay.
      if (live.has(entry.index)) log.entries.set(entry.index, { ...entry, payload: entry.payload.slice() });
    }
  }

  /** What the catalog calls live must have been found: the segment may be the only place that has it. */
  #requireAll(log: LogCopies, path: string): void {
    for (const index of this.#catalog.liveIn(this.#sequence, log)?.values() ?? []) {
      if (log.entries.has(index)) continue;
      throw damaged(path, 0, `entry ${index} of group ${log.group}, epoch ${log.epoch} is not there`);
    }
  }

  #takeLive(log: LogCopies, bytesMax: number): EntriesRecord {
    const { group, epoch } = log;
    const live = this.#catalog.liveIn(this.#sequence, log);
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (const [index, entry] of log.entries) {
      if (bytes >= bytesMax) break;
      log.entries.delete(index);
      if (live?.has(index) !== true) continue;
      entries.push(entry);
      bytes += entry.payload.byteLength;
    }
    entries.sort((a, b) => a.index - b.index);
    return { type: 'entries', group, epoch, entries };
  }
}

function keyOf(group: number, epoch: number): string {
  return `${group}/${epoch}`;
}

/** Bytes from `position` on that hold at least one whole frame, if one whole frame is there. */
async function readFrames(file: File, position: number, segmentEnd: number): Promise<Uint8Array> {
  const left = segmentEnd - position;
  const chunk = new Uint8Array(Math.min(chunkBytes, left));
  await file.read(chunk, position);
  if (chunk.byteLength < frameHeadBytes) return chunk;
  const frameBytes = paddedBytes(new DataView(chunk.buffer).getUint32(4, true));
  if (frameBytes <= chunk.byteLength || frameBytes > left) return chunk;
  const whole = new Uint8Array(frameBytes);
  await file.read(whole, position);
  return whole;
}

function damaged(path: string, position: number, what: string): CodedError {
  return new CodedError('ERR_LOG_CORRUPT', `${path} at byte ${position}: ${what}`, { path, position });
}
