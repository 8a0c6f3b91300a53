/**
 * The leader: it alone adds to the log, decides what is committed, and serves reads. [Raft §5.3, §5.4, §8]
 */
import { invariant, type NodeId } from '@quorate/core';
import type { Entry, LogIndex, Proposal } from '../protocol.ts';
import { isMajority, majorityReached } from '../quorum/majority.ts';
import { advanceCommitIndex } from './commit-rule.ts';
import { leaseIsRunning, noteRoundConfirmed, noteRoundSent } from './leader-lease.ts';
import { advanceTransfer } from './leadership-transfer.ts';
import type { HeartbeatReply } from './message.ts';
import { becomeFounded, type Progress } from './progress.ts';
import { announceRest, isToldToRest, keepAwake, restIfAllKnow } from './quiescence.ts';
import { hasCommittedInOwnTerm } from './read-index.ts';
import { replicateTo, retryOverdue, tellCommit } from './replication.ts';
import { becomeFollower, becomeLeader } from './role-change.ts';
import { commitTo, type Effects, type Leader, type RaftState } from './state.ts';

const noOpPayload = new Uint8Array(0);

/**
 * Starts to rule. The no-op gives the leader an entry of its own term to commit, and with it all that
 * its predecessors left open. [Raft §8]
 */
export function assumeLeadership(
  state: RaftState,
  because: 'votes-won' | 'appointed',
  effects: Effects,
): void {
  const leader = becomeLeader(state, because);
  const { lastIndex } = state.log;
  if (because === 'appointed')
    for (const progress of leader.progress.values()) becomeFounded(progress, lastIndex);
  const index = (lastIndex + 1) as LogIndex;
  appendOwn(state, leader, [{ index, reign: state.currentTerm, timeMs: 0, payload: noOpPayload }], effects);
  // The others learn at once that the election is over, however long the append takes.
  sendRound(state, leader, effects);
}

export function onPropose(
  state: RaftState,
  leader: Leader,
  proposals: readonly Proposal[],
  effects: Effects,
): void {
  invariant(proposals.length > 0, 'a batch of proposals is not empty');
  if (leader.transfer !== undefined) {
    effects.push({ type: 'refused', reason: 'handing-over' });
    return;
  }
  let bytes = 0;
  for (const { payload } of proposals) bytes += payload.byteLength;
  // A batch above the limit must not be refused for ever: it goes when nothing else is open.
  if (leader.uncommittedBytes > 0 && leader.uncommittedBytes + bytes > state.options.uncommittedBytesMax) {
    effects.push({ type: 'refused', reason: 'overloaded' });
    return;
  }
  keepAwake(state, leader);
  const reign = state.currentTerm;
  const before = state.log.lastIndex;
  const entries = proposals.map(({ timeMs, payload }, at): Entry => {
    invariant(payload.byteLength > 0, 'only a no-op has an empty payload');
    return { index: (before + 1 + at) as LogIndex, reign, timeMs, payload };
  });
  leader.uncommittedBytes += bytes;
  effects.push({
    type: 'accepted',
    first: (before + 1) as LogIndex,
    last: (before + entries.length) as LogIndex,
  });
  appendOwn(state, leader, entries, effects);
}

/**
 * The leader's disk works in parallel with its followers': appends leave at once, and the leader counts
 * itself only when its own write is durable. [RaftThesis §10.2.1]
 */
function appendOwn(state: RaftState, leader: Leader, entries: readonly Entry[], effects: Effects): void {
  state.log.append(entries);
  state.durability.append(entries);
  for (const [peer, progress] of leader.progress) replicateTo(state, peer, progress, effects);
}

/** Something more is durable, here or at a peer. */
export function advanceCommit(state: RaftState, leader: Leader, effects: Effects): void {
  const matchIndexes = [state.durability.durableIndex];
  for (const { matchIndex } of leader.progress.values()) matchIndexes.push(matchIndex);
  const { log, commitIndex, currentTerm } = state;
  const advanced = advanceCommitIndex(log, { commitIndex, currentTerm, matchIndexes });
  if (advanced === commitIndex) return;
  commitTo(state, advanced, effects);
  if (mustSendRound(state, leader)) sendRound(state, leader, effects);
}

export function onRead(
  state: RaftState,
  leader: Leader,
  { read, mayUseLease = false }: { readonly read: number; readonly mayUseLease?: boolean },
  effects: Effects,
): void {
  keepAwake(state, leader);
  if (mayUseLease && hasCommittedInOwnTerm(state) && holdsLease(state, leader)) {
    effects.push({ type: 'read-ready', read, index: state.commitIndex });
    return;
  }
  leader.reads.ask(read);
  if (mustSendRound(state, leader)) sendRound(state, leader, effects);
}

