/**
 * Takes snapshots of the own state, and keeps the log short by them.
 *
 * A snapshot is first made durable as a file, then named in the log, and only then may the log forget:
 * a crash in between leaves a file that nobody counts from, and a log that still has everything.
 */
import type { SnapshotStore, WriteAheadLog } from '@quorate/storage';
import type { LogIndex, Reign } from '../protocol.ts';
import type { ReplicatedState } from './replicated-state.ts';

export interface SnapshotPlace {
  readonly index: LogIndex;
  readonly reign: Reign;
}

export interface SnapshotKeeperOptions {
  readonly group: number;
  readonly epoch: number;
  readonly state: ReplicatedState;
  readonly snapshots: SnapshotStore;
  readonly log: WriteAheadLog;
  /** The snapshot that the log counts from; 0 for none. */
  readonly countsFrom: LogIndex;
  /** Payload bytes applied between two snapshots. */
  readonly everyBytes: number;
  /** The log may be forgotten up to `index`. */
  readonly compacted: (index: LogIndex) => void;
  readonly warn: (message: string, error: unknown) => void;
}

export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions;
  #countsFrom: LogIndex;
  #lastApplied: SnapshotPlace | undefined;
  #bytesSince = 0;
  #isWriting = false;
  #isStopped = false;

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options;
    this.#countsFrom = options.countsFrom;
  }

  /** An entry with so many bytes of payload is in the state. */
  applied(place: SnapshotPlace, payloadBytes: number): void {
    this.#lastApplied = place;
    this.#bytesSince += payloadBytes;
  }

  /** The log counts from a snapshot that was received; the record of it is on its way. */
  countsFrom(place: SnapshotPlace): void {
    this.#countsFrom = place.index;
    this.#lastApplied = place;
    this.#bytesSince = 0;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Begins a snapshot if enough was applied since the last one. To be called between two entries. */
  takeIfDue(): void {
    const place = this.#lastApplied;
    if (this.#isWriting || this.#isStopped || this.#bytesSince < this.#options.everyBytes) return;
    if (place === undefined || place.index <= this.#countsFrom) return;
    this.#isWriting = true;
    this.#bytesSince = 0;
    this.#write(place).then(
      () => {
        this.#isWriting = false;
      },
      (error: unknown) => {
        // The log still has everything: the next one is tried after as many bytes again.
        this.#isWriting = false;
        if (!this.#isStopped)
          this.#options.warn(`the snapshot at ${place.index} could not be written`, error);
      },
    );
  }

  /**
   * Removes what the log has left behind.
   * @param durable the snapshot that the log on the disk counts from; newer records may still be on their way
   */
  prune(durable: LogIndex): void {
    const { snapshots, group, epoch, warn } = this.#options;
    snapshots
      .prune({ group, epoch, index: durable })
      .catch((error: unknown) => warn('old snapshots could not be removed', error));
  }

  async #write({ index, reign }: SnapshotPlace): Promise<void> {
    const { group, epoch, state, snapshots, log, compacted } = this.#options;
    const chunks = state.snapshot();
    const writer = await snapshots.create({ group, epoch, index, reign });
    try {
      for await (const chunk of chunks) await writer.append(chunk);
      await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    // One received meanwhile holds more: the log counts from that one.
    if (this.#isStopped || index <= this.#countsFrom) return;
    const previous = this.#countsFrom;
    this.#countsFrom = index;
    log.append([{ type: 'snapshot', group, epoch, index, reign, discardsLog: false }], () => {
      // Entries back to the previous snapshot stay in memory, so that a follower which lags a little
      // is sent entries and not a whole state.
      if (previous > 0) compacted(previous);
      this.prune(index);
    });
  }
}
