/**
 * A participant that plays all three roles, as each does in practice. [PaxosSimple §2.5]
 *
 * The caller has the disk, the links and the time: it hands in messages, carries out effects in order, and
 * says when to propose (again). A participant speaks to itself by messages like to any other.
 */
import { assertNever, invariant, type NodeId } from '@quorate/core';
import { type Acceptor, type AcceptorRecord, onAccept, onPrepare, recoverAcceptor } from './acceptor.ts';
import type { Step } from './effect.ts';
import { type Learner, newLearner, onAccepted } from './learner.ts';
import type { SynodMessage } from './message.ts';
import {
  onNack,
  onPromise,
  type Proposer,
  type ProposerRecord,
  prepare,
  recoverProposer,
} from './proposer.ts';

/** Proposer, acceptor and learner in one process. */
export interface Participant<Value> {
  readonly proposer: Proposer<Value>;
  readonly acceptor: Acceptor<Value>;
  readonly learner: Learner<Value>;
}

/** What a participant finds on its disk. Both undefined: it has never run. A disk that lost this must not vote. */
export interface StableStorage<Value> {
  readonly proposer: ProposerRecord | undefined;
  readonly acceptor: AcceptorRecord<Value> | undefined;
}

/** What a participant is told. */
export type ParticipantInput<Value> =
  /** Try to have a value chosen: `value`, unless another may be chosen already. Call again to try again. */
  | { readonly type: 'propose'; readonly value: Value }
  | { readonly type: 'receive'; readonly from: NodeId; readonly message: SynodMessage<Value> };

/** The storage after a `persist` effect has become durable. */
export function writtenTo<Value>(
  storage: StableStorage<Value>,
  record: ProposerRecord | AcceptorRecord<Value>,
): StableStorage<Value> {
  return record.role === 'proposer' ? { ...storage, proposer: record } : { ...storage, acceptor: record };
}

/** @param names `participants` are all of them, `self` included: each proposes, accepts and learns */
export function startParticipant<Value>(
  names: { readonly self: NodeId; readonly participants: readonly NodeId[] },
  storage: StableStorage<Value>,
): Participant<Value> {
  const { self, participants } = names;
  invariant(participants.includes(self), 'a participant is one of the participants');
  return {
    proposer: recoverProposer({ self, acceptors: participants }, storage.proposer),
    acceptor: recoverAcceptor(participants, storage.acceptor),
    learner: newLearner(participants),
  };
}

/**
 * Takes one input. Pure: returns the next state and what is to be done, and changes nothing. A message that
 * says nothing any more has no effect.
 */
export function stepParticipant<Value>(
  participant: Participant<Value>,
  input: ParticipantInput<Value>,
): Step<Participant<Value>, Value> {
  if (input.type === 'propose') return asProposer(participant, prepare(participant.proposer, input.value));
  const { from, message } = input;
  switch (message.type) {
    case 'prepare':
      return asAcceptor(participant, onPrepare(participant.acceptor, from, message));
    case 'promise':
      return asProposer(participant, onPromise(participant.proposer, from, message));
    case 'accept':
      return asAcceptor(participant, onAccept(participant.acceptor, from, message));
    case 'accepted': {
      const { state, effects } = onAccepted(participant.learner, from, message);
      return { state: { ...participant, learner: state }, effects };
    }
    case 'nack':
      return asProposer(participant, onNack(participant.proposer, message));
    default:
      return assertNever(message, 'a message of the Synod');
  }
}

function asProposer<Value>(
  participant: Participant<Value>,
  { state, effects }: Step<Proposer<Value>, Value>,
): Step<Participant<Value>, Value> {
  return { state: { ...participant, proposer: state }, effects };
}

function asAcceptor<Value>(
  participant: Participant<Value>,
  { state, effects }: Step<Acceptor<Value>, Value>,
): Step<Participant<Value>, Value> {
  return { state: { ...participant, acceptor: state }, effects };
}
