/** The sentences of the papers, each as a test: of one role alone where one suffices, else of a small world. */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import {
  type Acceptor,
  type Ballot,
  ballotAbove,
  type Effect,
  isHigher,
  mayAccept,
  mayPromise,
  newLearner,
  onAccept,
  onAccepted,
  onNack,
  onPrepare,
  onPromise,
  type Proposal,
  type Proposer,
  prepare,
  promiseAfterAccept,
  recoverAcceptor,
  recoverProposer,
  type Step,
  startParticipant,
  valueToPropose,
} from '../../src/synod/index.ts';
import { chosenProposals } from './invariants.ts';
import { type Envelope, World } from './world.ts';

const a = 'a' as NodeId;
const b = 'b' as NodeId;
const c = 'c' as NodeId;
const all = [a, b, c];

const ballot = (round: number, proposer = a): Ballot => ({ round, proposer });
const proposal = (number: Ballot, value: string): Proposal<string> => ({ ballot: number, value });
const accept = (number: Ballot, value: string) =>
  ({ type: 'accept', proposal: proposal(number, value) }) as const;
const prepareOf = (number: Ballot) => ({ type: 'prepare', ballot: number }) as const;

function promise(number: Ballot, accepted?: Proposal<string>) {
  return { type: 'promise', ballot: number, accepted } as const;
}

const freshAcceptor = (): Acceptor<string> => recoverAcceptor([a, b, c], undefined);
const freshProposer = (self = a): Proposer<string> => recoverProposer({ self, acceptors: all }, undefined);

/** The states that follow one another, with the effects of the last step alone. */
function after<State>(
  state: State,
  ...steps: ((state: State) => Step<State, string>)[]
): Step<State, string> {
  let last: Step<State, string> = { state, effects: [] };
  for (const step of steps) last = step(last.state);
  return last;
}

function sent(effects: readonly Effect<string>[]) {
  return effects.flatMap((effect) => {
    if (effect.type === 'persist') return effect.thenSend;
    return effect.type === 'send' ? [effect] : [];
  });
}

const messages = (effects: readonly Effect<string>[]) => sent(effects).map(({ message }) => message);

