/**
 * Value adoption: which value a proposer must propose in a slot, given what a quorum has reported.
 *
 * "The value of the highest-numbered proposal among the responses, or any value if the responses
 * reported no proposals" [PaxosSimple §2.2, phase 2(a)]. Not the most frequent one, not the proposer's
 * own: only under the highest ballot is a value known to agree with whatever was chosen below it. A slot
 * of which nobody reports anything is free; below other open slots it gets a no-op, so that those
 * can be executed [PaxosSimple §3], [PaxosModerately].
 */
import type { Entry } from '../protocol.ts';
import { type Ballot, laterSlot, noSlot, type Slot } from './ballot.ts';

/** The value that no client proposed: the state machine skips it. */
export const noOpPayload: Uint8Array = new Uint8Array(0);

/** Of two acceptances reported for one slot, the one that binds. */
export function bindingReport(known: Entry | undefined, reported: Entry): Entry {
  return known !== undefined && known.reign >= reported.reign ? known : reported;
}

/** What the acceptors of a phase 1 have reported so far, reduced to the binding value of each slot. */
export class ReportedValues {
  readonly #binding = new Map<Slot, Entry>();
  #last: Slot = noSlot;

  /** The highest slot that anyone reported. */
  get last(): Slot {
    return this.#last;
  }

  report(entry: Entry): void {
    this.#binding.set(entry.index, bindingReport(this.#binding.get(entry.index), entry));
    this.#last = laterSlot(this.#last, entry.index);
  }

  /** The proposal for `slot` under `ballot`: the adopted value, or the no-op. */
  proposalFor(slot: Slot, ballot: Ballot): Entry {
    const adopted = this.#binding.get(slot);
    return adopted === undefined
      ? { index: slot, reign: ballot, timeMs: 0, payload: noOpPayload }
      : { index: slot, reign: ballot, timeMs: adopted.timeMs, payload: adopted.payload };
  }
}
