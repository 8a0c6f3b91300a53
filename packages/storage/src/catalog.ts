/**
 * The catalog: where every (group, epoch) of the log stands, without its entries. It gives the
 * checkpoint that opens a segment, and says which old segments are still needed.
 */
import { assertNever } from '@quorate/core';
import { EpochFloors } from './epoch-floors.ts';
import type { Checkpoint } from './frame-buffer.ts';
import { countsFrom, type ForgetRecord, type LogRecord } from './record.ts';

/** The highest entry that a segment may hold for one (group, epoch). */
interface Extent {
  readonly sequence: number;
  lastIndex: number;
}

interface CatalogLog {
  readonly group: number;
  readonly epoch: number;
  hardState: Uint8Array | undefined;
  snapshot: { readonly index: number; readonly reign: number };
  /** Ascending by segment; only segments whose entries are not all forgotten. */
  extents: Extent[];
}

/** The (group, epoch) whose entries keep the oldest segment, and how many segments it keeps. */
export interface Pinning {
  readonly group: number;
  readonly epoch: number;
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
        const last = record.entries.at(-1);
        if (last !== undefined) note(log, sequence, last.index);
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
        if (record.discardsLog) log.extents = [];
        this.#cut(log, Number.MAX_SAFE_INTEGER);
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
        lastIndex: log.extents.reduce((highest, extent) => Math.max(highest, extent.lastIndex), 0),
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

  #log(of: { readonly group: number; readonly epoch: number }): CatalogLog {
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
    for (const extent of log.extents) extent.lastIndex = Math.min(extent.lastIndex, after);
    log.extents = log.extents.filter((extent) => extent.lastIndex > log.snapshot.index);
    this.#mayFreeSegments = true;
  }
}

function note(log: CatalogLog, sequence: number, lastIndex: number): void {
  const latest = log.extents.at(-1);
  if (latest?.sequence === sequence) latest.lastIndex = Math.max(latest.lastIndex, lastIndex);
  else log.extents.push({ sequence, lastIndex });
}
