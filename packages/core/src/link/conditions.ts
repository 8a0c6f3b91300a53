/**
 * Link conditions: the faults of a network, made in the sender's link, from a seed.
 *
 * Faults strike whole frames, as a network does. Made in the sender, they need no help from the
 * receiver, and one direction can be sick while the other is well.
 */
import type { Clock, Timer } from '../clock.ts';
import { optionInvalid } from '../coded-error.ts';
import type { Random } from '../random.ts';
import type { Link } from './link.ts';

/** What is wrong with one direction of a link. Drawn frame by frame in the sender, seeded. */
export interface LinkConditions {
  /** Share of frames that are lost, 0 to 1. */
  readonly dropRate: number;
  /** Share of frames that arrive twice, 0 to 1. */
  readonly duplicateRate: number;
  /** Share of frames that later ones may overtake, 0 to 1. */
  readonly reorderRate: number;
  /** Each frame takes a time drawn from [min, max], in milliseconds; without reordering, order is kept. */
  readonly delayMs: readonly [min: number, max: number];
  /** Nothing gets through, what is on its way included. */
  readonly partitioned: boolean;
}

/** Nothing is wrong. */
export const healthy: LinkConditions = {
  dropRate: 0,
  duplicateRate: 0,
  reorderRate: 0,
  delayMs: [0, 0],
  partitioned: false,
};

/** What happened to frames so far. */
export interface LinkCounters {
  readonly sent: number;
  readonly delivered: number;
  readonly dropped: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly delayed: number;
  /** Lost to a partition. */
  readonly cut: number;
}

/** A link whose conditions can be set while it is used, and that counts what they did. */
export interface ConditionedLink extends Link {
  /** Changes the conditions named; the others stay. */
  setConditions(conditions: Partial<LinkConditions>): void;
  readonly conditions: LinkConditions;
  readonly counters: LinkCounters;
}

/** Longest time that a reordered frame lets others pass, unless the delays are longer, in milliseconds. */
const overtakeMsMin = 5;

/** @throws CodedError `ERR_OPTION_INVALID` naming the field that is wrong */
export function checkConditions(conditions: Partial<LinkConditions>): void {
  for (const [field, value] of Object.entries(conditions)) {
    if (!Object.hasOwn(healthy, field)) {
      throw optionInvalid(`link.${field}`, value, Object.keys(healthy).join(', '));
    }
    if (field === 'delayMs') {
      const isRange = Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
      if (!isRange || value[0] < 0 || value[0] > value[1]) {
        throw optionInvalid('link.delayMs', value, '[min, max] in milliseconds, 0 <= min <= max');
      }
    } else if (field === 'partitioned') {
      if (typeof value !== 'boolean') throw optionInvalid('link.partitioned', value, 'true or false');
    } else if (typeof value !== 'number' || !(value >= 0 && value <= 1)) {
      throw optionInvalid(`link.${field}`, value, 'a share from 0 to 1');
    }
  }
}

/** Wraps `inner` so that it misbehaves as told; in order and at once while conditions are healthy. */
export function conditionedLink(inner: Link, ports: { clock: Clock; random: Random }): ConditionedLink {
  return new FaultyLink(inner, ports.clock, ports.random);
}

class FaultyLink implements ConditionedLink {
  readonly #inner: Link;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onTheWay = new Set<Timer>();
  readonly counters = { sent: 0, delivered: 0, dropped: 0, duplicated: 0, reordered: 0, delayed: 0, cut: 0 };
  conditions = healthy;
  /** Frames on their way that must not be overtaken, next to arrive first. */
  readonly #ordered: Uint8Array[] = [];
  /** When the last of them arrives. Invariant: no later frame in order is due before it. */
  #lastDueMs = 0;

  constructor(inner: Link, clock: Clock, random: Random) {
    this.#inner = inner;
    this.#clock = clock;
    this.#random = random;
  }

  setConditions(conditions: Partial<LinkConditions>): void {
    checkConditions(conditions);
    this.conditions = { ...this.conditions, ...conditions };
  }

  send(frame: Uint8Array): void {
    const { dropRate, duplicateRate } = this.conditions;
    this.counters.sent++;
    if (this.conditions.partitioned) {
      this.counters.cut++;
      return;
    }
    if (this.#random.chance(dropRate)) {
      this.counters.dropped++;
      return;
    }
    if (this.#random.chance(duplicateRate)) {
      this.counters.duplicated++;
      this.#dispatch(new Uint8Array(frame));
    }
    this.#dispatch(frame);
  }

  close(): void {
    for (const timer of this.#onTheWay) timer.cancel();
    this.#onTheWay.clear();
    this.#ordered.length = 0;
    this.#inner.close();
  }

  #dispatch(frame: Uint8Array): void {
    const { reorderRate, delayMs } = this.conditions;
    const [min, max] = delayMs;
    const delay = min + this.#random.next() * (max - min);
    if (this.#random.chance(reorderRate)) {
      this.counters.reordered++;
      this.#after(delay + this.#random.next() * Math.max(max, overtakeMsMin), () => this.#arrive(frame));
      return;
    }
    if (delay === 0 && this.#ordered.length === 0) {
      this.#arrive(frame);
      return;
    }
    this.counters.delayed++;
    const nowMs = this.#clock.nowMs();
    this.#lastDueMs = Math.max(this.#lastDueMs, nowMs + delay);
    this.#ordered.push(frame);
    // Whichever timer fires first takes the first frame: timers of a real clock round, and so may swap.
    this.#after(this.#lastDueMs - nowMs, () => {
      const next = this.#ordered.shift();
      if (next !== undefined) this.#arrive(next);
    });
  }

  #after(delayMs: number, run: () => void): void {
    const timer = this.#clock.after(delayMs, () => {
      this.#onTheWay.delete(timer);
      run();
    });
    this.#onTheWay.add(timer);
  }

  #arrive(frame: Uint8Array): void {
    if (this.conditions.partitioned) {
      this.counters.cut++;
      return;
    }
    this.counters.delivered++;
    this.#inner.send(frame);
  }
}
