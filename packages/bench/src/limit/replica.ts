/**
 * What a node of the limit does with a batch: write it, pass it on, count acknowledgements, apply, reply.
 *
 * There is no term, no log matching and no election here: batches arrive in order over ports that lose
 * nothing, and the leader is whoever was named so. What remains is what no protocol can do without.
 */
import { invariant } from '@quorate/core';
import { type BatchHeader, decodeCommands, encodeReply, type LimitMode, readHeader } from './batch.ts';
import type { BatchStore } from './group-commit-file.ts';

/** Takes the bytes over: the sender must not touch them again. */
export type SendBytes = (bytes: Buffer) => void;

/** The state that a replica applies batches to. */
interface Applied {
  /** The result of each command, or undefined where commands are only counted. */
  apply(batch: Buffer, header: BatchHeader): readonly number[] | undefined;
}

function appliedState(mode: LimitMode): Applied {
  let applied = 0;
  if (mode === 'opaque') {
    return {
      apply: (_batch, header) => {
        applied += header.count;
        return undefined;
      },
    };
  }
  const values = new Map<string, string>();
  return {
    apply: (batch) => {
      const results: number[] = [];
      for (const [key, value] of decodeCommands(batch)) {
        values.set(key, value);
        applied += 1;
        results.push(applied);
      }
      return results;
    },
  };
}

/** The highest number that a quorum has made durable: with `durable` one per node, the middle one from above. */
export function durableOnQuorum(durable: readonly number[]): number {
  const descending = [...durable].sort((a, b) => b - a);
  const held = descending[Math.floor(durable.length / 2)];
  invariant(held !== undefined, 'a quorum is counted over at least one node');
  return held;
}

export class LimitLeader {
  readonly #store: BatchStore;
  readonly #followers: readonly SendBytes[];
  readonly #reply: SendBytes;
  readonly #state: Applied;
  /** Index 0 is the leader's own disk, then the followers in the order of `followers`. */
  readonly #durable: number[];
  /** Received and not committed yet, ascending from `#committed + 1`. */
  #waiting: Buffer[] = [];
  #committed = 0;

  constructor(options: {
    readonly mode: LimitMode;
    readonly store: BatchStore;
    readonly followers: readonly SendBytes[];
    readonly reply: SendBytes;
  }) {
    this.#store = options.store;
    this.#followers = options.followers;
    this.#reply = options.reply;
    this.#state = appliedState(options.mode);
    this.#durable = [0, ...options.followers.map(() => 0)];
  }

  onBatch(batch: Buffer): void {
    batch.writeUInt32LE(this.#committed, 4);
    this.#waiting.push(batch);
    for (const send of this.#followers) send(Buffer.from(new Uint8Array(batch).buffer));
    this.#store.append(batch);
  }

  onOwnDurable(batches: number): void {
    this.#durable[0] = (this.#durable[0] ?? 0) + batches;
    this.#commit();
  }

  onAcknowledged(follower: number, upTo: number): void {
    this.#durable[follower + 1] = upTo;
    this.#commit();
  }

  #commit(): void {
    const held = durableOnQuorum(this.#durable);
    if (held <= this.#committed) return;
    const chosen = this.#waiting.splice(0, held - this.#committed);
    this.#committed = held;
    for (const batch of chosen) {
      const header = readHeader(batch);
      this.#reply(encodeReply(header.number, header.count, this.#state.apply(batch, header)));
    }
  }
}

export class LimitFollower {
  readonly #store: BatchStore;
  readonly #acknowledge: (upTo: number) => void;
  readonly #state: Applied;
  /** Received and not known to be committed, ascending from `#applied + 1`. */
  #waiting: Buffer[] = [];
  #applied = 0;
  #durable = 0;

  constructor(options: {
    readonly mode: LimitMode;
    readonly store: BatchStore;
    readonly acknowledge: (upTo: number) => void;
  }) {
    this.#store = options.store;
    this.#acknowledge = options.acknowledge;
    this.#state = appliedState(options.mode);
  }

  onBatch(batch: Buffer): void {
    this.#waiting.push(batch);
    this.#store.append(batch);
    const { committed } = readHeader(batch);
    for (const chosen of this.#waiting.splice(0, committed - this.#applied)) {
      this.#state.apply(chosen, readHeader(chosen));
    }
    this.#applied = committed;
  }

  onOwnDurable(batches: number): void {
    this.#durable += batches;
    this.#acknowledge(this.#durable);
  }
}