export function onHeartbeatReply(
  state: RaftState,
  leader: Leader,
  progress: Progress,
  reply: HeartbeatReply,
  effects: Effects,
): void {
  invariant(reply.round <= leader.round, 'only rounds that were sent are answered');
  if (reply.round <= progress.ackedRound) return;
  progress.ackedRound = reply.round;
  serveConfirmed(state, leader, effects);
  if (mustSendRound(state, leader)) sendRound(state, leader, effects);
  restIfAllKnow(state, leader);
}

export function tickLeader(state: RaftState, leader: Leader, effects: Effects): void {
  if (leader.rest.isSilent) return;
  const electionTimeoutMaxMs = state.options.electionTimeoutMs[1];
  const nobody = { term: state.currentTerm, leader: undefined };
  if (!hearsMajority(state, leader)) {
    becomeFollower(state, 'quorum-lost', nobody, effects);
    return;
  }
  // A disk that hangs without an error would let this leader rule without ever committing by itself.
  if (state.durability.waitingMs(state.nowMs) > electionTimeoutMaxMs) {
    becomeFollower(state, 'disk-stalled', nobody, effects);
    return;
  }
  advanceTransfer(state, leader, effects);
  for (const [peer, progress] of leader.progress) retryOverdue(state, peer, progress, effects);
  if (state.nowMs >= leader.heartbeatDueMs) sendRound(state, leader, effects);
}

function holdsLease({ options, nowMs }: RaftState, { lease }: Leader): boolean {
  const { leaseMs = 0 } = options;
  return !lease.isEnded && leaseIsRunning({ confirmedSentMs: lease.confirmedSentMs, leaseMs, nowMs });
}

/** Check-quorum: whether a majority was heard within an election timeout. [RaftThesis §6.2] */
function hearsMajority(state: RaftState, leader: Leader): boolean {
  const heard = new Set<NodeId>([state.options.self]);
  const sinceMs = state.nowMs - state.options.electionTimeoutMs[1];
  for (const [peer, { lastHeardMs }] of leader.progress) if (lastHeardMs >= sinceMs) heard.add(peer);
  return isMajority(state.options.members, heard);
}

/** The others learn now how far the log is committed. */
export function announceCommit(state: RaftState, leader: Leader, effects: Effects): void {
  keepAwake(state, leader);
  sendRound(state, leader, effects);
  for (const [peer, progress] of leader.progress) tellCommit(state, peer, progress, effects);
}

/** A read waits, no round for reads is under way, and the read could be served once one is confirmed. */
function mustSendRound(state: RaftState, leader: Leader): boolean {
  return leader.reads.wantsRound && hasCommittedInOwnTerm(state);
}

/** Heartbeats to all. Each tells a peer to commit what it is known to hold, and no more. */
function sendRound(state: RaftState, leader: Leader, effects: Effects): void {
  leader.round += 1;
  leader.heartbeatDueMs = state.nowMs + state.options.heartbeatMs;
  noteRoundSent(leader.lease, leader.round, state.nowMs);
  if (hasCommittedInOwnTerm(state)) leader.reads.coverBy(leader.round, state.commitIndex);
  announceRest(state, leader);
  const { currentTerm: term } = state;
  const { round } = leader;
  for (const [to, progress] of leader.progress) {
    const commitIndex = Math.min(progress.matchIndex, state.commitIndex) as LogIndex;
    const rests = isToldToRest(state, leader, progress);
    effects.push({ type: 'send', to, message: { type: 'heartbeat', term, commitIndex, round, rests } });
  }
  // Alone, a server is its own majority.
  if (leader.progress.size > 0) return;
  serveConfirmed(state, leader, effects);
  restIfAllKnow(state, leader);
}

function serveConfirmed(state: RaftState, leader: Leader, effects: Effects): void {
  const rounds = [leader.round];
  for (const { ackedRound } of leader.progress.values()) rounds.push(ackedRound);
  invariant(rounds.length === state.options.members.length, 'one round per member');
  const confirmed = majorityReached(rounds);
  noteRoundConfirmed(leader.lease, confirmed);
  for (const { reads, index } of leader.reads.confirm(confirmed)) {
    for (const read of reads) effects.push({ type: 'read-ready', read, index });
  }
}
