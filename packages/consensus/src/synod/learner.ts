/**
 * The learner: it finds out what has been chosen, and has no part in choosing. [PaxosSimple §2.3]
 *
 * It has no record: a learner that restarts is told again, because "if a learner needs to know whether a
 * value has been chosen, it can have a proposer issue a proposal". The same helps one that lost messages.
 */
import type { NodeId } from '@quorate/core';
import { isMajority } from '../quorum/majority.ts';
import { isSameBallot } from './ballot.ts';
import type { Step } from './effect.ts';
import type { Accepted, Proposal } from './message.ts';

/** Who is known to have accepted one proposal. */
export interface Acceptances<Value> {
  readonly proposal: Proposal<Value>;
  readonly acceptors: readonly NodeId[];
}

/** What a learner has heard, and what it has learned. */
export interface Learner<Value> {
  readonly acceptors: readonly NodeId[];
  /** By ballot. Acceptances of several ballots are never added up, even of one value. */
  readonly heard: readonly Acceptances<Value>[];
  readonly learned: { readonly value: Value } | undefined;
}

/** A learner that has heard nothing yet. */
export function newLearner<Value>(acceptors: readonly NodeId[]): Learner<Value> {
  return { acceptors, heard: [], learned: undefined };
}

/**
 * "A value is chosen when a single proposal with that value has been accepted by a majority of the acceptors":
 * a single proposal, so acceptances of one ballot. An acceptor counts once. [PaxosSimple §2.2]
 */
export function isChosen<Value>(heard: Acceptances<Value>, acceptors: readonly NodeId[]): boolean {
  return isMajority(acceptors, new Set(heard.acceptors));
}

/**
 * An acceptor says that it has accepted; with a majority for one proposal its value is learned, once.
 * [PaxosSimple §2.3]
 */
export function onAccepted<Value>(
  learner: Learner<Value>,
  from: NodeId,
  { proposal }: Accepted<Value>,
): Step<Learner<Value>, Value> {
  if (learner.learned !== undefined) return { state: learner, effects: [] };
  const known = learner.heard.find((heard) => isSameBallot(heard.proposal.ballot, proposal.ballot));
  const others = learner.heard.filter((heard) => heard !== known);
  const acceptors = [...new Set(known?.acceptors).add(from)];
  const heard = { proposal, acceptors };
  const state = { ...learner, heard: [...others, heard] };
  if (!isChosen(heard, learner.acceptors)) return { state, effects: [] };
  const { value } = proposal;
  return { state: { ...state, learned: { value } }, effects: [{ type: 'learned', value }] };
}
