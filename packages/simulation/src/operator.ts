/**
 * The operator: orders given in the midst of everything else, at random times. The algorithm changes, the members,
 * or both; the lead is handed over; a member gets a blank disk and is readmitted.
 *
 * Nodes that join begin blank and learn; nodes that leave go on as learners and may be called again. The operator
 * is a client like the others: it loses answers, and may not know what became of an order.
 */
import type { Client } from '@quorate/consensus';
import { hasCode, type NodeId, type Random } from '@quorate/core';
import { drawWeighted } from './fault-plan.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface OperatorOptions {
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
  /** Whether disks are exchanged: that takes the node out of all its groups, and only one of them is looked after. */
  readonly exchangesDisks: boolean;
  /** Quiet time between two orders, in milliseconds. */
  readonly everyMs: readonly [min: number, max: number];
}

/** What became of the orders. */
export interface OrderCounts {
  /** Epochs that were ordered and have begun. */
  made: number;
  /** Those of them that changed the algorithm. */
  swaps: number;
  /** Those by which a node joined, and by which one left. */
  joined: number;
  left: number;
  /** Those by which a member on a blank disk got its voice back. */
  readmitted: number;
  /** Those that count another number of acceptors than a majority. */
  flexible: number;
  /** The lead was handed to the node that was named. */
  transferred: number;
  refused: number;
  /** Nobody knows whether they were carried out. */
  unknown: number;
}

export const noOrders = (): OrderCounts => ({
  made: 0,
  swaps: 0,
  joined: 0,
  left: 0,
  readmitted: 0,
  flexible: 0,
  transferred: 0,
  refused: 0,
  unknown: 0,
});

type PresentEpoch = NonNullable<Client['epoch']>;
type Change = Parameters<Client['reconfigure']>[0];
type Order = 'change' | 'transfer' | 'exchange-disk';

const orderMsMax = 2_000;

export class Operator {
  readonly #options: OperatorOptions;
  #isStopping = false;
  #isRunning = false;
  /** Who has a blank disk now, and since which epoch, until one names it anew. No other is touched before. */
  #blank: { readonly node: NodeId; readonly since: number } | undefined;
  /** The last epoch that an order was to end of which nobody knows whether it did. */
  #unsureOf = 0;
  readonly counts = noOrders();

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  get isDone(): boolean {
    return !this.#isRunning;
  }

  /**
   * Too few have a voice for another leader to be sure to come: one has nobody to lose the lead to, and of two, who
   * led has the longer log and leads again. So it is while a third only learns, on a blank disk.
   */
  get leavesFewVoters(): boolean {
    const { epoch } = this.#options.client;
    return epoch !== undefined && epoch.members.length - (this.#blank === undefined ? 0 : 1) < 3;
  }

  start(): void {
    this.#isRunning = true;
    this.#later();
  }

  /** Lets the order that is under way come to its end, readmits who has lost its disk, and gives no other order. */
  stop(): void {
    this.#isStopping = true;
  }

  #later(): void {
    const { time, random, everyMs } = this.#options;
    const [min, max] = everyMs;
    time.after(min + random.next() * (max - min), () => {
      if (this.#isStopping && this.#blank === undefined) {
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

  #order(): Promise<void> {
    const { client, random } = this.#options;
    const present = client.epoch;
    if (present === undefined) return Promise.resolve();
    if (this.#blank !== undefined) return this.#readmit(present);
    const order = drawWeighted<Order>(random, [
      ['change', 6],
      ['transfer', 3],
      ['exchange-disk', 1],
    ]);
    if (order === 'transfer') return this.#transfer(present);
    if (order === 'exchange-disk') return this.#exchangeDisk(present);
    return this.#change(present);
  }

  async #change(present: PresentEpoch): Promise<void> {
    const { cluster } = this.#options;
    const algorithm = this.#drawAlgorithm(present.algorithm);
    const members = this.#drawMembers(present.members);
    const acceptQuorum = this.#drawAcceptQuorum(algorithm, members.length);
    for (const node of members) {
      // Whoever was there before goes on with what it has.
      if (!cluster.members.includes(node)) cluster.admit(node, asFound(present));
    }
    await this.#reconfigure(present, { algorithm, members, acceptQuorum, renewed: [] });
  }

  async #transfer({ epoch, members }: PresentEpoch): Promise<void> {
    const { client, random, trace, time } = this.#options;
    const to = members[random.below(members.length)] as NodeId;
    trace.add(time.nowMs, `${to} shall lead epoch ${epoch}`);
    await this.#carryOut(`the lead of ${to}`, async () => {
      await client.transfer(to, { timeoutMs: orderMsMax });
      this.counts.transferred += 1;
    });
  }

