/**
 * Those who are told where this replica stands, whenever that has changed.
 *
 * Clients come and go without a word, so only so many are kept: whoever has not asked for the longest is
 * forgotten first. A client that waits for something asks again within a second.
 */
import type { ActorRef } from '@quorate/core';
import type { ReplicaStatus } from './message.ts';
import { encodeClientMessage } from './message-codec.ts';

export const watchersMax = 1_024;

export class StatusWatchers {
  readonly #status: () => ReplicaStatus;
  /** By address; whoever asked last stands last. */
  readonly #watchers = new Map<string, ActorRef>();
  #lastPublished: ReplicaStatus | undefined;

  constructor(status: () => ReplicaStatus) {
    this.#status = status;
  }

  get size(): number {
    return this.#watchers.size;
  }

  /** `watcher` is told now, and from now on. */
  watch(watcher: ActorRef): void {
    this.#watchers.delete(watcher.address);
    this.#watchers.set(watcher.address, watcher);
    for (const longest of this.#watchers.keys()) {
      if (this.#watchers.size <= watchersMax) break;
      this.#watchers.delete(longest);
    }
    watcher.tell(encodeClientMessage({ type: 'status', status: this.#status() }));
  }

  /** Tells everyone, if something has changed since they were told. */
  publish(): void {
    if (this.#watchers.size === 0) return;
    const status = this.#status();
    if (this.#lastPublished !== undefined && isSame(status, this.#lastPublished)) return;
    this.#lastPublished = status;
    const message = encodeClientMessage({ type: 'status', status });
    for (const watcher of this.#watchers.values()) watcher.tell(message);
  }
}

/** Asked of every replica that is awake, several times a second. */
function isSame(one: ReplicaStatus, other: ReplicaStatus): boolean {
  for (const key of Object.keys(one) as (keyof ReplicaStatus)[]) {
    if (one[key] === other[key]) continue;
    if (key !== 'members') return false;
    if (one.members.join() !== other.members.join()) return false;
  }
  return true;
}