describe('choosing a value', () => {
  test('[PaxosSimple §2.2] P1: an acceptor must accept the first proposal that it receives', () => {
    const { state, effects } = onAccept(freshAcceptor(), b, accept(ballot(7, b), 'x'));
    expect(state.accepted).toEqual(proposal(ballot(7, b), 'x'));
    expect(sent(effects).map(({ to }) => to)).toEqual([a, b, c]);
  });

  test.each([
    { proposed: ballot(5), promised: undefined, may: true },
    { proposed: ballot(5), promised: ballot(4), may: true },
    { proposed: ballot(5, b), promised: ballot(5, a), may: true },
    { proposed: ballot(5), promised: ballot(5), may: true },
    { proposed: ballot(5, a), promised: ballot(5, b), may: false },
    { proposed: ballot(5), promised: ballot(6), may: false },
  ])(
    '[PaxosSimple §2.2] P1a: it accepts $proposed iff it has not answered a higher prepare: $promised',
    ({ proposed, promised, may }) => {
      expect(mayAccept(proposed, promised)).toBe(may);
      const acceptor = { ...freshAcceptor(), promised };
      const { state, effects } = onAccept(acceptor, a, accept(proposed, 'x'));
      expect(state.accepted?.value).toBe(may ? 'x' : undefined);
      expect(effects.map(({ type }) => type)).toEqual([may ? 'persist' : 'send']);
    },
  );

  test('[PaxosSimple §2.2] an acceptor must be allowed to accept more than one proposal', () => {
    // Each of a, b, c takes the first value that it hears: no majority, and nobody could ever learn one.
    const world = new World(['a', 'b', 'c']);
    const prepares = (own: string) => (envelope: Envelope) =>
      envelope.message.type === 'accept' && envelope.to !== own;
    for (const id of ['a', 'b', 'c']) {
      world.propose(id, `of ${id}`);
      world.drain(prepares(id));
    }
    expect(chosenProposals(world)).toEqual([]);
    world.propose('a', 'again');
    world.drain();
    expect(chosenProposals(world)).toHaveLength(1);
  });

  test('[PaxosSimple §2.2] P2: every higher-numbered proposal that is chosen has the value that was chosen', () => {
    const world = new World(['a', 'b', 'c']);
    for (const [id, value] of [
      ['a', 'first'],
      ['b', 'second'],
      ['c', 'third'],
    ] as const) {
      world.propose(id, value);
      world.drain();
      world.propose(id, value);
      world.drain();
    }
    const chosen = chosenProposals(world);
    expect(chosen.length).toBeGreaterThan(2);
    expect(new Set(chosen.map(({ value }) => value))).toEqual(new Set(['first']));
  });

  test('[PaxosSimple §2.2] P2a: an acceptor that was asleep when a value was chosen accepts no other under a higher number', () => {
    const world = new World(['a', 'b', 'c']);
    world.crash('c');
    world.propose('a', 'first');
    world.drain();
    expect(chosenProposals(world).map(({ value }) => value)).toEqual(['first']);
    world.restart('c');
    world.propose('c', 'other');
    world.drain();
    world.propose('c', 'other');
    world.drain();
    const ofC = world.accepted.filter(({ acceptor }) => acceptor === c);
    expect(new Set(ofC.map((acceptance) => acceptance.proposal.value))).toEqual(new Set(['first']));
  });

  test('[PaxosSimple §2.2] P2b: a proposer that heard nothing of the chosen value issues no other', () => {
    const world = new World(['a', 'b', 'c']);
    world.propose('a', 'first');
    // Nobody ever learns that a and b have accepted it.
    world.drain(({ to, message }) => message.type === 'accepted' || to === c);
    expect(chosenProposals(world)).toHaveLength(1);
    world.propose('c', 'other');
    world.propose('c', 'other');
    world.drain();
    expect(world.issued.map(({ value }) => value)).not.toContain('other');
  });

  test.each([
    { reported: [undefined, undefined], value: 'own' },
    { reported: [proposal(ballot(2), 'x'), undefined], value: 'x' },
    { reported: [proposal(ballot(2), 'x'), proposal(ballot(3), 'y')], value: 'y' },
    { reported: [proposal(ballot(3, b), 'y'), proposal(ballot(3, a), 'x')], value: 'y' },
    {
      reported: [proposal(ballot(1), 'x'), proposal(ballot(4), 'y'), proposal(ballot(1), 'x')],
      value: 'y',
    },
  ])(
    '[PaxosSimple §2.2] P2c: of the reports $reported the highest-numbered gives the value: $value',
    ({ reported, value }) => {
      expect(valueToPropose(reported, 'own')).toBe(value);
      expect(valueToPropose([...reported].reverse(), 'own')).toBe(value);
    },
  );
});

