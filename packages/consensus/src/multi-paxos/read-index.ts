/**
 * How far a read has to see. [PaxosModerately, §4.5]
 *
 * Everything that was acknowledged before the read was asked must be visible. This leader's own writes stand among
 * the slots that it knows to be chosen. What an earlier leader acknowledged may stand in slots that phase 1 found
 * open, and nobody can tell it from what was not acknowledged: so all of them must be chosen first, under the
 * leader's own ballot.
 */
import { laterSlot, type Slot } from './ballot.ts';

/** All that is chosen, and all that phase 1 found open. */
export function readIndex(leader: { readonly chosenUpTo: Slot; readonly recoveredUpTo: Slot }): Slot {
  return laterSlot(leader.chosenUpTo, leader.recoveredUpTo);
}
