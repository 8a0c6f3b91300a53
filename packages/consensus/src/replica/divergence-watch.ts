/**
 * The watch over divergence: tells the others this replica's state hash at each checkpoint, hears theirs,
 * and says when this replica must stop.
 *
 * Nothing is sent between checkpoints, nothing is asked for and nothing is repeated: a report that was lost
 * is made up for by the next, since a chain that has parted never meets again. What is kept is volatile; a
 * replica that starts anew begins anew, from the chain in its snapshot.
 */
import { CodedError, type NodeId } from '@quorate/core';
import type { LogIndex } from '../protocol.ts';
import { type DivergenceVerdict, isCheckpoint, judgeDivergence } from './divergence.ts';
import type { HashValue } from './state-hash.ts';

export interface DivergenceWatchOptions {
  readonly self: NodeId;
  /** The voters of the epoch as of now. */
  readonly voters: () => readonly NodeId[];
  readonly report: (to: NodeId, index: LogIndex, hash: HashValue) => void;
}

/**
 * How many checkpoints later two that differ stop, though silent members might have said who is right.
 * Waiting longer would let both go on answering, and one of them is wrong.
 */
const disputeCheckpoints = 16;
/** Checkpoints kept for members that are ahead or behind; beyond them the oldest are forgotten. */
const keptCheckpoints = 1_024;

type Checkpoint = Map<NodeId, HashValue>;

export class DivergenceWatch {
  readonly #options: DivergenceWatchOptions;
  /** What was reported for each index above `#agreed`. */
  readonly #checkpoints = new Map<number, Checkpoint>();
  /** Own checkpoints that wait for a verdict, ascending. */
  readonly #pending: LogIndex[] = [];
  /** Up to here this replica is known to be where a majority is. */
  #agreed = 0;

  constructor(options: DivergenceWatchOptions) {
    this.#options = options;
  }

  /**
   * The entry at `index` is in the state. Calls `stateHash` at checkpoints only.
   * @throws CodedError ERR_STATE_DIVERGED: this replica must stop
   */
  applied(index: LogIndex, stateHash: () => HashValue): void {
    if (!isCheckpoint(index)) return;
    const hash = stateHash();
    this.#report(index, hash);
    this.#note(this.#options.self, index, hash);
    this.#pending.push(index);
    this.#judge(index);
    this.#judgeOldDisputes();
  }

  /**
   * Another replica has reported.
   * @throws CodedError ERR_STATE_DIVERGED: this replica must stop
   */
  heard(from: NodeId, index: LogIndex, hash: HashValue): void {
    if (index <= this.#agreed || !isCheckpoint(index) || !this.#options.voters().includes(from)) return;
    this.#note(from, index, hash);
    this.#judge(index);
  }

  #report(index: LogIndex, hash: HashValue): void {
    const { self, report } = this.#options;
    const voters = this.#options.voters();
    // Whoever has no voice in the epoch is not listened to either.
    if (!voters.includes(self)) return;
    for (const voter of voters) if (voter !== self) report(voter, index, hash);
  }

  #note(from: NodeId, index: LogIndex, hash: HashValue): void {
    const known = this.#checkpoints.get(index);
    // Whoever reports twice has started anew in between: what it is now counts.
    if (known !== undefined) return void known.set(from, hash);
    this.#checkpoints.set(index, new Map([[from, hash]]));
    if (this.#checkpoints.size <= keptCheckpoints) return;
    const oldest = Math.min(...this.#checkpoints.keys());
    this.#forget((checkpoint) => checkpoint <= oldest);
  }

  #judge(index: LogIndex): void {
    const verdict = this.#verdictAt(index);
    switch (verdict?.type) {
      case 'outvoted':
        throw this.#diverged(index, `a majority has ${verdict.majority}`);
      case 'no-majority':
        throw this.#diverged(index, 'no hash has a majority');
      case 'agreed':
        // The chain carries everything before: what was disputed earlier is settled by this.
        this.#agreed = index;
        return this.#forget((checkpoint) => checkpoint <= index);
      default:
        return;
    }
  }

  #judgeOldDisputes(): void {
    const oldest = this.#pending[this.#pending.length - 1 - disputeCheckpoints];
    if (oldest === undefined || this.#verdictAt(oldest)?.type !== 'disputed') return;
    throw this.#diverged(oldest, 'those who could have given it a majority stay silent');
  }

  #verdictAt(index: LogIndex): DivergenceVerdict | undefined {
    const { self, voters } = this.#options;
    const reports = this.#checkpoints.get(index);
    const own = reports?.get(self);
    if (reports === undefined || own === undefined) return undefined;
    return judgeDivergence({ voters: voters(), reports, own });
  }

  #forget(isPast: (checkpoint: number) => boolean): void {
    for (const checkpoint of this.#checkpoints.keys()) {
      if (isPast(checkpoint)) this.#checkpoints.delete(checkpoint);
    }
    while (this.#pending[0] !== undefined && isPast(this.#pending[0])) this.#pending.shift();
  }

  #diverged(index: LogIndex, why: string): CodedError {
    const { self } = this.#options;
    const reports = Object.fromEntries(this.#checkpoints.get(index) ?? []);
    const told = Object.entries(reports).map(([node, hash]) => `${node} ${hash}`);
    return new CodedError(
      'ERR_STATE_DIVERGED',
      `the state machine of ${self} is not deterministic: at index ${index} replicas that applied the same ` +
        `entries came to different states (${told.join(', ')}), and ${why}`,
      { index, reports },
    );
  }
}
