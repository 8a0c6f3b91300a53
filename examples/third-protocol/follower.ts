/** The follower's part: it takes what follows on its log, makes it durable, and says how far it has come. */
import type { Entry, LogIndex, Outgoing, Reign } from '@quorate/consensus';
import type { NodeId } from '@quorate/core';
import type { Append, Message } from './message.ts';
import {
  commitTo,
  type Effects,
  encodeHardState,
  forgetUpTo,
  lastIndex,
  persist,
  type State,
} from './state.ts';

export function onAppend(state: State, append: Append, effects: Effects): void {
  if (append.reign < state.reign) return;
  state.leader = state.appointed;
  const follows = append.first <= lastIndex(state) + 1;
  const entries: readonly Entry[] = follows
    ? append.entries.filter(({ index }) => index > lastIndex(state))
    : [];
  const upTo = entries.at(-1)?.index ?? lastIndex(state);
  const hard = adopted(state, append.reign);
  persist(state, { ...hard, entries, thenSend: [ackOf(state, { upTo, round: append.round })] }, effects);
  commitTo(state, Math.min(append.commitIndex, lastIndex(state)) as LogIndex, effects);
}

export function onSnapshot(
  state: State,
  received: { readonly reign: Reign; readonly last: { readonly index: LogIndex; readonly reign: Reign } },
  effects: Effects,
): void {
  if (received.reign < state.reign || received.last.index <= state.commitIndex) return;
  state.leader = state.appointed;
  const hard = adopted(state, received.reign);
  if (hard.hardState !== undefined) persist(state, { ...hard, entries: [], thenSend: [] }, effects);
  forgetUpTo(state, received.last);
  state.commitIndex = received.last.index;
  state.lastMark += 1;
  state.unsynced.push({ mark: state.lastMark, lastIndex: lastIndex(state) });
  effects.push({
    type: 'install',
    mark: state.lastMark,
    snapshot: received.last,
    // No follower's log ever differs from the leader's: what is above the snapshot is as good as before.
    discardsLog: false,
    thenSend: [ackOf(state, { upTo: lastIndex(state), round: 0 })],
  });
}

/** The leader is gone, for now: nobody takes its place. */
export function leaderSilent(state: State, peer: NodeId): void {
  if (peer === state.appointed) state.leader = undefined;
}

function adopted(state: State, reign: Reign): { readonly hardState?: Uint8Array } {
  if (reign === state.reign) return {};
  state.reign = reign;
  return { hardState: encodeHardState(reign, state.appointed) };
}

/** Leaves when all that it speaks of is durable. */
function ackOf(
  { reign, appointed }: State,
  done: { readonly upTo: LogIndex; readonly round: number },
): Outgoing<Message> {
  return { to: appointed, message: { type: 'ack', reign, ...done } };
}
