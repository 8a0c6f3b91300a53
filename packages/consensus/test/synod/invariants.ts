/**
 * What must hold of everything that ever happened in a world: the requirements of the paper, and the chain of
 * invariants by which it derives the algorithm, each looked up in the full history and not in any state.
 */
import type { NodeId } from '@quorate/core';
import { type Ballot, isHigher, type Proposal } from '../../src/synod/index.ts';
import type { World } from './world.ts';

type History = Pick<World, 'ids' | 'asked' | 'issued' | 'accepted' | 'members'>;

/** Named by the paper's own words; undefined when it holds, else what breaks it. */
export type Invariant = (history: History) => string | undefined;

const keyOf = ({ round, proposer }: Ballot): string => `${round}.${proposer}`;
const textOf = ({ ballot, value }: Proposal<string>): string => `${keyOf(ballot)}=${value}`;

/** Every proposal that a majority of acceptors has accepted. */
export function chosenProposals({ ids, accepted }: History): Proposal<string>[] {
  const byProposal = new Map<string, { proposal: Proposal<string>; acceptors: Set<NodeId> }>();
  for (const { acceptor, proposal } of accepted) {
    const known = byProposal.get(textOf(proposal)) ?? { proposal, acceptors: new Set() };
    byProposal.set(textOf(proposal), known);
    known.acceptors.add(acceptor);
  }
  return [...byProposal.values()]
    .filter(({ acceptors }) => acceptors.size * 2 > ids.length)
    .map(({ proposal }) => proposal);
}

const onlyProposedChosen: Invariant = (history) =>
  chosenProposals(history)
    .filter(({ value }) => !history.asked.has(value))
    .map(textOf)[0];

const singleValueChosen: Invariant = (history) => {
  const values = new Set(chosenProposals(history).map(({ value }) => value));
  return values.size > 1 ? [...values].join(' and ') : undefined;
};

const learnedOnlyIfChosen: Invariant = (history) => {
  const chosen = new Set(chosenProposals(history).map(({ value }) => value));
  return history.members.flatMap(({ learned }) => learned).find((value) => !chosen.has(value));
};

/** B1 of the Parliament: a number stands for one proposal. */
const oneValuePerBallot: Invariant = ({ issued }) => {
  const values = new Map<string, string>();
  for (const proposal of issued) {
    const value = values.get(keyOf(proposal.ballot)) ?? proposal.value;
    if (value !== proposal.value) return `${textOf(proposal)}, and ${value}`;
    values.set(keyOf(proposal.ballot), value);
  }
  return undefined;
};

/** P2, P2a and P2b differ in what a higher-numbered proposal must have come to: chosen, accepted, issued. */
function agreesWithChosen(later: (history: History) => readonly Proposal<string>[]): Invariant {
  return (history) => {
    for (const chosen of chosenProposals(history)) {
      const other = later(history).find(
        ({ ballot, value }) => isHigher(ballot, chosen.ballot) && value !== chosen.value,
      );
      if (other !== undefined) return `${textOf(chosen)} is chosen, then ${textOf(other)}`;
    }
    return undefined;
  };
}

/**
 * P2c for one set S. What an acceptor ever accepted below n counts, whenever that was: its promise says that
 * nothing is added later.
 */
function bears(set: readonly NodeId[], { ballot, value }: Proposal<string>, { accepted }: History): boolean {
  let highest: Proposal<string> | undefined;
  for (const { acceptor, proposal } of accepted) {
    if (!set.includes(acceptor) || !isHigher(ballot, proposal.ballot)) continue;
    if (isHigher(proposal.ballot, highest?.ballot)) highest = proposal;
  }
  return highest === undefined || highest.value === value;
}

const p2c: Invariant = (history) => {
  const majorities = subsetsOf(history.ids).filter((set) => set.length * 2 > history.ids.length);
  const broken = history.issued.find((proposal) => !majorities.some((set) => bears(set, proposal, history)));
  return broken && textOf(broken);
};

function subsetsOf<T>(all: readonly T[]): T[][] {
  const [first, ...others] = all;
  return first === undefined ? [[]] : subsetsOf(others).flatMap((set) => [set, [first, ...set]]);
}

/** So that the last is the highest, and an acceptor need remember no other. */
const acceptsUpwards: Invariant = ({ accepted, ids }) => {
  for (const id of ids) {
    const own = accepted.filter(({ acceptor }) => acceptor === id).map(({ proposal }) => proposal);
    const at = own.findIndex(({ ballot }, later) => isHigher(own[later - 1]?.ballot ?? ballot, ballot));
    if (at > 0) return `${id} has accepted ${own.slice(at - 1, at + 1).map(textOf)}`;
  }
  return undefined;
};

export const invariants: Readonly<Record<string, Invariant>> = {
  'Only a value that has been proposed may be chosen': onlyProposedChosen,
  'Only a single value is chosen': singleValueChosen,
  'A process never learns that a value has been chosen unless it actually has been': learnedOnlyIfChosen,
  'B1: every ballot has a number of its own': oneValuePerBallot,
  'P2: every higher-numbered proposal that is chosen has the chosen value': agreesWithChosen(chosenProposals),
  'P2a: every higher-numbered proposal accepted by any acceptor has the chosen value': agreesWithChosen(
    ({ accepted }) => accepted.map(({ proposal }) => proposal),
  ),
  'P2b: every higher-numbered proposal issued by any proposer has the chosen value': agreesWithChosen(
    ({ issued }) => issued,
  ),
  'The last proposal that an acceptor has accepted is the highest-numbered': acceptsUpwards,
  'P2c: a majority has accepted nothing lower, or the value is that of the highest that it has accepted': p2c,
};

/** The first sentence that does not hold, with what breaks it. */
export function broken(history: History): string | undefined {
  for (const [sentence, invariant] of Object.entries(invariants)) {
    const what = invariant(history);
    if (what !== undefined) return `${sentence}: ${what}`;
  }
  return undefined;
}
