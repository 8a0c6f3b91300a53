/**
 * The acceptor: it promises, it accepts, and it never forgets either. [PaxosSimple §2.2]
 *
 * "An acceptor needs to remember only the highest-numbered proposal that it has ever accepted and the number
 * of the highest-numbered prepare request to which it has responded": those are its record. It may ignore
 * any request without harm to safety, which is what makes losing messages harmless.
 */
import type { NodeId } from '@quorate/core';
import { type Ballot, isHigher } from './ballot.ts';
import type { Outgoing, Step } from './effect.ts';
import type { Accept, Prepare, Proposal } from './message.ts';

/** What binds an acceptor over restarts. */
export interface AcceptorRecord<Value> {
  readonly role: 'acceptor';
  /** Nothing below it may be accepted. Never goes back, and is never below `accepted`. */
  readonly promised: Ballot | undefined;
  readonly accepted: Proposal<Value> | undefined;
}

/** An acceptor as it runs: its record, and whom it tells. */
export interface Acceptor<Value> extends AcceptorRecord<Value> {
  /** Whom it tells what it accepted. */
  readonly learners: readonly NodeId[];
}

/** @param record the last one that became durable; undefined on a disk that has never held one */
export function recoverAcceptor<Value>(
  learners: readonly NodeId[],
  record: AcceptorRecord<Value> | undefined,
): Acceptor<Value> {
  return { role: 'acceptor', promised: record?.promised, accepted: record?.accepted, learners };
}

/**
 * Phase 1(b): an acceptor promises a number "greater than that of any prepare request to which it has
 * already responded", and no other. [PaxosSimple §2.2]
 */
export function mayPromise(ballot: Ballot, promised: Ballot | undefined): boolean {
  return isHigher(ballot, promised);
}

/**
 * P1a: "An acceptor can accept a proposal numbered n iff it has not responded to a prepare request having a
 * number greater than n." With nothing promised it accepts whatever comes first, which is P1.
 * [PaxosSimple §2.2]
 */
export function mayAccept(ballot: Ballot, promised: Ballot | undefined): boolean {
  return promised === undefined || !isHigher(promised, ballot);
}

/**
 * Accepting binds like promising the same number. Without it an acceptor that was not asked in phase 1 could
 * accept 5 and then promise and accept 4, and what it reports would no longer be its highest. The paper
 * keeps that apart by remembering the highest of both; ignoring prepare 4 is simpler, and always
 * allowed. [PaxosSimple §2.2], [Lampson]
 */
export function promiseAfterAccept(ballot: Ballot, promised: Ballot | undefined): Ballot {
  return promised !== undefined && isHigher(promised, ballot) ? promised : ballot;
}

/** Phase 1(b). The promise leaves in the write that keeps it. */
export function onPrepare<Value>(
  acceptor: Acceptor<Value>,
  from: NodeId,
  { ballot }: Prepare,
): Step<Acceptor<Value>, Value> {
  if (!mayPromise(ballot, acceptor.promised)) return refuse(acceptor, from, ballot);
  const { accepted } = acceptor;
  const message = { type: 'promise', ballot, accepted } as const;
  return keep({ ...acceptor, promised: ballot }, [{ to: from, message }]);
}

/**
 * Phase 2(b). Every learner is told: "the obvious algorithm", which lets each of them learn as soon as
 * possible, for as many messages as there are acceptors times learners. A distinguished learner that tells the
 * others would save messages, cost a delay, and be one more thing to fail. [PaxosSimple §2.3]
 */
export function onAccept<Value>(
  acceptor: Acceptor<Value>,
  from: NodeId,
  { proposal }: Accept<Value>,
): Step<Acceptor<Value>, Value> {
  const { ballot } = proposal;
  if (!mayAccept(ballot, acceptor.promised)) return refuse(acceptor, from, ballot);
  const promised = promiseAfterAccept(ballot, acceptor.promised);
  const message = { type: 'accepted', proposal } as const;
  return keep(
    { ...acceptor, promised, accepted: proposal },
    acceptor.learners.map((to) => ({ to, message })),
  );
}

function keep<Value>(
  state: Acceptor<Value>,
  thenSend: readonly Outgoing<Value>[],
): Step<Acceptor<Value>, Value> {
  const { role, promised, accepted } = state;
  return { state, effects: [{ type: 'persist', record: { role, promised, accepted }, thenSend }] };
}

/**
 * A refusal changes nothing and promises nothing, so it need not wait for the disk. A prepare that came twice
 * was answered the first time: to refuse it would make its proposer give up for no reason.
 */
function refuse<Value>(acceptor: Acceptor<Value>, to: NodeId, ballot: Ballot): Step<Acceptor<Value>, Value> {
  const { promised } = acceptor;
  if (promised === undefined || !isHigher(promised, ballot)) return { state: acceptor, effects: [] };
  return { state: acceptor, effects: [{ type: 'send', to, message: { type: 'nack', ballot, promised } }] };
}
