/**
 * The proposer: it asks what may have been chosen, and proposes that, or its own value if nothing may.
 *
 * Who proposes, and when again, is the caller's matter. Two proposers that answer each refusal with a
 * higher ballot can keep each other from ever being accepted: "To guarantee progress, a distinguished
 * proposer must be selected as the only one to try issuing proposals" [PaxosSimple §2.4]. Safety does not
 * depend on that choice, so it may be made by timeouts, at random, or wrongly for a while.
 */
import type { NodeId } from '@quorate/core';
import { isMajority } from '../quorum/majority.ts';
import { type Ballot, ballotAbove, isHigher, isSameBallot } from './ballot.ts';
import type { Step } from './effect.ts';
import type { Nack, Promised, Proposal } from './message.ts';

/** What binds a proposer over restarts. */
export interface ProposerRecord {
  readonly role: 'proposer';
  /** The highest ballot that it has tried to issue. Never goes back. */
  readonly tried: Ballot | undefined;
}

/** What an acceptor answered in phase 1. */
interface Answer<Value> {
  readonly acceptor: NodeId;
  readonly accepted: Proposal<Value> | undefined;
}

/** How far a proposer is with its present ballot. */
export type Attempt<Value> =
  | { readonly phase: 'idle' }
  | {
      readonly phase: 'preparing';
      readonly ballot: Ballot;
      readonly ownValue: Value;
      /** The promises of `ballot`; one that came twice stands here twice, and counts once. */
      readonly answers: readonly Answer<Value>[];
    }
  /** The proposal is issued: no further promise can change its value. */
  | { readonly phase: 'proposing'; readonly proposal: Proposal<Value> };

/** A proposer as it runs: its record, and the attempt under way. */
export interface Proposer<Value> extends ProposerRecord {
  readonly self: NodeId;
  readonly acceptors: readonly NodeId[];
  /** The highest ballot that an acceptor has named when it refused. */
  readonly seen: Ballot | undefined;
  readonly attempt: Attempt<Value>;
}

/** @param record the last one that became durable; undefined on a disk that has never held one */
export function recoverProposer<Value>(
  names: { readonly self: NodeId; readonly acceptors: readonly NodeId[] },
  record: ProposerRecord | undefined,
): Proposer<Value> {
  return { role: 'proposer', ...names, tried: record?.tried, seen: undefined, attempt: { phase: 'idle' } };
}

/**
 * Phase 1(a): "A proposer selects a proposal number n and sends a prepare request with number n to a majority
 * of acceptors", here to all. Called again it gives up the attempt before and starts anew with a higher
 * number, which it may do at any time. [PaxosSimple §2.2]
 *
 * The number is durable before anybody hears of it: "Each proposer remembers (in stable storage) the
 * highest-numbered proposal it has tried to issue" [PaxosSimple §2.5].
 */
export function prepare<Value>(proposer: Proposer<Value>, ownValue: Value): Step<Proposer<Value>, Value> {
  const ballot = ballotAbove([proposer.tried, proposer.seen], proposer.self);
  const message = { type: 'prepare', ballot } as const;
  return {
    state: { ...proposer, tried: ballot, attempt: { phase: 'preparing', ballot, ownValue, answers: [] } },
    effects: [
      {
        type: 'persist',
        record: { role: 'proposer', tried: ballot },
        thenSend: proposer.acceptors.map((to) => ({ to, message })),
      },
    ],
  };
}

/**
 * P2c: the value of a proposal is "the value of the highest-numbered proposal among the responses, or is any
 * value selected by the proposer if the responders reported no proposals" [PaxosSimple §2.2, phase 2(a)]. Not the
 * most frequent one, and not its own: only the highest is known to agree with whatever was chosen before.
 */
export function valueToPropose<Value>(
  reported: readonly (Proposal<Value> | undefined)[],
  ownValue: Value,
): Value {
  let binding: Proposal<Value> | undefined;
  for (const proposal of reported) {
    if (proposal !== undefined && isHigher(proposal.ballot, binding?.ballot)) binding = proposal;
  }
  return binding === undefined ? ownValue : binding.value;
}

/**
 * Phase 2(a): with promises of a majority for the ballot of this attempt, the proposal is issued, once. It
 * goes to all acceptors, whether they promised or not. [PaxosSimple §2.2]
 */
export function onPromise<Value>(
  proposer: Proposer<Value>,
  from: NodeId,
  promise: Promised<Value>,
): Step<Proposer<Value>, Value> {
  const { attempt, acceptors } = proposer;
  // A promise of an earlier attempt says nothing about this one.
  if (attempt.phase !== 'preparing' || !isSameBallot(attempt.ballot, promise.ballot)) {
    return { state: proposer, effects: [] };
  }
  const answers = [...attempt.answers, { acceptor: from, accepted: promise.accepted }];
  if (!isMajority(acceptors, new Set(answers.map(({ acceptor }) => acceptor)))) {
    return { state: { ...proposer, attempt: { ...attempt, answers } }, effects: [] };
  }
  const value = valueToPropose(
    answers.map(({ accepted }) => accepted),
    attempt.ownValue,
  );
  const proposal = { ballot: attempt.ballot, value };
  const message = { type: 'accept', proposal } as const;
  return {
    state: { ...proposer, attempt: { phase: 'proposing', proposal } },
    effects: acceptors.map((to) => ({ type: 'send', to, message })),
  };
}

/** Somebody tries a higher number: give this attempt up, and begin above it next time. [PaxosSimple §2.2] */
export function onNack<Value>(
  proposer: Proposer<Value>,
  { ballot, promised }: Nack,
): Step<Proposer<Value>, Value> {
  const seen = isHigher(promised, proposer.seen) ? promised : proposer.seen;
  const isCurrent = isSameBallot(ballot, ballotOf(proposer.attempt));
  const attempt: Attempt<Value> = isCurrent ? { phase: 'idle' } : proposer.attempt;
  return { state: { ...proposer, seen, attempt }, effects: [] };
}

function ballotOf<Value>(attempt: Attempt<Value>): Ballot | undefined {
  if (attempt.phase === 'idle') return undefined;
  return attempt.phase === 'preparing' ? attempt.ballot : attempt.proposal.ballot;
}
