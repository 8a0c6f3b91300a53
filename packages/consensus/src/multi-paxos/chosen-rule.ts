/**
 * The chosen rule: when a value is chosen, and how a learner that did not count may know it.
 *
 * "A value is chosen when a single proposal with that value has been accepted by a majority of the
 * acceptors" [PaxosSimple §2.2], or by whatever phase-2 quorum stands for it: a single proposal, so
 * acceptances are gathered for one ballot and never united over several. A union over ballots is Raft's figure 8 in Paxos's clothes.
 */
import { invariant } from '@quorate/core';
import { type AcceptorSet, noAcceptors, withAcceptor } from './acceptor-set.ts';
import { type Ballot, nextSlot, type Slot } from './ballot.ts';
import { isPhase2Quorum, type PhaseQuorums } from './phase-quorums.ts';
import type { SlotLog } from './slot-log.ts';

/** Masks in front of the open slots that are kept before the array is cut. */
const spentMasksMax = 1_024;

/** Who accepted what a leader proposed under its one ballot, slot by slot from the first open one. */
export class AcceptanceTally {
  readonly #quorums: PhaseQuorums;
  #masks: AcceptorSet[] = [];
  /** The slot that `#masks[0]` stands for. */
  #base: Slot;
  #chosenUpTo: Slot;

  constructor(quorums: PhaseQuorums, chosenUpTo: Slot) {
    this.#quorums = quorums;
    this.#chosenUpTo = chosenUpTo;
    this.#base = nextSlot(chosenUpTo);
  }

  /** Counts `ordinal` for the slots `first` to `last`, as often as it is told. */
  accepted(ordinal: number, range: { readonly first: Slot; readonly last: Slot }): void {
    for (let slot = Math.max(range.first, this.#chosenUpTo + 1); slot <= range.last; slot++) {
      const at = slot - this.#base;
      while (this.#masks.length <= at) this.#masks.push(noAcceptors);
      this.#masks[at] = withAcceptor(this.#masks[at] ?? noAcceptors, ordinal);
    }
  }

  isChosen(slot: Slot): boolean {
    if (slot <= this.#chosenUpTo) return true;
    return isPhase2Quorum(this.#masks[slot - this.#base] ?? noAcceptors, this.#quorums);
  }

  /** Slots are chosen in any order; this is how far they are chosen without a gap. Never goes back. */
  chosenWithoutGap(): Slot {
    let slot = this.#chosenUpTo;
    while (this.isChosen(nextSlot(slot))) slot = nextSlot(slot);
    this.#chosenUpTo = slot;
    const spent = slot + 1 - this.#base;
    if (spent >= spentMasksMax && spent * 2 >= this.#masks.length) {
      this.#masks = this.#masks.slice(spent);
      this.#base = nextSlot(slot);
    }
    return slot;
  }
}

/**
 * How far a learner knows the values it holds to be the chosen ones, when the leader of `ballot` says
 * that every slot up to `watermark` is chosen. The leader speaks of its own proposals: a value held from
 * another ballot may be one that lost, however long it has been there. [PaxosModerately], [Lampson]
 */
export function knownChosenUpTo(
  log: SlotLog,
  leader: { readonly ballot: Ballot; readonly watermark: Slot },
  chosenUpTo: Slot,
): Slot {
  invariant(chosenUpTo >= log.forgottenUpTo, 'only chosen slots are forgotten');
  let known = chosenUpTo;
  while (known < leader.watermark && log.get(nextSlot(known))?.reign === leader.ballot)
    known = nextSlot(known);
  return known;
}
