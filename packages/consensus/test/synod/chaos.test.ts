/** Random schedules of everything that may go wrong: safety always, and progress once one proposer is left. */
import type { NodeId } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Participant, ParticipantInput, Step } from '../../src/synod/index.ts';
import { broken, chosenProposals } from './invariants.ts';
import { happen, schedule } from './schedule.ts';
import { type Rules, textbook, World } from './world.ts';

const names = ['a', 'b', 'c', 'd', 'e'];

/** Checked at the end: what was chosen, accepted or issued stays in the history. */
function breaks(rules: Rules, size: number, events: Parameters<typeof happen>[1][]): string | undefined {
  const world = new World(names.slice(0, size), rules);
  for (const event of events) happen(world, event);
  return broken(world);
}

describe.each([1, 3, 4, 5])('%i processes', (size) => {
  test('whatever is lost, doubled, reordered or crashes, the invariants hold', () => {
    let chosen = 0;
    fc.assert(
      fc.property(schedule, (events) => {
        const world = new World(names.slice(0, size));
        for (const event of events) happen(world, event);
        chosen += chosenProposals(world).length;
        expect(broken(world)).toBeUndefined();
      }),
      { seed: size, numRuns: 1_000 },
    );
    // The schedules are not so wild that nothing is ever at stake.
    expect(chosen).toBeGreaterThan(50);
  });

  test('with a majority up and one proposer left, a value is chosen in its second attempt at the latest', () => {
    fc.assert(
      fc.property(schedule, fc.nat(), fc.boolean(), (events, pick, losesOldMessages) => {
        const world = new World(names.slice(0, size));
        for (const event of events) happen(world, event);
        const up = [...world.ids.slice(pick % size), ...world.ids.slice(0, pick % size)];
        for (const id of up.splice(Math.floor(size / 2) + 1)) world.crash(id);
        for (const id of up) world.restart(id);
        if (losesOldMessages) world.bag = [];
        world.drain();
        const left = up[0] as NodeId;
        for (let attempt = 1; attempt <= 2; attempt++) {
          world.propose(left, `last ${attempt}`);
          world.drain();
        }
        expect(broken(world)).toBeUndefined();
        const values = new Set(chosenProposals(world).map(({ value }) => value));
        expect(values.size).toBe(1);
        for (const id of up) expect(world.member(id).learned.at(-1)).toBe([...values][0]);
      }),
      { seed: size, numRuns: 300 },
    );
  });
});

type Planted = Omit<Rules, 'start' | 'step'> & Partial<Rules>;

/** A step with something done to what goes in or comes out of one kind of input. */
function whenReceiving<Type extends 'promise' | 'prepare' | 'accept' | 'accepted'>(
  type: Type,
  alter: (
    participant: Participant<string>,
    input: Extract<ParticipantInput<string>, { type: 'receive' }> & {
      readonly message: { readonly type: Type };
    },
  ) => Step<Participant<string>, string>,
): Rules['step'] {
  return (participant, input) =>
    input.type === 'receive' && input.message.type === type
      ? alter(participant, input as never)
      : textbook.step(participant, input);
}

const forgetsPromise = (participant: Participant<string>): Participant<string> => ({
  ...participant,
  acceptor: { ...participant.acceptor, promised: undefined },
});