  /** A member that is up loses its disk. The others must be able to do without it, and it must be a member. */
  async #exchangeDisk(present: PresentEpoch): Promise<void> {
    const { cluster, random, exchangesDisks, trace, time } = this.#options;
    const { epoch, members } = present;
    if (!exchangesDisks || members.length < 3 || this.#unsureOf >= epoch) return;
    const node = members[random.below(members.length)] as NodeId;
    if (cluster.node(node).runtime === undefined) return;
    cluster.kill(node);
    cluster.node(node).insertDisk(new SimulatedDisk());
    trace.add(time.nowMs, `${node} gets a blank disk`);
    cluster.admit(node, asFound(present));
    this.#blank = { node, since: epoch };
    await this.#readmit(present);
  }

  async #readmit(present: PresentEpoch): Promise<void> {
    if (this.#blank === undefined) return;
    const { node, since } = this.#blank;
    const { algorithm, members, acceptQuorum } = present;
    // No other order was given since: an epoch that has begun has begun by an earlier asking of this one.
    const hasBegun = this.#unsureOf >= since && present.epoch > this.#unsureOf;
    const isMade =
      hasBegun || (await this.#reconfigure(present, { algorithm, members, acceptQuorum, renewed: [node] }));
    if (!isMade) return;
    this.counts.readmitted += 1;
    this.#blank = undefined;
  }

  async #reconfigure(present: PresentEpoch, next: Omit<Change, 'fromEpoch'>): Promise<boolean> {
    const { client, trace, time } = this.#options;
    const { epoch: fromEpoch } = present;
    const { algorithm, members, acceptQuorum, renewed } = next;
    const anew = renewed.length === 0 ? '' : `, ${renewed.join('')} anew`;
    trace.add(time.nowMs, `epoch ${fromEpoch} shall become ${algorithm} on ${members.join('')}${anew}`);
    const order = async (): Promise<void> => {
      const epoch = await client.reconfigure({ ...next, fromEpoch }, { timeoutMs: orderMsMax });
      this.counts.made += 1;
      if (algorithm !== present.algorithm) this.counts.swaps += 1;
      if (acceptQuorum !== undefined) this.counts.flexible += 1;
      if (members.some((node) => !present.members.includes(node))) this.counts.joined += 1;
      if (present.members.some((node) => !members.includes(node))) this.counts.left += 1;
      trace.add(time.nowMs, `epoch ${epoch} has begun`);
    };
    return this.#carryOut(`epoch ${fromEpoch}`, order, () => {
      this.#unsureOf = fromEpoch;
    });
  }

  /** @returns whether it is known to have been carried out */
  async #carryOut(what: string, order: () => Promise<void>, unsure?: () => void): Promise<boolean> {
    const { trace, time } = this.#options;
    try {
      await order();
      return true;
    } catch (error) {
      if (hasCode(error, 'ERR_OUTCOME_UNKNOWN')) {
        this.counts.unknown += 1;
        unsure?.();
      } else this.counts.refused += 1;
      trace.add(time.nowMs, `${what}: ${String(error)}`);
      return false;
    }
  }

  #drawAlgorithm(present: string): string {
    const { random, algorithms } = this.#options;
    const others = algorithms.filter((algorithm) => algorithm !== present);
    return (random.chance(0.5) ? others[random.below(others.length)] : undefined) ?? present;
  }

  /** Any number but one and all: neither may rest on a single disk, nor stand still for one. */
  #drawAcceptQuorum(algorithm: string, members: number): number | undefined {
    const { random } = this.#options;
    if (algorithm !== 'multi-paxos' || members < 4 || random.chance(0.6)) return undefined;
    return 2 + random.below(members - 2);
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

/** What a node that learns in the present epoch is told of it. */
function asFound({ epoch, algorithm, acceptQuorum, members }: PresentEpoch): {
  readonly number: number;
  readonly algorithm: string;
  readonly acceptQuorum: number | undefined;
  readonly members: readonly NodeId[];
} {
  return { number: epoch, algorithm, acceptQuorum, members };
}
