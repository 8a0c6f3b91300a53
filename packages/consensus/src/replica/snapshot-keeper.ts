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
  readonly epoch: number;
  readonly index: LogIndex;
  readonly reign: Reign;
}

export interface SnapshotKeeperOptions {
  readonly group: number;
  readonly state: ReplicatedState;
  readonly snapshots: SnapshotStore;
  readonly log: WriteAheadLog;
  /** The snapshot that the log counts from; undefined for none. */
  readonly countsFrom: SnapshotPlace | undefined;
  /** The last entry that is in the state at the start. */
  readonly standsAt: SnapshotPlace | undefined;
  /** Payload bytes applied between two snapshots. */
  readonly everyBytes: number;
  /** A snapshot of the own state at `place` is durable and named in the log. */
  readonly taken: (place: SnapshotPlace) => void;
  /** The log of `place.epoch` may be forgotten up to `place.index`. */
  readonly compacted: (place: SnapshotPlace) => void;
  readonly warn: (message: string, error: unknown) => void;
}

export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions;
  #countsFrom: SnapshotPlace | undefined;
  #lastApplied: SnapshotPlace | undefined;
  #bytesSince = 0;
  #isWriting = false;
  #isWanted = false;
  #isStopped = false;

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options;
    this.#countsFrom = options.countsFrom;
    this.#lastApplied = options.standsAt;
  }

  /** What the newest own or received snapshot holds. */
  get newest(): SnapshotPlace | undefined {
    return this.#countsFrom;
  }

  /** An entry with so many bytes of payload is in the state. */
  applied(place: SnapshotPlace, payloadBytes: number): void {
    this.#lastApplied = place;
    this.#bytesSince += payloadBytes;
  }

  /** The log counts from a snapshot that was received; the record of it is on its way. */
  countsFrom(place: SnapshotPlace): void {
    this.#countsFrom = place;
    this.#lastApplied = place;
    this.#bytesSince = 0;
  }

  /** Takes one as soon as there is something new to take, however little: somebody needs it. */
  want(): void {
    this.#isWanted = true;
    this.takeIfDue();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Begins a snapshot if enough was applied since the last one. To be called between two entries. */
  takeIfDue(): void {
    const place = this.#lastApplied;
    const isDue = this.#isWanted || this.#bytesSince >= this.#options.everyBytes;
    if (this.#isWriting || this.#isStopped || !isDue) return;
    if (place === undefined || place.index <= (this.#countsFrom?.index ?? 0)) return;
    this.#isWriting = true;
    this.#isWanted = false;
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
  prune({ epoch, index }: SnapshotPlace): void {
    const { snapshots, group, warn } = this.#options;
    snapshots
      .prune({ group, epoch, index })
      .catch((error: unknown) => warn('old snapshots could not be removed', error));
  }

  async #write(place: SnapshotPlace): Promise<void> {
    const { group, state, snapshots, log, taken, compacted } = this.#options;
    const { epoch, index, reign } = place;
    const chunks = state.snapshot();
    const writer = await snapshots.create({ group, epoch, index, reign });
    try {
      for await (const chunk of chunks) await writer.append(chunk);
      await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    const previous = this.#countsFrom;
    // One received meanwhile holds more: the log counts from that one.
    if (this.#isStopped || index <= (previous?.index ?? 0)) return;
    this.#countsFrom = place;
    log.append([{ type: 'snapshot', group, epoch, index, reign, discardsLog: false }], () => {
      taken(place);
      // Entries back to the previous snapshot stay in memory, so that a follower which lags a little
      // is sent entries and not a whole state.
      if (previous !== undefined) compacted(previous);
      this.prune(place);
    });
  }
}