describe('the two phases', () => {
  test('[PaxosSimple §2.2] phase 1(a): a proposer selects a number n and sends a prepare request with it', () => {
    const { state, effects } = prepare(freshProposer(), 'x');
    expect(sent(effects)).toEqual(all.map((to) => ({ to, message: prepareOf(ballot(1)) })));
    expect(messages(prepare(state, 'x').effects)).toEqual(all.map(() => prepareOf(ballot(2))));
  });

  test.each([
    { asked: ballot(5), promised: undefined, may: true },
    { asked: ballot(5), promised: ballot(4, c), may: true },
    { asked: ballot(5, b), promised: ballot(5, a), may: true },
    { asked: ballot(5), promised: ballot(5), may: false },
    { asked: ballot(5), promised: ballot(6), may: false },
  ])(
    '[PaxosSimple §2.2] phase 1(b): it promises $asked only above all that it has answered: $promised',
    ({ asked, promised, may }) => {
      expect(mayPromise(asked, promised)).toBe(may);
      const { state, effects } = onPrepare({ ...freshAcceptor(), promised }, a, prepareOf(asked));
      expect(state.promised).toEqual(may ? asked : promised);
      expect(messages(effects).filter(({ type }) => type === 'promise')).toHaveLength(may ? 1 : 0);
    },
  );

  test('[PaxosSimple §2.2] phase 1(b): the response carries the highest-numbered proposal that it has accepted', () => {
    const { effects } = after(
      freshAcceptor(),
      (acceptor) => onAccept(acceptor, a, accept(ballot(2), 'x')),
      (acceptor) => onAccept(acceptor, a, accept(ballot(3), 'y')),
      (acceptor) => onPrepare(acceptor, b, prepareOf(ballot(4, b))),
    );
    expect(sent(effects)).toEqual([{ to: b, message: promise(ballot(4, b), proposal(ballot(3), 'y')) }]);
  });

  test('[PaxosSimple §2.2] phase 2(a): only a majority of responses lets the proposer send accept requests', () => {
    const started = prepare(freshProposer(), 'x').state;
    const one = onPromise(started, b, promise(ballot(1)));
    expect(one.effects).toEqual([]);
    expect(onPromise(one.state, b, promise(ballot(1))).effects).toEqual([]);
    expect(onPromise(one.state, 'stranger' as NodeId, promise(ballot(1))).effects).toEqual([]);
    const two = onPromise(one.state, c, promise(ballot(1)));
    expect(messages(two.effects)).toEqual(all.map(() => accept(ballot(1), 'x')));
  });

  test('[PaxosSimple §2.2] phase 2(a): a response to an earlier prepare request is none to this one', () => {
    const { effects } = after(
      freshProposer(),
      (proposer) => prepare(proposer, 'x'),
      (proposer) => prepare(proposer, 'x'),
      (proposer) => onPromise(proposer, b, promise(ballot(1))),
      (proposer) => onPromise(proposer, c, promise(ballot(1))),
    );
    expect(effects).toEqual([]);
  });

  test('[PaxosSimple §2.2] phase 2(a): a late response changes nothing: a number stands for one value', () => {
    const { effects } = after(
      freshProposer(),
      (proposer) => prepare(proposer, 'x'),
      (proposer) => onPromise(proposer, a, promise(ballot(1))),
      (proposer) => onPromise(proposer, b, promise(ballot(1))),
      (proposer) => onPromise(proposer, c, promise(ballot(1), proposal(ballot(0, c), 'y'))),
    );
    expect(effects).toEqual([]);
  });

  test('[PaxosSimple §2.2] the acceptors of phase 2 need not be those that responded in phase 1', () => {
    const world = new World(['a', 'b', 'c']);
    world.propose('a', 'x');
    world.drain(({ to, message }) =>
      message.type === 'prepare' ? to === c : message.type === 'accept' && to === a,
    );
    expect(chosenProposals(world).map(({ value }) => value)).toEqual(['x']);
    expect(world.accepted.map(({ acceptor }) => acceptor)).toEqual([b, c]);
  });

  test('[PaxosSimple §2.2] phase 2(b): it accepts unless it has already responded to a higher-numbered prepare request', () => {
    const { state, effects } = after(
      freshAcceptor(),
      (acceptor) => onPrepare(acceptor, b, prepareOf(ballot(4, b))),
      (acceptor) => onAccept(acceptor, a, accept(ballot(4, a), 'x')),
    );
    expect(state.accepted).toBeUndefined();
    expect(messages(effects)).toEqual([{ type: 'nack', ballot: ballot(4, a), promised: ballot(4, b) }]);
    expect(onAccept(state, b, accept(ballot(4, b), 'y')).state.accepted?.value).toBe('y');
  });

  test('[PaxosSimple §2.2] a proposer can make multiple proposals, and abandon one in the middle at any time', () => {
    const world = new World(['a', 'b', 'c']);
    world.propose('a', 'x');
    world.drain(({ message }) => message.type === 'accept');
    world.propose('a', 'y');
    world.drain();
    expect(chosenProposals(world)).toEqual([proposal(ballot(2), 'y')]);
  });

  test('[PaxosSimple §2.2] an acceptor that ignores a request for a higher number informs the proposer, who abandons it', () => {
    const busy = { ...freshAcceptor(), promised: ballot(9, b) };
    expect(messages(onPrepare(busy, a, prepareOf(ballot(1))).effects)).toEqual([
      { type: 'nack', ballot: ballot(1), promised: ballot(9, b) },
    ]);
    const nack = { type: 'nack', ballot: ballot(1), promised: ballot(9, b) } as const;
    const { state } = onNack(prepare(freshProposer(), 'x').state, nack);
    expect(state.attempt).toEqual({ phase: 'idle' });
    expect(messages(prepare(state, 'x').effects)[0]).toEqual(prepareOf(ballot(10)));
  });

  test('a refusal of an earlier attempt does not end the present one', () => {
    const second = after(
      freshProposer(),
      (proposer) => prepare(proposer, 'x'),
      (proposer) => prepare(proposer, 'x'),
    ).state;
    const { state } = onNack(second, { type: 'nack', ballot: ballot(1), promised: ballot(1, b) });
    expect(state.attempt).toEqual(second.attempt);
  });

  test('a request that comes twice is answered once, and refused not at all', () => {
    const { effects } = after(
      freshAcceptor(),
      (acceptor) => onPrepare(acceptor, a, prepareOf(ballot(1))),
      (acceptor) => onPrepare(acceptor, a, prepareOf(ballot(1))),
    );
    expect(effects).toEqual([]);
  });

  test.each([
    { accepted: ballot(5), promised: undefined, after: ballot(5) },
    { accepted: ballot(5), promised: ballot(3, c), after: ballot(5) },
    { accepted: ballot(5), promised: ballot(5), after: ballot(5) },
  ])('[Lampson] accepting $accepted binds like a promise of it', ({ accepted, promised, after: bound }) => {
    expect(promiseAfterAccept(accepted, promised)).toEqual(bound);
    const { state } = onAccept({ ...freshAcceptor(), promised }, a, accept(accepted, 'x'));
    expect(state.promised).toEqual(bound);
    expect(onPrepare(state, c, prepareOf(ballot(4, c))).state).toEqual(state);
  });
});

