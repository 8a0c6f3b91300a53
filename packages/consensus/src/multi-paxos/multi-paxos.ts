/**
 * Multi-Paxos behind the neutral interface.
 *
 * One proposer prepares once for all open slots and then leads: it proposes in slot after slot with
 * phase 2 alone, until somebody prepares a higher ballot. `acceptor.ts` holds what is safe, `proposer.ts`
 * and `leader.ts` what makes progress, `learner.ts` what is chosen. [PaxosSimple], [PaxosModerately]
 */
import type { Protocol, ProtocolInspection } from '../protocol.ts';
import { laterSlot, nextSlot, noBallot, proposerOf } from './ballot.ts';
import { foundingHardState } from './founding.ts';
import { chosenFrom } from './learner.ts';
import type { MultiPaxosMessage } from './message.ts';
import { decodeMessage, encodeMessage } from './message-codec.ts';
import { type MultiPaxosState, startState } from './state.ts';
import { statusOf, step } from './step.ts';

/**
 * The `reign` of a snapshot that is handed to `snapshot-received` must be the `reign` that the sender's
 * status showed: it is the ballot up to which the receiver has to forsake older leaders.
 */
export const multiPaxos: Protocol<MultiPaxosState, MultiPaxosMessage> = {
  name: 'multi-paxos',
  start: startState,
  step,
  status: statusOf,
  foundingHardState,
  committedFrom: chosenFrom,
  encodeMessage,
  decodeMessage,
  inspect,
};

function inspect(state: MultiPaxosState): ProtocolInspection {
  const { promised, log } = state;
  const { role, leader, reign, commitIndex, lastIndex, snapshotIndex } = statusOf(state);
  return {
    role,
    leader,
    reign,
    commitIndex,
    lastIndex,
    snapshotIndex,
    entriesAbove: (slot) => log.range(nextSlot(laterSlot(slot, log.forgottenUpTo)), log.last),
    promisedReign: promised,
    votedFor: promised === noBallot ? undefined : state.options.members[proposerOf(promised)],
  };
}
