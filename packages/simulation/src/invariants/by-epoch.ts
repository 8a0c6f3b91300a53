/**
 * The safety properties over epochs: each epoch is a protocol of its own, with its own reigns, and is checked by
 * itself. What joins them is that everyone who is in an epoch began it alike. [Reconfiguring]
 */
import type { NodeId } from '@quorate/core';
import { checkInvariants, InvariantMemory, type NodeView } from './index.ts';

/** What a node takes its epoch to be. */
export interface EpochView {
  readonly number: number;
  readonly algorithm: string;
  readonly members: readonly NodeId[];
  readonly acceptQuorum: number | undefined;
  readonly base: number;
  readonly appointed: NodeId | undefined;
}

export interface EpochNodeView extends NodeView {
  readonly epoch: EpochView;
  /** False for an epoch that the node has left and still serves to those who have not. */
  readonly isPresent: boolean;
}

export class EpochInvariants {
  readonly #epochs = new Map<number, { readonly memory: InvariantMemory; readonly as: string }>();
  /** The epoch that each node was seen in last. */
  readonly #lastOf = new Map<NodeId, number>();
  /** Those that were found to be what all take their epoch for. */
  readonly #agreed = new WeakSet<EpochView>();

  /** Epochs that any voter has entered. */
  get count(): number {
    return this.#epochs.size;
  }

  /** Whether the node is exactly as it was seen last in this epoch, and in no other since. */
  knows(view: EpochNodeView): boolean {
    const { node, epoch, isPresent } = view;
    if (isPresent && this.#lastOf.get(node) !== epoch.number) return false;
    return this.#agreed.has(epoch) && this.#epochs.get(epoch.number)?.memory.knows(view) === true;
  }

  /** @param views every voter that a step has changed and that is up */
  check(views: readonly EpochNodeView[]): string | undefined {
    const byEpoch = new Map<number, EpochNodeView[]>();
    for (const view of views) {
      const violation = this.#goesBack(view) ?? this.#beginsOtherwise(view);
      if (violation !== undefined) return violation;
      const together = byEpoch.get(view.epoch.number);
      if (together === undefined) byEpoch.set(view.epoch.number, [view]);
      else together.push(view);
    }
    for (const [number, together] of byEpoch) {
      const memory = this.#epochs.get(number)?.memory;
      const violation = memory === undefined ? undefined : checkInvariants(together, memory);
      if (violation !== undefined) return `epoch ${number}: ${violation}`;
    }
    return undefined;
  }

  #goesBack({ node, epoch, isPresent }: EpochNodeView): string | undefined {
    if (!isPresent) return undefined;
    const last = this.#lastOf.get(node);
    this.#lastOf.set(node, epoch.number);
    // The charter is durable before anything is said in an epoch, so not even a crash leads back.
    if (last === undefined || epoch.number >= last) return undefined;
    return `${node} went from epoch ${last} back to ${epoch.number}`;
  }

  #beginsOtherwise({ node, epoch }: EpochNodeView): string | undefined {
    if (this.#agreed.has(epoch)) return undefined;
    const { number, algorithm, members, acceptQuorum, base, appointed } = epoch;
    const by = acceptQuorum === undefined ? '' : ` of which ${acceptQuorum} choose`;
    const as = `${algorithm} on ${members.join(', ')}${by} after ${base}, led by ${appointed ?? 'whom it elects'}`;
    const known = this.#epochs.get(number);
    if (known === undefined) {
      this.#epochs.set(number, {
        memory: new InvariantMemory({ algorithm, members, acceptQuorum, appointed }),
        as,
      });
      this.#agreed.add(epoch);
      return undefined;
    }
    if (known.as === as) this.#agreed.add(epoch);
    return known.as === as ? undefined : `${node} takes epoch ${number} for ${as}; others for ${known.as}`;
  }
}
