/**
 * The founding of an epoch: its first ballot is promised before anyone runs for it.
 *
 * Every acceptor of the epoch begins with the promise of round 1 to the appointed proposer, and with nothing
 * accepted. So the outcome of phase 1 of that ballot is known without a message: all have promised, none
 * has a value to report. The appointed goes straight to phase 2. [PaxosSimple §2.2, §3]
 */
import { invariant } from '@quorate/core';
import type { Founding } from '../protocol.ts';
import { type Ballot, ballotOf, higherBallot } from './ballot.ts';
import { encodeHardState } from './hard-state.ts';
import { beginToLead } from './leader.ts';
import type { MultiPaxosState } from './state.ts';
import { ReportedValues } from './value-adoption.ts';

export function foundingBallot(ordinal: number): Ballot {
  return ballotOf({ round: 1, ordinal });
}

/** Whoever comes later knows choices of later ballots, and owes them the promise that goes with knowing. */
export function foundingHardState({ members, appointed, base, reign }: Founding): Uint8Array {
  const promised = higherBallot(foundingBallot(members.indexOf(appointed)), reign);
  return encodeHardState({ promised, chosenUpTo: base });
}

/** The first thing that happens in the epoch, so nobody can have prepared a higher ballot here yet. */
export function takeAppointment(state: MultiPaxosState): void {
  const ballot = foundingBallot(state.ordinal);
  invariant(state.promised === ballot && state.log.last === state.chosenUpTo, 'an epoch is founded empty');
  state.isAppointed = false;
  beginToLead(state, { ballot, reported: new ReportedValues() });
}
