/**
 * The apply queue: committed entries and installed snapshots, in order, into the state.
 *
 * Applying is cut into slices, so that messages and heartbeats get their turn however much is committed
 * at once. While a snapshot is being restored the state is neither the old one nor the new one, and
 * nobody may read it.
 */
import { type Clock, invariant } from '@quorate/core';
import type { Entry } from '../protocol.ts';
import { isLastOfEpoch } from './epoch.ts';
import type { Applied, ReplicatedState } from './replicated-state.ts';
import type { SnapshotPlace } from './snapshot-keeper.ts';

/** How long one slice may hold the thread. */
const sliceMs = 5;

type Work =
  | { readonly type: 'entries'; readonly entries: readonly Entry[] }
  | { readonly type: 'install'; readonly snapshot: SnapshotPlace; readonly installed: () => void };

export interface ApplyQueueOptions {
  readonly clock: Clock;
  readonly state: ReplicatedState;
  readonly restore: (snapshot: SnapshotPlace) => Promise<void>;
  /** After each entry. */
  readonly applied: (outcome: Applied, entry: Entry) => void;
  /** After each slice: the state may be read. */
  readonly readable: () => void;
  /** The state cannot be brought to what it should be. */
  readonly failed: (error: unknown) => void;
}

export class ApplyQueue {
  readonly #options: ApplyQueueOptions;
  readonly #work: Work[] = [];
  #waitingBytes = 0;
  #activity: 'idle' | 'scheduled' | 'restoring' | 'stopped' = 'idle';

  constructor(options: ApplyQueueOptions) {
    this.#options = options;
  }

  get isReadable(): boolean {
    return this.#activity === 'idle' || this.#activity === 'scheduled';
  }

  /** Payload bytes that are committed and not in the state yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  entries(entries: readonly Entry[]): void {
    for (const { payload } of entries) this.#waitingBytes += payload.byteLength;
    this.#work.push({ type: 'entries', entries });
    this.#slice();
  }

  /**
   * What waits to be applied is in the snapshot, and older snapshots may be removed at any time from now on.
   * @param installed called when the snapshot is in the state, unless a newer one has taken its place
   */
  install(snapshot: SnapshotPlace, installed: () => void = () => undefined): void {
    this.#clear();
    this.#work.push({ type: 'install', snapshot, installed });
    this.#slice();
  }

  /** Nothing that waits is to be applied any more. */
  dropWaiting(): void {
    this.#clear();
  }

  stop(): void {
    this.#activity = 'stopped';
    this.#clear();
  }

  #clear(): void {
    this.#work.length = 0;
    this.#waitingBytes = 0;
  }

  #slice(): void {
    if (this.#activity !== 'idle') return;
    const stopAtMs = this.#options.clock.nowMs() + sliceMs;
    for (let next = this.#work.shift(); next !== undefined; next = this.#work.shift()) {
      if (next.type === 'install') return this.#restore(next.snapshot, next.installed);
      const left = this.#applyUntil(stopAtMs, next.entries);
      if (left.length === 0) continue;
      this.#work.unshift({ type: 'entries', entries: left });
      return this.#goOnLater();
    }
    this.#options.readable();
  }

  /** @returns the entries that the slice had no time for */
  #applyUntil(stopAtMs: number, entries: readonly Entry[]): readonly Entry[] {
    const { clock, state, applied } = this.#options;
    for (let at = 0; at < entries.length; at++) {
      if (clock.nowMs() >= stopAtMs) return entries.slice(at);
      const entry = entries[at];
      invariant(entry !== undefined, 'an array has its elements');
      const outcome = state.apply(entry);
      this.#waitingBytes -= entry.payload.byteLength;
      applied(outcome, entry);
      if (!isLastOfEpoch(outcome)) continue;
      this.#clear();
      return [];
    }
    return [];
  }

  #goOnLater(): void {
    this.#options.readable();
    this.#activity = 'scheduled';
    this.#options.clock.defer(() => this.#resumeFrom('scheduled'));
  }

  #restore(snapshot: SnapshotPlace, installed: () => void): void {
    this.#activity = 'restoring';
    this.#options.restore(snapshot).then(
      () => {
        try {
          if (this.#activity === 'restoring') installed();
        } catch (error) {
          return this.#options.failed(error);
        }
        this.#resumeFrom('restoring');
      },
      (error: unknown) => {
        // A newer one that came meanwhile replaces everything, whatever became of this one.
        if (this.#work.some(({ type }) => type === 'install')) this.#resumeFrom('restoring');
        else this.#options.failed(error);
      },
    );
  }

  #resumeFrom(activity: 'scheduled' | 'restoring'): void {
    if (this.#activity !== activity) return;
    this.#activity = 'idle';
    try {
      this.#slice();
    } catch (error) {
      this.#options.failed(error);
    }
  }
}
