/**
 * The public surface of `@quorate/consensus/synod`: the textbook protocol alone, one decree and no log.
 *
 * Begin with `participant.ts` to run it, with `proposer.ts`, `acceptor.ts` and `learner.ts` to read it. Multi-Paxos
 * in this package is the same protocol for a sequence of decrees; it shares none of these files, so that
 * each may be read by itself.
 */
export {
  type Acceptor,
  type AcceptorRecord,
  mayAccept,
  mayPromise,
  onAccept,
  onPrepare,
  promiseAfterAccept,
  recoverAcceptor,
} from './acceptor.ts';
export { type Ballot, ballotAbove, isHigher } from './ballot.ts';
export type { Effect, Outgoing, Step } from './effect.ts';
export { type Acceptances, isChosen, type Learner, newLearner, onAccepted } from './learner.ts';
export type { Accept, Accepted, Nack, Prepare, Promised, Proposal, SynodMessage } from './message.ts';
export {
  type Participant,
  type ParticipantInput,
  type StableStorage,
  startParticipant,
  stepParticipant,
  writtenTo,
} from './participant.ts';
export {
  type Attempt,
  onNack,
  onPromise,
  type Proposer,
  type ProposerRecord,
  prepare,
  recoverProposer,
  valueToPropose,
} from './proposer.ts';
