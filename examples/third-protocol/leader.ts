/**
 * The leader's part: it adds to the log, sends what its own disk holds, and counts who has it.
 *
 * It sends nothing before it is durable here. That costs a disk's delay that Raft saves; in return no follower
 * ever holds what the leader might forget, and there is nothing to take back, ever.
 */
import { type Entry, type LogIndex, majorityReached, type Proposal } from '@quorate/consensus';
import { invariant, type NodeId } from '@quorate/core';
import type { Ack } from './message.ts';
import {
  commitTo,
  type Effects,
  encodeHardState,
  entriesFrom,
  type Follower,
  lastIndex,
  persist,
  type State,
} from './state.ts';

/** A new life is a new reign, and nothing is said under it before it is durable. */
export function beginReign(state: State, effects: Effects): void {
  state.role = 'candidate';
  state.reign = (state.reign + 1) as State['reign'];
  persist(
    state,
    { hardState: encodeHardState(state.reign, state.appointed), entries: [], thenSend: [] },
    effects,
  );
}

export function lead(state: State, nowMs: number, effects: Effects): void {
  const { members, self } = state.options;
  state.role = 'leader';
  state.leader = self;
  for (const member of members) {
    if (member === self) continue;
    const next = (lastIndex(state) + 1) as LogIndex;
    const follower: Follower = {
      match: 0 as LogIndex,
      next,
      ackedRound: 0,
      sentMs: nowMs,
      isWaiting: false,
      hasSnapshotUnderWay: false,
    };
    state.followers.set(member, follower);
  }
  sendRound(state, nowMs, effects);
}

export function propose(state: State, proposals: readonly Proposal[], effects: Effects): void {
  const bytes = proposals.reduce((sum, { payload }) => sum + payload.byteLength, 0);
  if (state.uncommittedBytes > 0 && state.uncommittedBytes + bytes > state.options.uncommittedBytesMax) {
    effects.push({ type: 'refused', reason: 'overloaded' });
    return;
  }
  const first = (lastIndex(state) + 1) as LogIndex;
  const entries = proposals.map((proposal, at): Entry => {
    return { index: (first + at) as LogIndex, reign: state.reign, ...proposal };
  });
  state.uncommittedBytes += bytes;
  effects.push({ type: 'accepted', first, last: (first + entries.length - 1) as LogIndex });
  persist(state, { entries, thenSend: [] }, effects);
}

/** The own disk has come further: so much may be sent now. */
export function durable(state: State, nowMs: number, effects: Effects): void {
  advanceCommit(state, effects);
  for (const [peer, follower] of state.followers) sendNext(state, { peer, follower, nowMs }, effects);
}

export function onAck(state: State, from: NodeId, ack: Ack, nowMs: number, effects: Effects): void {
  const follower = state.followers.get(from);
  if (follower === undefined || ack.reign !== state.reign) return;
  invariant(ack.upTo <= state.durableIndex, 'no follower has what the leader has not');
  follower.ackedRound = Math.max(follower.ackedRound, ack.round);
  follower.match = Math.max(follower.match, ack.upTo) as LogIndex;
  // An answer to something else than what is under way changes nothing: else each would set off a message more.
  if (follower.match + 1 >= follower.next || !follower.isWaiting) {
    follower.isWaiting = false;
    follower.next = (follower.match + 1) as LogIndex;
  }
  advanceCommit(state, effects);
  sendNext(state, { peer: from, follower, nowMs }, effects);
}

export function tick(state: State, nowMs: number, effects: Effects): void {
  for (const [peer, follower] of state.followers) {
    if (nowMs - follower.sentMs < state.options.heartbeatMs) continue;
    // No answer is taken for a lost message; what comes twice does no harm.
    follower.isWaiting = false;
    follower.next = Math.min(follower.next, follower.match + 1) as LogIndex;
    send(state, { peer, follower, nowMs }, effects);
  }
}

/** Everybody is told the commit index, and asked whether it still hears this leader. */
export function sendRound(state: State, nowMs: number, effects: Effects): void {
  state.round += 1;
  for (const [peer, follower] of state.followers) send(state, { peer, follower, nowMs }, effects);
  serveReads(state, effects);
}

/** A read waits for a majority to answer a round that began after it, and for what an earlier life may have committed. */
export function read(state: State, number: number, nowMs: number, effects: Effects): void {
  state.reads.push({ read: number, round: state.round + 1 });
  sendRound(state, nowMs, effects);
}

function serveReads(state: State, effects: Effects): void {
  if (state.commitIndex < state.recoveredIndex) return;
  const answered = [state.round, ...[...state.followers.values()].map(({ ackedRound }) => ackedRound)];
  const confirmed = majorityReached(answered);
  for (const { read, round } of state.reads) {
    if (round <= confirmed) effects.push({ type: 'read-ready', read, index: state.commitIndex });
  }
  state.reads = state.reads.filter(({ round }) => round > confirmed);
}

/** Committed is what a majority has, the leader among them: alone it can tell the others again after a crash. */
function advanceCommit(state: State, effects: Effects): void {
  const reached = [state.durableIndex, ...[...state.followers.values()].map(({ match }) => match)];
  const index = Math.min(state.durableIndex, majorityReached(reached)) as LogIndex;
  const before = state.commitIndex;
  commitTo(state, index, effects);
  for (let at = Math.max(before, state.recoveredIndex) + 1; at <= state.commitIndex; at++) {
    state.uncommittedBytes -= state.log[at - state.snapshot.index - 1]?.payload.byteLength ?? 0;
  }
  serveReads(state, effects);
}

interface Target {
  readonly peer: NodeId;
  readonly follower: Follower;
  readonly nowMs: number;
}

function sendNext(state: State, target: Target, effects: Effects): void {
  const { isWaiting, next } = target.follower;
  if (!isWaiting && next <= state.durableIndex) send(state, target, effects);
}

function send(state: State, { peer, follower, nowMs }: Target, effects: Effects): void {
  const { reign, commitIndex, round, options, snapshot, durableIndex } = state;
  follower.sentMs = nowMs;
  // Before its first answer nobody knows what a follower lacks.
  const lacksForgotten = follower.ackedRound > 0 && follower.match < snapshot.index;
  if (lacksForgotten && !follower.hasSnapshotUnderWay) {
    follower.hasSnapshotUnderWay = true;
    effects.push({ type: 'send-snapshot', to: peer });
  }
  const first = Math.max(follower.next, snapshot.index + 1) as LogIndex;
  const limits = { bytesMax: options.appendBytesMax, entriesMax: 1_024 };
  const isIdle = !lacksForgotten && !follower.isWaiting;
  const entries = isIdle ? entriesFrom(state, { from: first, to: durableIndex }, limits) : [];
  follower.isWaiting ||= entries.length > 0;
  follower.next = (first + entries.length) as LogIndex;
  const message = { type: 'append', reign, first, entries, commitIndex, round } as const;
  effects.push({ type: 'send', to: peer, message });
}
