/**
 * The catalog: where every (group, epoch) of the log stands, without its entries. It gives the
 * checkpoint that opens a segment, and says which old segments are still needed.
 */
import { assertNever } from '@quorate/core';
import { EpochFloors } from './epoch-floors.ts';
import { type Checkpoint, entryHeadBytes } from './frame-buffer.ts';
import { IndexRanges } from './index-ranges.ts';
import { countsFrom, type ForgetRecord, type LogEntry, type LogRecord } from './record.ts';

/** The entries of one (group, epoch) that are live in a segment: no later record replaced or forgot them. */
interface Extent {
  readonly sequence: number;
  readonly live: IndexRanges;
  /** Entries that were ever written to the segment for this log, and their bytes. */
  entries: number;
  bytes: number;
}

interface LogName {
  readonly group: number;
  readonly epoch: number;
}

interface CatalogLog extends LogName {
  hardState: Uint8Array | undefined;
  snapshot: { readonly index: number; readonly reign: number };
  /** Ascending by segment; only segments with a live entry. */
  extents: Extent[];
}

/** The (group, epoch) whose entries keep the oldest segment, and how many segments it keeps. */
export interface Pinning extends LogName {
  readonly segments: number;
}

export class Catalog {
  readonly #logs = new Map<number, Map<number, CatalogLog>>();
  readonly #floors = new EpochFloors();
  #mayFreeSegments = false;

  /** Takes note of a record that is written to segment `sequence`. */
  apply(record: LogRecord, sequence: number): void {
    if (record.type === 'forget') {
      this.#forget(record);
      return;
    }
    const log = this.#log(record);
    switch (record.type) {
      case 'entries': {
        this.#write(log, record.entries, sequence);
        return;
      }
      case 'truncate':
        this.#cut(log, record.after);
        return;
      case 'hard-state':
        log.hardState = record.state.slice();
        return;
      case 'snapshot':
        log.snapshot = countsFrom(log.snapshot, record);
        this.#cut(log, record.discardsLog ? 0 : Number.MAX_SAFE_INTEGER);
        return;
      default:
        assertNever(record, 'record of the log');
    }
  }

  /** Takes over a checkpoint found at the head of a segment. */
  restore(checkpoint: Checkpoint): void {
    const log = this.#log(checkpoint);
    log.hardState = checkpoint.hardState?.slice();
    log.snapshot = checkpoint.snapshot;
    this.#cut(log, checkpoint.lastIndex);
  }

  /** Where everything stands, in a fixed order: by group, then by epoch. */
  checkpoints(): readonly Checkpoint[] {
    return this.#all()
      .map((log) => ({
        group: log.group,
        epoch: log.epoch,
        hardState: log.hardState,
        snapshot: log.snapshot,
        lastIndex: log.extents.reduce((highest, { live }) => Math.max(highest, live.highest), 0),
      }))
      .sort((a, b) => a.group - b.group || a.epoch - b.epoch);
  }

  /** Which epochs are forgotten, one record for each group that has forgotten any; by group. */
  forgotten(): readonly ForgetRecord[] {
    return this.#floors.records();
  }

  /** True once after something was forgotten: only then may {@link oldestNeeded} have grown. */
  takeMayFreeSegments(): boolean {
    const may = this.#mayFreeSegments;
    this.#mayFreeSegments = false;
    return may;
  }

  /** The oldest segment with an entry that is not forgotten; `active` when there is none. */
  oldestNeeded(active: number): number {
    return active - (this.pinning(active)?.segments ?? 0);
  }

  /** Whose entries reach back furthest; undefined when all are in the segment `active`. */
  pinning(active: number): Pinning | undefined {
    let oldest: Pinning | undefined;
    for (const { group, epoch, extents } of this.#all()) {
      const segments = active - (extents[0]?.sequence ?? active);
      if (segments > (oldest?.segments ?? 0)) oldest = { group, epoch, segments };
    }
    return oldest;
  }

  /** The logs that have a live entry in the segment. */
  logsIn(sequence: number): readonly LogName[] {
    return this.#all().filter(({ extents }) => extents.some((extent) => extent.sequence === sequence));
  }

  /** Which entries of one log are live in the segment, as of now; undefined when none is. */
  liveIn(sequence: number, { group, epoch }: LogName): IndexRanges | undefined {
    const log = this.#logs.get(group)?.get(epoch);
    return log?.extents.find((extent) => extent.sequence === sequence)?.live;
  }

  /** About how many bytes of the log are live entries: of each segment, the part of its entries that is. */
  liveBytes(): number {
    let total = 0;
    for (const { extents } of this.#all()) {
      for (const { live, entries, bytes } of extents) total += (bytes * live.count) / entries;
    }
    return total;
  }

  #write(log: CatalogLog, entries: readonly LogEntry[], sequence: number): void {
    let extent = log.extents.at(-1);
    if (extent?.sequence !== sequence) {
      extent = { sequence, live: new IndexRanges(), entries: 0, bytes: 0 };
      log.extents.push(extent);
    }
    for (let at = 0; at < entries.length; ) {
      const first = entries[at]?.index ?? 0;
      let last = first - 1;
      for (; entries[at]?.index === last + 1; at++) {
        last++;
        extent.entries++;
        extent.bytes += entryHeadBytes + (entries[at]?.payload.byteLength ?? 0);
      }
      for (const other of log.extents) if (other !== extent) other.live.remove(first, last);
      extent.live.add(first, last);
    }
    // An entry that the snapshot holds already is never asked for.
    extent.live.remove(0, log.snapshot.index);
    this.#dropEmpty(log);
  }

  #dropEmpty(log: CatalogLog): void {
    if (log.extents.every(({ live }) => live.count > 0)) return;
    log.extents = log.extents.filter(({ live }) => live.count > 0);
    this.#mayFreeSegments = true;
  }

  #forget(record: ForgetRecord): void {
    this.#floors.raise(record);
    const epochs = this.#logs.get(record.group);
    for (const epoch of epochs?.keys() ?? []) {
      if (this.#floors.isForgotten({ group: record.group, epoch })) epochs?.delete(epoch);
    }
    this.#mayFreeSegments = true;
  }

  #all(): CatalogLog[] {
    return [...this.#logs.values()].flatMap((epochs) => [...epochs.values()]);
  }

  #log(of: LogName): CatalogLog {
    let epochs = this.#logs.get(of.group);
    if (epochs === undefined) {
      epochs = new Map();
      this.#logs.set(of.group, epochs);
    }
    let log = epochs.get(of.epoch);
    if (log === undefined) {
      const { group, epoch } = of;
      log = { group, epoch, hardState: undefined, snapshot: { index: 0, reign: 0 }, extents: [] };
      epochs.set(of.epoch, log);
    }
    return log;
  }

  /** Forgets entries above `after`, and the extents that the snapshot covers by now. */
  #cut(log: CatalogLog, after: number): void {
    for (const { live } of log.extents) {
      live.remove(after + 1, Number.MAX_SAFE_INTEGER);
      live.remove(0, log.snapshot.index);
    }
    this.#dropEmpty(log);
  }
}
