/**
 * Replay: the records of the log, in physical order, become the state that a node knew.
 */
import { assertNever } from '@quorate/core';
import { EpochFloors } from './epoch-floors.ts';
import type { Checkpoint } from './frame-buffer.ts';
import { countsFrom, type ForgetRecord, type LogEntry, type LogRecord, type RecoveredLog } from './record.ts';

interface ReplayedLog {
  readonly group: number;
  readonly epoch: number;
  hardState: Uint8Array | undefined;
  snapshot: { readonly index: number; readonly reign: number };
  readonly entries: Map<number, LogEntry>;
}

export class Replay {
  readonly #logs = new Map<string, ReplayedLog>();
  readonly #floors = new EpochFloors();

  /** @returns false when the record names an epoch that an earlier one has forgotten */
  apply(record: LogRecord): boolean {
    if (record.type === 'forget') {
      this.#forget(record);
      return true;
    }
    if (this.#floors.isForgotten(record)) return false;
    this.#change(this.#log(record), record);
    return true;
  }

  #change(log: ReplayedLog, record: Exclude<LogRecord, ForgetRecord>): void {
    switch (record.type) {
      case 'entries':
        for (const entry of record.entries) {
          // A copy: the payload is a view of a whole segment, which would stay in memory with it.
          if (entry.index > log.snapshot.index) {
            log.entries.set(entry.index, { ...entry, payload: entry.payload.slice() });
          }
        }
        return;
      case 'truncate':
        forget(log, (index) => index > record.after);
        return;
      case 'hard-state':
        log.hardState = record.state.slice();
        return;
      case 'snapshot':
        log.snapshot = countsFrom(log.snapshot, record);
        forget(log, (index) => record.discardsLog || index <= log.snapshot.index);
        return;
      default:
        assertNever(record, 'record of the log');
    }
  }

  /**
   * Takes over a checkpoint. At the head of the oldest segment it is all that is known; at the head of
   * a later one it must repeat what the records before it led to.
   * @returns false when it contradicts them
   */
  checkpoint(checkpoint: Checkpoint, isOldest: boolean): boolean {
    if (this.#floors.isForgotten(checkpoint)) return false;
    const log = this.#log(checkpoint);
    const { hardState, snapshot, lastIndex } = checkpoint;
    if (!isOldest) {
      const isSameState =
        Buffer.compare(log.hardState ?? Buffer.alloc(0), hardState ?? Buffer.alloc(0)) === 0;
      const isSameSnapshot = log.snapshot.index === snapshot.index && log.snapshot.reign === snapshot.reign;
      for (const index of log.entries.keys()) if (index > lastIndex) return false;
      return isSameState && isSameSnapshot;
    }
    log.hardState = hardState?.slice();
    log.snapshot = snapshot;
    return true;
  }

  /** Sorted by group, then by epoch. */
  recovered(): readonly RecoveredLog[] {
    return [...this.#logs.values()]
      .sort((a, b) => a.group - b.group || a.epoch - b.epoch)
      .map(({ group, epoch, hardState, snapshot, entries }) => ({
        group,
        epoch,
        hardState,
        snapshot,
        entries: [...entries.values()].sort((a, b) => a.index - b.index),
      }));
  }

  #forget(record: ForgetRecord): void {
    this.#floors.raise(record);
    for (const [key, log] of this.#logs) if (this.#floors.isForgotten(log)) this.#logs.delete(key);
  }

  #log(of: { readonly group: number; readonly epoch: number }): ReplayedLog {
    const key = `${of.group}/${of.epoch}`;
    let log = this.#logs.get(key);
    if (log === undefined) {
      const { group, epoch } = of;
      log = { group, epoch, hardState: undefined, snapshot: { index: 0, reign: 0 }, entries: new Map() };
      this.#logs.set(key, log);
    }
    return log;
  }
}

function forget(log: ReplayedLog, isForgotten: (index: number) => boolean): void {
  for (const index of log.entries.keys()) if (isForgotten(index)) log.entries.delete(index);
}
