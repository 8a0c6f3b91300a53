/**
 * A third protocol, small enough to be read at once: the leader of an epoch leads it for good.
 *
 * Whom the epoch appoints adds to the log; a majority with the leader among it commits. There are no elections:
 * while the leader is down nothing happens, and no promise is broken. That is enough for `safety` of the
 * conformance suite; `liveness` is what Raft and Multi-Paxos cost so many more lines for.
 *
 * The module's default export is what `Cluster.start({ algorithm: new URL(...) })` loads.
 */
import type { Effect, Input, Protocol } from '@quorate/consensus';
import { assertNever } from '@quorate/core';
import { leaderSilent, onAppend, onSnapshot } from './follower.ts';
import { beginReign, durable, lead, onAck, propose, read, sendRound, tick } from './leader.ts';
import { decodeMessage, encodeMessage, type Message } from './message.ts';
import {
  type Effects,
  encodeHardState,
  entriesFrom,
  forgetUpTo,
  type State,
  start,
  status,
} from './state.ts';

function step(state: State, input: Input<Message>, nowMs: number, effects: Effect<Message>[]): void {
  const before = status(state);
  if (state.options.self === state.appointed && state.role === 'follower') {
    // What the founding hard state grants is durable with everybody.
    if (state.options.isAppointed === true) lead(state, nowMs, effects);
    else beginReign(state, effects);
  }
  handle(state, input, nowMs, effects);
  const { role, leader, reign } = state;
  if (role !== before.role || leader !== before.leader || reign !== before.reign)
    effects.push({ type: 'role', role, leader, reign });
}

function handle(state: State, input: Input<Message>, nowMs: number, effects: Effects): void {
  const leads = state.role === 'leader';
  switch (input.type) {
    case 'tick':
      if (leads) tick(state, nowMs, effects);
      return;
    case 'receive':
      receive(state, input, nowMs, effects);
      return;
    case 'propose':
      if (leads) propose(state, input.proposals, effects);
      else effects.push({ type: 'refused', reason: 'not-leader' });
      return;
    case 'read':
      if (leads) read(state, input.read, nowMs, effects);
      else effects.push({ type: 'read-refused', read: input.read });
      return;
    case 'persisted':
      persisted(state, input.mark, nowMs, effects);
      return;
    case 'transfer':
      if (leads) effects.push({ type: 'transfer-failed', to: input.to });
      return;
    case 'announce':
      if (leads) sendRound(state, nowMs, effects);
      return;
    case 'compacted': {
      const reign = state.log[input.index - state.snapshot.index - 1]?.reign;
      if (reign !== undefined) forgetUpTo(state, { index: input.index, reign });
      return;
    }
    case 'snapshot-received':
      if (input.leads && input.from === state.appointed) onSnapshot(state, input, effects);
      return;
    case 'snapshot-sent': {
      const follower = state.followers.get(input.to);
      if (follower !== undefined) follower.hasSnapshotUnderWay = false;
      return;
    }
    case 'peer-down':
    case 'peer-silent':
      leaderSilent(state, input.peer);
      return;
    case 'seal':
      // There is no lease to end.
      return;
    default:
      assertNever(input, 'input');
  }
}

function receive(
  state: State,
  input: Input<Message> & { type: 'receive' },
  nowMs: number,
  effects: Effects,
): void {
  const { from, message } = input;
  if (message.type === 'append') {
    if (from === state.appointed && state.role === 'follower') onAppend(state, message, effects);
  } else if (state.role === 'leader') {
    onAck(state, from, message, nowMs, effects);
  }
}

function persisted(state: State, mark: number, nowMs: number, effects: Effects): void {
  while (state.unsynced[0] !== undefined && state.unsynced[0].mark <= mark) {
    state.durableIndex = state.unsynced[0].lastIndex;
    state.unsynced.shift();
  }
  if (state.role === 'candidate') lead(state, nowMs, effects);
  if (state.role === 'leader') durable(state, nowMs, effects);
}

const fixedLeader: Protocol<State, Message> = {
  name: 'fixed-leader',
  start,
  step,
  status,
  foundingHardState: ({ appointed, reign }) =>
    encodeHardState(Math.max(1, reign) as State['reign'], appointed),
  committedFrom(state, from, limits) {
    if (from <= state.snapshot.index) return undefined;
    return entriesFrom(state, { from, to: state.commitIndex }, limits);
  },
  encodeMessage,
  decodeMessage,
  inspect: (state) => ({
    ...status(state),
    entriesAbove: (index) => state.log.filter((entry) => entry.index > index),
    promisedReign: state.reign,
    votedFor: state.appointed,
  }),
};

export default fixedLeader;
