/**
 * Changes of the epoch in the midst of everything else: the algorithm, the members, or both, at random times.
 *
 * Nodes that join begin blank and learn; nodes that leave go on as learners and may be called again. Whoever
 * orders the changes is a client like the others: it loses answers, and may not know what became of an order.
 */
import type { Client } from '@quorate/consensus';
import { hasCode, type NodeId, type Random } from '@quorate/core';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface EpochChangesOptions {
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly random: Random;
  readonly cluster: SimulatedCluster;
  readonly client: Client;
  readonly algorithms: readonly string[];
  /** Nodes that may be called in beside those there are. */
  readonly spares: readonly NodeId[];
  /** Members an epoch may have, at most. */
  readonly membersMax: number;
  /** Quiet time between two orders, in milliseconds. */
  readonly everyMs: readonly [min: number, max: number];
}

/** What became of the orders. */
export interface EpochChangeCounts {
  made: number;
  /** Those made that changed the algorithm. */
  swaps: number;
  /** Those made by which a node joined, and by which one left. */
  joined: number;
  left: number;
  refused: number;
  /** Nobody knows whether they were carried out. */
  unknown: number;
}

export const noEpochChanges = (): EpochChangeCounts => ({
  made: 0,
  swaps: 0,
  joined: 0,
  left: 0,
  refused: 0,
  unknown: 0,
});

export class EpochChanges {
  readonly #options: EpochChangesOptions;
  #isStopping = false;
  #isRunning = false;
  /** Orders that were carried out, refused, and of which it is not known. */
  readonly counts = noEpochChanges();

  constructor(options: EpochChangesOptions) {
    this.#options = options;
  }

  get isDone(): boolean {
    return !this.#isRunning;
  }

  start(): void {
    this.#isRunning = true;
    this.#later();
  }

  /** Lets the order that is under way come to its end, and gives no other. */
  stop(): void {
    this.#isStopping = true;
  }

  #later(): void {
    const { time, random, everyMs } = this.#options;
    const [min, max] = everyMs;
    time.after(min + random.next() * (max - min), () => {
      if (this.#isStopping) {
        this.#isRunning = false;
        return;
      }
      this.#order().then(
        () => this.#later(),
        (error: unknown) => {
          throw error;
        },
      );
    });
  }

  async #order(): Promise<void> {
    const { client, trace, time, cluster } = this.#options;
    const present = client.epoch;
    if (present === undefined) return;
    const algorithm = this.#drawAlgorithm(present.algorithm);
    const members = this.#drawMembers(present.members);
    const { epoch: number } = present;
    for (const node of members) {
      // Whoever was there before goes on with what it has.
      if (cluster.members.includes(node)) continue;
      cluster.admit(node, { ...present, number, acceptQuorum: undefined });
    }
    const change = { fromEpoch: present.epoch, algorithm, acceptQuorum: undefined, members, renewed: [] };
    trace.add(time.nowMs, `epoch ${present.epoch} shall become ${algorithm} on ${members.join('')}`);
    try {
      const epoch = await client.reconfigure(change, { timeoutMs: 2_000 });
      this.counts.made += 1;
      if (algorithm !== present.algorithm) this.counts.swaps += 1;
      if (members.some((node) => !present.members.includes(node))) this.counts.joined += 1;
      if (present.members.some((node) => !members.includes(node))) this.counts.left += 1;
      trace.add(time.nowMs, `epoch ${epoch} has begun`);
    } catch (error) {
      const isUnknown = hasCode(error, 'ERR_OUTCOME_UNKNOWN');
      if (isUnknown) this.counts.unknown += 1;
      else this.counts.refused += 1;
      trace.add(time.nowMs, `epoch ${present.epoch}: ${String(error)}`);
    }
  }

  #drawAlgorithm(present: string): string {
    const { random, algorithms } = this.#options;
    const others = algorithms.filter((algorithm) => algorithm !== present);
    return (random.chance(0.5) ? others[random.below(others.length)] : undefined) ?? present;
  }

  /** The same, one more, one fewer, or one exchanged. */
  #drawMembers(present: readonly NodeId[]): readonly NodeId[] {
    const { random, cluster, spares, membersMax } = this.#options;
    const draw = random.next();
    if (draw < 0.4) return present;
    const all = new Set([...cluster.members, ...spares]);
    const others = [...all].filter((node) => !present.includes(node));
    const leaver = draw < 0.75 && present.length > 1 ? present[random.below(present.length)] : undefined;
    const isRoom = present.length - (leaver === undefined ? 0 : 1) < membersMax;
    const joiner = draw >= 0.55 && isRoom ? others[random.below(Math.max(others.length, 1))] : undefined;
    const members = present.filter((node) => node !== leaver);
    return (joiner === undefined ? members : [...members, joiner]).sort();
  }
}
