/**
 * For each case of the conformance suite a protocol that fails it: one of ours with one thing broken.
 *
 * What is broken lies at the border, in what a protocol is told or says, so that one breaker fits whatever goes
 * on inside.
 */
import type { NodeId } from '@quorate/core';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';
import type {
  Effect,
  Input,
  LogIndex,
  Protocol,
  ProtocolOptions,
  RecoveredState,
  Reign,
} from '../../src/protocol.ts';
import { raft } from '../../src/raft/raft.ts';

type AnyProtocol = Protocol<unknown, unknown>;
type AnyInput = Input<unknown>;
type AnyEffect = Effect<unknown>;

/** A running protocol, and what a breaker needs to know beside it. */
interface Running {
  readonly base: AnyProtocol;
  readonly options: ProtocolOptions;
  readonly recovered: RecoveredState;
  state: unknown;
  /** For a breaker that counts. */
  count: number;
  lastMark: number;
}

interface Breaker {
  readonly base?: AnyProtocol;
  readonly start?: (
    options: ProtocolOptions,
    recovered: RecoveredState,
  ) => Partial<{ options: Partial<ProtocolOptions>; recovered: Partial<RecoveredState> }>;
  /** What is stepped instead; nothing, if undefined. */
  readonly input?: (input: AnyInput, running: Running) => AnyInput | undefined;
  /** What comes out instead. */
  readonly effects?: (effects: AnyEffect[], running: Running, input: AnyInput) => AnyEffect[];
  readonly methods?: (
    base: AnyProtocol,
  ) => Partial<Pick<AnyProtocol, 'encodeMessage' | 'decodeMessage' | 'foundingHardState'>>;
  readonly status?: (running: Running) => Partial<ReturnType<AnyProtocol['status']>>;
  readonly committedFrom?: (running: Running, from: LogIndex) => ReturnType<AnyProtocol['committedFrom']>;
}

export function breakProtocol(breaker: Breaker): AnyProtocol {
  const base = breaker.base ?? raft;
  const statusOf = (running: Running) => ({ ...base.status(running.state), ...breaker.status?.(running) });
  const whole: Protocol<Running, unknown> = {
    name: `broken ${base.name}`,
    start(options, recovered, nowMs) {
      const changed = breaker.start?.(options, recovered) ?? {};
      const given = {
        options: { ...options, ...changed.options },
        recovered: { ...recovered, ...changed.recovered },
      };
      const state = base.start(given.options, given.recovered, nowMs);
      return { base, ...given, state, count: 0, lastMark: 0 };
    },
    step(running, input, nowMs, effects) {
      const given = breaker.input === undefined ? input : breaker.input(input, running);
      const own: AnyEffect[] = [];
      if (given !== undefined) base.step(running.state, given, nowMs, own);
      for (const effect of own) if ('mark' in effect) running.lastMark = effect.mark;
      effects.push(...(breaker.effects?.(own, running, input) ?? own));
    },
    status: statusOf,
    foundingHardState: (founding) => base.foundingHardState(founding),
    committedFrom: (running, from, limits) =>
      breaker.committedFrom === undefined
        ? base.committedFrom(running.state, from, limits)
        : breaker.committedFrom(running, from),
    encodeMessage: (message) => base.encodeMessage(message),
    decodeMessage: (wire) => base.decodeMessage(wire),
    inspect: (running) => ({ ...base.inspect(running.state), ...statusOf(running) }),
    ...breaker.methods?.(base),
  };
  return whole;
}

const deafTo =
  (...types: AnyInput['type'][]): NonNullable<Breaker['input']> =>
  (input) =>
    types.includes(input.type) ? undefined : input;

const without =
  (...types: AnyEffect['type'][]): NonNullable<Breaker['effects']> =>
  (effects) =>
    effects.filter(({ type }) => !types.includes(type));

const onlyOneMayStand: Breaker = {
  input: (input, { options }) => (input.type === 'tick' && options.self !== 'n1' ? undefined : input),
};

const promisesEarly: Breaker = {
  effects: (effects) =>
    effects.flatMap((effect): AnyEffect[] =>
      effect.type === 'persist'
        ? [
            { ...effect, thenSend: [] },
            ...effect.thenSend.map((sent) => ({ type: 'send' as const, ...sent })),
          ]
        : [effect],
    ),
};

const takesAllForDurable: Breaker = {
  input: (input, { lastMark }) => (input.type === 'persisted' ? { ...input, mark: lastMark } : input),
};

/** Two ways at once of taking for durable what is not: for clusters of one, and of more. */
const neverWaits: Breaker = { ...promisesEarly, ...takesAllForDurable };

