/**
 * Planted bugs: protocols with one guard taken out, to show that the simulation would notice.
 *
 * Each wraps a sound protocol and spoils one thing, at the border where the guard stands. None of them is
 * ever used outside of a test of the tests.
 */
import type { Effect, Input, LogIndex, Protocol } from '@quorate/consensus';
import { optionInvalid } from '@quorate/core';

type AnyProtocol = Protocol<unknown, unknown>;
type Spoil = (protocol: AnyProtocol) => AnyProtocol;

/** Replies leave at once instead of after the write that they speak of. */
const replyBeforePersist: Spoil = (protocol) => ({
  ...protocol,
  step(state, input, nowMs, effects) {
    const own: Effect<unknown>[] = [];
    protocol.step(state, input, nowMs, own);
    for (const effect of own) {
      if (effect.type !== 'persist') {
        effects.push(effect);
        continue;
      }
      for (const { to, message } of effect.thenSend) effects.push({ type: 'send', to, message });
      effects.push({ ...effect, thenSend: [] });
    }
  },
});

/** Every message of a member is counted a second time, as if another member had sent it too. */
const countVotesTwice: Spoil = (protocol) => {
  const membersOf = new WeakMap<object, readonly string[]>();
  return {
    ...protocol,
    start(options, recovered, nowMs) {
      const state = protocol.start(options, recovered, nowMs);
      membersOf.set(
        state as object,
        options.members.filter((member) => member !== options.self),
      );
      return state;
    },
    step(state, input, nowMs, effects) {
      protocol.step(state, input, nowMs, effects);
      if (input.type !== 'receive' || protocol.status(state).role === 'follower') return;
      const other = membersOf.get(state as object)?.find((member) => member !== input.from);
      if (other !== undefined)
        protocol.step(state, { ...input, from: other } as Input<unknown>, nowMs, effects);
    },
  };
};

/** A restarted node has forgotten what it voted for or promised. */
const forgetPromises: Spoil = (protocol) => ({
  ...protocol,
  start: (options, recovered, nowMs) =>
    protocol.start(options, { ...recovered, hardState: undefined }, nowMs),
});

/** A read is answered from the leader's own belief, without asking anybody. */
const readWithoutQuorum: Spoil = (protocol) => ({
  ...protocol,
  step(state, input, nowMs, effects) {
    if (input.type !== 'read' || protocol.status(state).role !== 'leader') {
      return protocol.step(state, input, nowMs, effects);
    }
    effects.push({ type: 'read-ready', read: input.read, index: protocol.status(state).commitIndex });
  },
});

/** A read is answered from the state as it is, before that holds what was acknowledged. */
const serveReadsEarly: Spoil = (protocol) => ({
  ...protocol,
  step(state, input, nowMs, effects) {
    const own: Effect<unknown>[] = [];
    protocol.step(state, input, nowMs, own);
    for (const effect of own)
      effects.push(effect.type === 'read-ready' ? { ...effect, index: 0 as LogIndex } : effect);
  },
});

/** A lease lasts twice as long as those who granted it stay loyal. */
const endlessLease: Spoil = (protocol) => ({
  ...protocol,
  start: (options, recovered, nowMs) =>
    protocol.start({ ...options, leaseMs: 2 * options.electionTimeoutMs[1] }, recovered, nowMs),
});

/** A vote or promise that comes late counts for the election that is under way by then. */
const countLateVotes: Spoil = (protocol) =>
  withMessages(protocol, (message, state) => {
    const present = protocol.inspect(state).promisedReign;
    if (message['type'] === 'vote-reply') return { ...message, term: present };
    return message['type'] === 'promise' ? { ...message, ballot: present } : message;
  });

/** Who leads need not know what was chosen before: any log is long enough, and no report is adopted. */
const electWithoutHistory: Spoil = (protocol) =>
  withMessages(protocol, (message) => {
    if (message['type'] === 'promise') return { ...message, accepted: [], nextPage: undefined };
    const asks = message['type'] === 'vote-request' || message['type'] === 'pre-vote-request';
    return asks ? { ...message, lastTerm: Number.MAX_SAFE_INTEGER } : message;
  });

/** The protocol hears `falsify` of every message. */
function withMessages(
  protocol: AnyProtocol,
  falsify: (message: Readonly<Record<string, unknown>>, state: unknown) => unknown,
): AnyProtocol {
  return {
    ...protocol,
    step(state, input, nowMs, effects) {
      if (input.type !== 'receive') return protocol.step(state, input, nowMs, effects);
      const message = falsify(input.message as Readonly<Record<string, unknown>>, state);
      protocol.step(state, { ...input, message }, nowMs, effects);
    },
  };
}

/** Guards that can be taken out, by name; each goes red within a few seeds. */
export const plantedBugs = {
  'reply-before-persist': replyBeforePersist,
  'count-votes-twice': countVotesTwice,
  'forget-promises': forgetPromises,
  'read-without-quorum': readWithoutQuorum,
  'serve-reads-early': serveReadsEarly,
  'endless-lease': endlessLease,
  'count-late-votes': countLateVotes,
  'elect-without-history': electWithoutHistory,
} as const satisfies Readonly<Record<string, Spoil>>;

/** One of {@link plantedBugs}. */
export type PlantedBug = keyof typeof plantedBugs;

/** @throws CodedError ERR_OPTION_INVALID for a bug that nobody has planted */
export function plant(bug: string, protocol: AnyProtocol): AnyProtocol {
  if (!Object.hasOwn(plantedBugs, bug))
    throw optionInvalid('plant', bug, Object.keys(plantedBugs).join(', '));
  return plantedBugs[bug as PlantedBug](protocol);
}