describe('learning a chosen value', () => {
  const accepted = (number: Ballot, value: string) =>
    ({ type: 'accepted', proposal: proposal(number, value) }) as const;

  test('[PaxosSimple §2.3] each acceptor, whenever it accepts a proposal, responds to all learners', () => {
    const { effects } = onAccept(freshAcceptor(), a, accept(ballot(1), 'x'));
    expect(sent(effects)).toEqual(all.map((to) => ({ to, message: accepted(ballot(1), 'x') })));
  });

  test('[PaxosSimple §2.3] a learner finds out that a majority of acceptors has accepted a proposal', () => {
    const { effects } = after(
      newLearner<string>(all),
      (learner) => onAccepted(learner, a, accepted(ballot(1), 'x')),
      (learner) => onAccepted(learner, c, accepted(ballot(1), 'x')),
    );
    expect(effects).toEqual([{ type: 'learned', value: 'x' }]);
  });

  test('[PaxosSimple §2.2] a value is chosen when a single proposal is accepted by a majority: not two proposals together', () => {
    const { state, effects } = after(
      newLearner<string>(all),
      (learner) => onAccepted(learner, a, accepted(ballot(1), 'x')),
      (learner) => onAccepted(learner, b, accepted(ballot(2, b), 'x')),
      (learner) => onAccepted(learner, a, accepted(ballot(1), 'x')),
      (learner) => onAccepted(learner, 'stranger' as NodeId, accepted(ballot(1), 'x')),
    );
    expect(effects).toEqual([]);
    expect(onAccepted(state, a, accepted(ballot(2, b), 'x')).effects).toEqual([
      { type: 'learned', value: 'x' },
    ]);
  });

  test('[PaxosSimple §2.3] because of message loss, a value could be chosen with no learner ever finding out', () => {
    const world = new World(['a', 'b', 'c']);
    world.propose('a', 'x');
    world.drain(({ message }) => message.type === 'accepted');
    expect(chosenProposals(world)).toHaveLength(1);
    expect(world.members.flatMap(({ learned }) => learned)).toEqual([]);
  });

  test('[PaxosSimple §2.3] a learner that needs to know can have a proposer issue a proposal', () => {
    const world = new World(['a', 'b', 'c']);
    world.propose('a', 'x');
    world.drain(({ message }) => message.type === 'accepted');
    world.propose('b', 'is there anything?');
    world.drain();
    expect(world.members.map(({ learned }) => learned)).toEqual([['x'], ['x'], ['x']]);
  });

  test('a learner tells of the chosen value once', () => {
    const world = new World(['a', 'b', 'c']);
    for (const id of ['a', 'b', 'b']) {
      world.propose(id, 'x');
      world.drain();
    }
    expect(world.members.map(({ learned }) => learned)).toEqual([['x'], ['x'], ['x']]);
  });
});