const believesItsLeaseTooLong: Breaker = { start: () => ({ options: { leaseMs: 5_000 } }) };

const forgetsItsPromise: Breaker = {
  start: () => ({ recovered: { hardState: undefined } }),
};

/** Unlike everybody else it takes a hint for a decision. */
const crownsItself: Breaker = {
  input(input, running) {
    if (input.type === 'peer-down') running.count += 1;
    return input;
  },
  status: ({ count, options }) => (count > 0 ? { role: 'leader', leader: options.self } : {}),
};

let wiresEncoded = 0;

/** By the name of the case that must fail. */
export const brokenProtocols: Readonly<Record<string, AnyProtocol>> = Object.fromEntries(
  Object.entries<Breaker>({
    'every message survives its encoding': {
      // The same message looks different every time.
      methods: (base) => ({
        encodeMessage: (message) => [...base.encodeMessage(message), ++wiresEncoded],
        decodeMessage: (wire) => base.decodeMessage(Array.isArray(wire) ? wire.slice(0, -1) : wire),
      }),
    },
    'what is no message is refused with ERR_FRAME_INVALID': {
      methods: (base) => ({
        decodeMessage: (wire) => base.decodeMessage((wire as unknown[]).slice()),
      }),
    },
    'a message with one field spoilt is refused with ERR_FRAME_INVALID, or is a message': {
      methods: (base) => ({
        decodeMessage(wire) {
          if (Array.isArray(wire) && wire.flat(9).some(Number.isNaN)) throw new RangeError('not a number');
          return base.decodeMessage(wire);
        },
      }),
    },
    'the same inputs give the same effects': {
      effects: (effects) =>
        Math.random() < 0.5 && effects.every(({ type }) => type === 'send') ? effects.reverse() : effects,
    },
    'nothing that was handed in is changed, nor anything that was handed out': {
      input(input) {
        if (input.type === 'receive') Object.assign(input.message as object, { isRead: true });
        return input;
      },
    },
    'a cluster without faults has one leader, whom all know': { input: deafTo('tick') },
    'a leader is told of with every change of role, leader or reign': { effects: without('role') },
    'whoever does not lead refuses proposals and reads': {
      effects: (effects, { base, state }) =>
        effects.map((effect) =>
          effect.type === 'read-refused'
            ? { type: 'read-ready', read: effect.read, index: base.status(state).commitIndex }
            : effect,
        ),
    },
    'a transfer ends, and until then proposals are refused': { effects: without('transfer-failed') },
    'the lead cannot be handed to a stranger or to oneself': {
      input: (input, { options: { members, self } }) =>
        input.type === 'transfer' && (input.to === self || !members.includes(input.to)) ? undefined : input,
    },
    'another leads when the leader has crashed': onlyOneMayStand,
    'another leads when the leader is cut off': onlyOneMayStand,
    'another leads when the leader hangs': onlyOneMayStand,
    'a lead is handed over to a member that is up': {
      input: deafTo('transfer'),
      effects: (effects, _, input) =>
        input.type === 'transfer' ? [...effects, { type: 'transfer-failed', to: input.to }] : effects,
    },
    'what a working leader accepts is committed everywhere, in order and without a gap': {
      effects: (effects, running) =>
        effects.filter(({ type }) => type !== 'committed' || ++running.count % 5 !== 0),
    },
    'entries far larger than a message are committed too': {
      input: (input, { options: { appendBytesMax } }) =>
        input.type === 'propose' && input.proposals.some(({ payload }) => payload.length > appendBytesMax)
          ? undefined
          : input,
      effects: (effects, _, input) =>
        input.type === 'propose' && effects.length === 0
          ? [{ type: 'refused', reason: 'overloaded' }]
          : effects,
    },
    'nothing is committed without a majority, and all of it afterwards': {
      base: multiPaxos,
      start: ({ members }) => ({ options: members.length === 5 ? { acceptQuorum: 2 } : {} }),
    },
    'a follower that was away gets all that it missed': {
      input: (input, { recovered }) =>
        input.type === 'receive' && recovered.hardState !== undefined ? undefined : input,
    },
    'a leader with too much uncommitted refuses as overloaded': {
      start: () => ({ options: { uncommittedBytesMax: 2 ** 40 } }),
    },
    'messages set off no storm of messages': {
      // It answers whatever it hears with what it has said last.
      effects(effects, running, input) {
        const { members, self } = running.options;
        if (input.type !== 'receive' || effects.length > 0) return effects;
        const message = running.base.decodeMessage(running.base.encodeMessage(input.message));
        return members.filter((to) => to !== self).map((to) => ({ type: 'send', to, message }));
      },
    },
    'what a stranger sends changes nothing': {
      input(input, { options: { members, self } }) {
        if (input.type !== 'receive' || members.includes(input.from)) return input;
        return { ...input, from: members.find((member) => member !== self) as NodeId };
      },
    },
    'nothing is committed before a majority has it on its disks': promisesEarly,
    'a mark stands for its write and for no later one': takesAllForDurable,
    'a mark stands for all writes before it': {
      // It counts how often it was told, and not what.
      input: (input, running) => (input.type === 'persisted' ? { ...input, mark: ++running.count } : input),
    },
    'a power cut at any write breaks no promise': forgetsItsPromise,
    'all that was committed is there after all nodes lost their power': {
      start: (_, { entries }) => ({ recovered: { entries: entries.slice(0, -5) } }),
    },
    'a leader that is heard answers reads, lease or no lease': {
      effects: (effects) =>
        effects.map((effect) =>
          effect.type === 'read-ready' ? { type: 'read-refused', read: effect.read } : effect,
        ),
    },
    'a read sees all that was committed before it': {
      // It trusts in what it knows, also when it has only just begun to lead.
      input: (input, { base, state }) =>
        input.type === 'read' && base.status(state).role === 'leader' ? undefined : input,
      effects: (effects, { base, state }, input) =>
        input.type === 'read' && effects.length === 0
          ? [{ type: 'read-ready', read: input.read, index: base.status(state).commitIndex }]
          : effects,
    },
    'a leader that has been replaced answers no read, by lease or without': believesItsLeaseTooLong,
    'a sealed leader answers nothing from a lease': { input: deafTo('seal') },
    'no read is left without an answer': { effects: without('read-refused') },
    'what a snapshot holds is forgotten, and the rest survives a restart': { input: deafTo('compacted') },
    'whoever needs what is forgotten gets a snapshot and goes on from it': {
      input: deafTo('snapshot-received'),
    },
    'a snapshot that did not arrive is sent again': {
      input: (input) => (input.type === 'snapshot-sent' && !input.delivered ? undefined : input),
    },
    'a snapshot that holds nothing new is not installed': {
      effects(effects, running, input) {
        if (input.type !== 'snapshot-received') return effects;
        const mark = ++running.lastMark;
        return [{ type: 'install', mark, snapshot: input.last, discardsLog: false, thenSend: [] }];
      },
    },
    'nobody follows a bystander for the snapshot that it sent': {
      input: (input) => (input.type === 'snapshot-received' ? { ...input, leads: true } : input),
    },
    'a power cut during an install leaves the old state or the new one': {
      // The state moves on in memory, and nothing of it is put in place.
      effects: (effects) =>
        effects.map((effect) =>
          effect.type === 'install'
            ? { type: 'persist', mark: effect.mark, entries: [], thenSend: effect.thenSend }
            : effect,
        ),
    },
    'committed entries can be read page by page': {
      committedFrom: ({ base, state }, from) => base.inspect(state).entriesAbove((from - 1) as LogIndex),
    },
    'the appointed leads its epoch from the first step on': {
      start: () => ({ options: { isAppointed: false } }),
    },
    'an appointment ends with the life in which it was given': {
      start: ({ self }) => ({ options: { isAppointed: self === 'n2' } }),
    },
    'the log of an epoch goes on where the one before ended': {
      start: (_, { snapshot }) => ({ recovered: { snapshot: { ...snapshot, index: 0 as LogIndex } } }),
    },
    'who founds an epoch late is bound by the reigns that it heard of': {
      methods: (base) => ({
        foundingHardState: (founding) => base.foundingHardState({ ...founding, reign: 0 as Reign }),
      }),
    },
    'an announcement tells the others at once what is committed': { input: deafTo('announce') },
    'a false hint that a peer is down breaks nothing': crownsItself,
    'a node that is told that all others are down does not rule': crownsItself,
    'an idle leader that fell silent and is gone is replaced on the hint': {
      base: multiPaxos,
      input: deafTo('peer-silent'),
    },
    ...Object.fromEntries(
      [1, 2, 3, 5].flatMap((nodes): [string, Breaker][] => [
        [`of ${nodes} nodes none breaks a promise under random faults, and all go on afterwards`, neverWaits],
        [
          `of ${nodes} nodes none breaks one with leases, drifting clocks, transfers and silence either`,
          nodes < 3 ? neverWaits : believesItsLeaseTooLong,
        ],
      ]),
    ),
  }).map(([name, breaker]) => [name, breakProtocol(breaker)]),
);