/** For each guard: the protocol without it. The schedules must find out. */
const planted: Readonly<Record<string, Planted>> = {
  'P1a: an acceptor accepts below its promise': {
    step: whenReceiving('accept', (participant, input) => textbook.step(forgetsPromise(participant), input)),
  },
  'phase 1(b): an acceptor promises below its promise': {
    step: whenReceiving('prepare', (participant, input) => textbook.step(forgetsPromise(participant), input)),
  },
  'an acceptance does not bind like a promise': {
    step: whenReceiving('accept', (participant, input) => {
      const { state, effects } = textbook.step(participant, input);
      const { promised } = participant.acceptor;
      return { state: { ...state, acceptor: { ...state.acceptor, promised } }, effects };
    }),
  },
  'P2c: a proposer keeps its own value': {
    step: whenReceiving('promise', (participant, { message, ...input }) =>
      textbook.step(participant, { ...input, message: { ...message, accepted: undefined } }),
    ),
  },
  'P2c: the lowest-numbered report binds': {
    step: whenReceiving('promise', (participant, { message, ...input }) => {
      if (message.accepted === undefined) return textbook.step(participant, { ...input, message });
      const { ballot, value } = message.accepted;
      const accepted = { ballot: { ...ballot, round: 1_000_000 - ballot.round }, value };
      return textbook.step(participant, { ...input, message: { ...message, accepted } });
    }),
  },
  'phase 2(a): one promise too few is enough': {
    step: whenReceiving('promise', (participant, input) => {
      const { state } = textbook.step(participant, {
        ...input,
        from: participant.proposer.acceptors.find((id) => id !== input.from) ?? input.from,
        message: { ...input.message, accepted: undefined },
      });
      return textbook.step(state.proposer.attempt.phase === 'preparing' ? state : participant, input);
    }),
  },
  'phase 2(a): a promise of an earlier attempt counts': {
    step: whenReceiving('promise', (participant, input) => {
      const { attempt } = participant.proposer;
      if (attempt.phase !== 'preparing') return textbook.step(participant, input);
      return textbook.step(participant, { ...input, message: { ...input.message, ballot: attempt.ballot } });
    }),
  },
  'a late promise issues the ballot once more': {
    step: whenReceiving('promise', (participant, input) => {
      const { attempt } = participant.proposer;
      const { state, effects } = textbook.step(participant, input);
      const answer = { acceptor: input.from, accepted: input.message.accepted };
      return attempt.phase === 'preparing' && state.proposer.attempt.phase === 'proposing'
        ? {
            state: {
              ...state,
              proposer: {
                ...state.proposer,
                // The newest answer alone stays, and the next promise completes a majority again.
                attempt: { ...attempt, answers: [answer] },
              },
            },
            effects,
          }
        : { state, effects };
    }),
  },
  'a ballot is not durable: a restarted proposer uses it again': {
    start: (who, storage) => textbook.start(who, { ...storage, proposer: undefined }),
  },
  'an acceptor forgets when it restarts': {
    start: (who, storage) => textbook.start(who, { ...storage, acceptor: undefined }),
  },
  'an acceptor remembers what it accepted, and not what it promised': {
    start: (who, storage) => {
      const { acceptor } = storage;
      const forgotten = acceptor && { ...acceptor, promised: acceptor.accepted?.ballot };
      return textbook.start(who, { ...storage, acceptor: forgotten });
    },
  },
  'replies leave before what they promise is durable': { sendsBeforeDurable: true },
  'a learner adds up acceptances of several ballots': {
    step: whenReceiving('accepted', (participant, { message, ...input }) => {
      const ballot = { round: 1, proposer: 'any' as NodeId };
      const proposal = { ...message.proposal, ballot };
      return textbook.step(participant, { ...input, message: { ...message, proposal } });
    }),
  },
  'a learner counts an acceptor as often as it hears it': {
    step: whenReceiving('accepted', (participant, input) => {
      const { heard, acceptors } = participant.learner;
      const counted = heard.find(({ proposal }) => proposal.value === input.message.proposal.value);
      const next = acceptors.find((id) => counted?.acceptors.includes(id) !== true) ?? input.from;
      return textbook.step(participant, { ...input, from: next });
    }),
  },
};

describe('each guard is needed: without it a schedule breaks an invariant', () => {
  test.each(Object.keys(planted))('%s', (name) => {
    const rules = { ...textbook, ...planted[name] };
    const found = fc.check(
      // A lone process has no other to hide its mistakes.
      fc.property(fc.constantFrom(3, 3, 3, 3, 1), schedule, (size, events) => {
        expect(breaks(rules, size, events)).toBeUndefined();
      }),
      { seed: 1, numRuns: 40_000, endOnFailure: true },
    );
    expect(found.failed).toBe(true);
  });
});
