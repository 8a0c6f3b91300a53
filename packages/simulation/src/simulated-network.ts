/**
 * The simulated network: between every two nodes a link of core's, with core's faults, that carries the
 * frames through virtual time.
 *
 * Between members a frame that has left outlives both ends: it may arrive after its sender crashed, and even
 * in the next life of its receiver. That is worse than ports or TCP ever do, and protocols must bear it. A
 * link of a client joins two lives, as a connection does, and ends with either.
 */

import { crc32 } from 'node:zlib';
import { conditionedLink, type Link, type LinkConditions, type NodeId, type Random } from '@quorate/core';
import type { Trace } from './trace.ts';
import { NodeClock, type VirtualTime } from './virtual-time.ts';

type ConditionedLink = ReturnType<typeof conditionedLink>;

/** Frames, and what became of them. */
export interface NetworkCounts {
  frames: number;
  dropped: number;
  duplicated: number;
  reordered: number;
  /** Lost to a partition. */
  cut: number;
}

/** Conditions of all links; of answers on their way to clients, `answersDropRate` is lost instead. */
export type Weather = Partial<LinkConditions> & { readonly answersDropRate?: number };

/** Where frames go: the present life of a node. */
export type Deliver = (to: NodeId, from: NodeId, frame: Uint8Array) => void;

/**
 * Stands in the way of every frame that the conditions of its link let through, and passes it on: at once,
 * later, in parts, twice or never.
 */
export type Sorter = (mail: {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly frame: Uint8Array;
  readonly pass: (frame: Uint8Array) => void;
}) => void;

export class SimulatedNetwork {
  readonly #time: VirtualTime;
  readonly #clock: NodeClock;
  readonly #random: Random;
  readonly #trace: Trace;
  readonly #deliver: Deliver;
  readonly #isMember: (node: NodeId) => boolean;
  readonly #links = new Map<string, ConditionedLink>();
  /** Every link that ever was: their counters are counted to the end. */
  readonly #all: ConditionedLink[] = [];
  #weather: Weather = {};
  /** Links with a weather of their own. */
  readonly #local = new Map<string, Weather>();
  readonly #cut = new Set<string>();
  readonly #sorter: Sorter;

  constructor(ports: {
    time: VirtualTime;
    random: Random;
    trace: Trace;
    deliver: Deliver;
    isMember: (node: NodeId) => boolean;
    sorter?: Sorter | undefined;
  }) {
    this.#time = ports.time;
    this.#clock = new NodeClock(ports.time);
    this.#random = ports.random;
    this.#trace = ports.trace;
    this.#deliver = ports.deliver;
    this.#isMember = ports.isMember;
    this.#sorter = ports.sorter ?? (({ frame, pass }) => pass(frame));
  }

  /**
   * A new link from `from` to `to`, for a new life of either; it takes over the conditions of the old one.
   * @param isUp asked when a frame arrives: whether the lives that this link joins are still going on
   */
  connect(from: NodeId, to: NodeId, isUp: () => boolean = () => true): Link {
    const pass = (frame: Uint8Array): void => {
      if (!isUp()) return;
      this.#trace.add(this.#time.nowMs, `${from}>${to} ${frame.byteLength} ${crc32(frame).toString(16)}`);
      this.#deliver(to, from, frame);
    };
    const inner: Link = {
      send: (frame) => this.#sorter({ from, to, frame, pass }),
      close: () => undefined,
    };
    const name = `${from}>${to}`;
    const link = conditionedLink(inner, {
      clock: this.#clock,
      random: this.#random.fork(`${name} ${this.#all.length}`),
    });
    link.setConditions({ ...this.#conditionsOf(from, to), partitioned: this.#cut.has(name) });
    this.#links.set(name, link);
    this.#all.push(link);
    // The runtime closes its end when a node goes; what is on its way must go on.
    return { send: (frame) => link.send(frame), close: () => undefined };
  }

  /** Sets delay, loss, duplication and reordering of all links, present and to come. */
  setWeather(weather: Weather): void {
    this.#weather = weather;
    for (const [name, link] of this.#links) {
      const [from, to] = name.split('>') as [NodeId, NodeId];
      link.setConditions(this.#conditionsOf(from, to));
    }
  }

  /** Gives one direction between two nodes a weather of its own, over lives; undefined ends that. */
  setLinkWeather(from: NodeId, to: NodeId, weather: Weather | undefined): void {
    const name = `${from}>${to}`;
    if (weather === undefined) this.#local.delete(name);
    else this.#local.set(name, weather);
    this.#links.get(name)?.setConditions(this.#conditionsOf(from, to));
  }

  #conditionsOf(from: NodeId, to: NodeId): Partial<LinkConditions> {
    const { answersDropRate, ...conditions } = this.#local.get(`${from}>${to}`) ?? this.#weather;
    if (answersDropRate === undefined || this.#isMember(to)) return conditions;
    return { ...conditions, dropRate: answersDropRate };
  }

  /** Cuts or restores one direction between two nodes. */
  setCut(from: NodeId, to: NodeId, isCut: boolean): void {
    const name = `${from}>${to}`;
    if (isCut) this.#cut.add(name);
    else this.#cut.delete(name);
    this.#links.get(name)?.setConditions({ partitioned: isCut });
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  restoreAll(): void {
    for (const name of [...this.#cut]) {
      this.#cut.delete(name);
      this.#links.get(name)?.setConditions({ partitioned: false });
    }
  }

  counts(): NetworkCounts {
    const counts: NetworkCounts = { frames: 0, dropped: 0, duplicated: 0, reordered: 0, cut: 0 };
    for (const { counters } of this.#all) {
      counts.frames += counters.sent;
      counts.dropped += counters.dropped;
      counts.duplicated += counters.duplicated;
      counts.reordered += counters.reordered;
      counts.cut += counters.cut;
    }
    return counts;
  }
}