describe('progress', () => {
  /** One proposer's two phases, as far as `until` the other comes in between. */
  function prepareOnly(world: World, id: string): void {
    world.propose(id, `of ${id}`);
    world.drain(({ message }) => message.type === 'accept');
  }

  function acceptsOf(world: World, id: string): Envelope[] {
    const issued = world.member(id).participant?.proposer.attempt;
    if (issued?.phase !== 'proposing') throw new Error(`${id} has issued nothing`);
    const message = { type: 'accept', proposal: issued.proposal } as const;
    return world.ids.map((to) => ({ from: id as NodeId, to, message }));
  }

  test('[PaxosSimple §2.4] two proposers can keep issuing proposals with increasing numbers, none of which is ever chosen', () => {
    const world = new World(['a', 'b', 'c']);
    prepareOnly(world, 'a');
    for (let round = 0; round < 100; round++) {
      const [mine, other] = round % 2 === 0 ? (['a', 'b'] as const) : (['b', 'a'] as const);
      const late = acceptsOf(world, mine);
      // Before the accept requests of one arrive, the other has completed phase 1 with a higher number.
      prepareOnly(world, other);
      for (const envelope of late) world.deliver(envelope);
      world.drain(({ message }) => message.type === 'accept');
    }
    expect(world.accepted).toEqual([]);
    expect(Math.max(...world.issued.map((issued) => issued.ballot.round))).toBeGreaterThan(50);
  });

  test('[PaxosSimple §2.4] a distinguished proposer that reaches a majority with a number above any used will succeed', () => {
    const world = new World(['a', 'b', 'c']);
    for (let round = 0; round < 20; round++) prepareOnly(world, round % 2 === 0 ? 'a' : 'b');
    world.crash('c');
    world.propose('a', 'x');
    world.drain();
    expect(chosenProposals(world)).toHaveLength(1);
  });

  test('[PaxosSimple §2.4] by abandoning a proposal and trying again it will eventually choose a high enough number', () => {
    const world = new World(['a', 'b', 'c']);
    for (let round = 0; round < 20; round++) prepareOnly(world, 'b');
    world.propose('a', 'x');
    world.drain();
    expect(chosenProposals(world)).toEqual([]);
    world.propose('a', 'x');
    world.drain();
    expect(chosenProposals(world)).toEqual([proposal(ballot(21), 'x')]);
  });
});

