/**
 * The mail of a simulated cluster: messages between being sent and being delivered, and what happens to them on
 * the way: lost, doubled, late, cut off, or set aside by a test.
 */
import type { NodeId, Random } from '@quorate/core';
import type { Envelope, NetworkConditions } from './cluster-settings.ts';
import { drawBetween } from './draw.ts';
import { Links } from './links.ts';

export const perfectNetwork: NetworkConditions = { delayMs: [0, 0], lossChance: 0, duplicateChance: 0 };

export interface MailParts<M> {
  readonly members: readonly NodeId[];
  readonly random: Random;
  readonly network: NetworkConditions;
  /** To be delivered after `delayMs`. */
  readonly schedule: (delayMs: number, envelope: Envelope<M>) => void;
  readonly deliver: (envelope: Envelope<M>) => void;
}

export class Mail<M> {
  readonly links: Links;
  network: NetworkConditions;
  /** Messages for which this is true are set aside in `held` instead of sent. */
  hold: (envelope: Envelope<M>) => boolean = () => false;
  held: Envelope<M>[] = [];
  readonly #parts: MailParts<M>;

  constructor(parts: MailParts<M>) {
    this.#parts = parts;
    this.links = new Links(parts.members);
    this.network = parts.network;
  }

  post(envelope: Envelope<M>): void {
    if (this.hold(envelope)) {
      this.held.push(envelope);
      return;
    }
    const { random, schedule } = this.#parts;
    const { lossChance, duplicateChance, delayMs } = this.network;
    if (random.chance(lossChance)) return;
    schedule(drawBetween(random, delayMs), envelope);
    if (random.chance(duplicateChance)) schedule(drawBetween(random, delayMs) * 3, envelope);
  }

  /** Delivers the held messages for which `matches` holds, at once and in the order of their sending. */
  deliverHeld(matches: (envelope: Envelope<M>) => boolean): number {
    const chosen = this.held.filter(matches);
    this.held = this.held.filter((envelope) => !chosen.includes(envelope));
    for (const envelope of chosen) this.#parts.deliver(envelope);
    return chosen.length;
  }

  dropHeld(matches: (envelope: Envelope<M>) => boolean): void {
    this.held = this.held.filter((envelope) => !matches(envelope));
  }

  heal(): void {
    this.links.heal();
    this.network = perfectNetwork;
    this.hold = () => false;
  }
}