describe('the implementation', () => {
  test('[PaxosSimple §2.5] each process plays the role of proposer, acceptor and learner', () => {
    const participant = startParticipant<string>(
      { self: a, participants: all },
      {
        proposer: undefined,
        acceptor: undefined,
      },
    );
    expect(participant).toMatchObject({
      proposer: { self: a, acceptors: all },
      acceptor: { learners: all },
      learner: { acceptors: all },
    });
    expect(() =>
      startParticipant(
        { self: 'd' as NodeId, participants: all },
        { proposer: undefined, acceptor: undefined },
      ),
    ).toThrow('one of the participants');
  });

  test('[PaxosSimple §2.5] an acceptor records its intended response in stable storage before it sends it', () => {
    const promised = onPrepare(freshAcceptor(), b, prepareOf(ballot(3, b)));
    expect(promised.effects).toEqual([
      {
        type: 'persist',
        record: { role: 'acceptor', promised: ballot(3, b), accepted: undefined },
        thenSend: [{ to: b, message: promise(ballot(3, b)) }],
      },
    ]);
    const { effects } = onAccept(promised.state, b, accept(ballot(3, b), 'x'));
    expect(effects).toMatchObject([
      { type: 'persist', record: { promised: ballot(3, b), accepted: proposal(ballot(3, b), 'x') } },
    ]);
    expect(effects.filter(({ type }) => type === 'send')).toEqual([]);
  });

  test('[PaxosSimple §2.2] an acceptor remembers what it promised and accepted even if it fails and then restarts', () => {
    const world = new World(['a', 'b', 'c']);
    world.propose('a', 'x');
    world.drain();
    world.propose('b', 'y');
    world.drain(({ message }) => message.type === 'accept');
    const before = world.member('c').participant?.acceptor;
    world.crash('c');
    world.restart('c');
    expect(world.member('c').participant?.acceptor).toEqual(before);
    expect(before).toMatchObject({ promised: { proposer: 'b' }, accepted: { value: 'x' } });
  });

  test('[PaxosSimple §2.5] a promise that never became durable was never given', () => {
    const world = new World(['a', 'b', 'c']);
    world.propose('b', 'x');
    world.sync('b');
    const toC = world.bag.find(({ to }) => to === c) as Envelope;
    world.deliver(toC, 'doubled');
    expect(world.bag.filter(({ message }) => message.type === 'promise')).toEqual([]);
    world.crash('c');
    world.restart('c');
    expect(world.member('c').participant?.acceptor.promised).toBeUndefined();
  });

  test('[PaxosSimple §2.5] different proposers choose their numbers from disjoint sets', () => {
    const ofA = ballotAbove([ballot(4, b)], a);
    const ofC = ballotAbove([ballot(4, b)], c);
    expect(ofA).not.toEqual(ofC);
    expect(isHigher(ofC, ofA)).toBe(true);
    expect(isHigher(ofA, ofC)).toBe(false);
  });

  test('[PaxosSimple §2.5] a proposer remembers in stable storage the highest number it has tried, and begins above it', () => {
    const world = new World(['a', 'b', 'c']);
    for (let attempt = 0; attempt < 3; attempt++) world.propose('a', 'x');
    expect(world.bag).toEqual([]);
    world.drain(() => true);
    world.crash('a');
    world.restart('a');
    world.propose('a', 'x');
    expect(world.member('a').participant?.proposer.tried).toEqual(ballot(4));
  });

  test.each([
    { known: [], round: 1 },
    { known: [undefined, undefined], round: 1 },
    { known: [ballot(3), undefined], round: 4 },
    { known: [ballot(3), ballot(8, c)], round: 9 },
  ])('[PaxosParliament §2.1] B1: a new ballot stands above all of $known', ({ known, round }) => {
    const next = ballotAbove(known, b);
    expect(next).toEqual(ballot(round, b));
    for (const other of known) expect(isHigher(next, other)).toBe(true);
  });

  test('[PaxosParliament §2.1] B2: any two quorums have a member in common', () => {
    for (let size = 1; size <= 6; size++) {
      const ids = Array.from({ length: size }, (_, at) => `p${at}` as NodeId);
      const smallest = (from: readonly NodeId[]): NodeId[] => {
        let learner = newLearner<string>(ids);
        const heard: NodeId[] = [];
        for (const id of from) {
          heard.push(id);
          learner = onAccepted(learner, id, {
            type: 'accepted',
            proposal: proposal(ballot(1), 'x'),
          }).state;
          if (learner.learned !== undefined) break;
        }
        return heard;
      };
      const front = smallest(ids);
      const back = smallest([...ids].reverse());
      expect(front.some((id) => back.includes(id))).toBe(true);
    }
  });

  test('[PaxosParliament §2.1] B3: a ballot is for the value of the latest ballot in which a priest of its quorum voted', () => {
    const { effects } = after(
      freshProposer(c),
      (proposer) => onNack(proposer, { type: 'nack', ballot: ballot(1, c), promised: ballot(6, b) }),
      (proposer) => prepare(proposer, 'own'),
      (proposer) => onPromise(proposer, a, promise(ballot(7, c), proposal(ballot(6, b), 'later'))),
      (proposer) => onPromise(proposer, b, promise(ballot(7, c), proposal(ballot(2, a), 'earlier'))),
    );
    expect(messages(effects)).toEqual(all.map(() => accept(ballot(7, c), 'later')));
  });

  test('a message is plain data: it survives a structured copy', () => {
    const world = new World(['a', 'b', 'c']);
    const seen = new Set<string>();
    world.propose('a', 'x');
    world.propose('b', 'y');
    world.drain(({ message }) => {
      seen.add(message.type);
      expect(structuredClone(message)).toEqual(message);
      return false;
    });
    expect([...seen].sort()).toEqual(['accept', 'accepted', 'nack', 'prepare', 'promise']);
  });
});
