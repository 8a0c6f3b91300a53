/**
 * A leader's side of replication: filling each peer's window, and learning from its answers. [Raft §5.3]
 */
import { assertNever, invariant, type NodeId } from '@quorate/core';
import type { LogIndex } from '../protocol.ts';
import { nextToProbe } from './conflict-hint.ts';
import { appendLimits, hasRoom } from './flow-control.ts';
import type { AppendAccepted, AppendRejected } from './message.ts';
import {
  becomeProbe,
  becomeReplicate,
  becomeSnapshot,
  becomeStalled,
  noteMatch,
  noteSent,
  type Progress,
  resumeReplicate,
} from './progress.ts';
import type { Effects, RaftState } from './state.ts';

/** Sends what the peer lacks, as far as its window allows. */
export function replicateTo(state: RaftState, peer: NodeId, progress: Progress, effects: Effects): void {
  const { log, options } = state;
  while (
    hasRoom(progress, isCatchingUp(state, progress), options) &&
    lacksSomething(progress, log.lastIndex)
  ) {
    sendAppend(state, peer, progress, effects);
  }
}

/** What it needs next is committed: a majority holds it already. */
function isCatchingUp({ commitIndex }: RaftState, { nextIndex }: Progress): boolean {
  return nextIndex <= commitIndex;
}

function lacksSomething(progress: Progress, lastIndex: LogIndex): boolean {
  if (progress.nextIndex <= lastIndex) return true;
  // An empty append asks where the logs meet, after a snapshot that reached to the end of the log.
  return progress.state === 'probe' && progress.matchIndex < lastIndex;
}

function sendAppend(state: RaftState, peer: NodeId, progress: Progress, effects: Effects): void {
  const { log, options } = state;
  const prevIndex = (progress.nextIndex - 1) as LogIndex;
  const prevTerm = log.termAt(prevIndex);
  if (prevTerm === undefined) {
    becomeSnapshot(progress);
    sendSnapshot(state, peer, progress, effects);
    return;
  }
  const entries = log.batch(progress.nextIndex, appendLimits(isCatchingUp(state, progress), options));
  if (progress.inFlight.count === 0) progress.retryAtMs = state.nowMs + askAfterMs(state);
  let bytes = 0;
  for (const { payload } of entries) bytes += payload.byteLength;
  noteSent(progress, (prevIndex + entries.length) as LogIndex, bytes);
  const { currentTerm: term, commitIndex } = state;
  effects.push({
    type: 'send',
    to: peer,
    message: { type: 'append', term, prevIndex, prevTerm, commitIndex, entries },
  });
}

/**
 * Asks for an answer without repeating any entry: what was sent may not be lost but wait in front of a slow disk,
 * and each copy would make that one slower, without an end.
 */
function askWhereItStands(state: RaftState, peer: NodeId, prevIndex: LogIndex, effects: Effects): boolean {
  const { log, currentTerm: term, commitIndex } = state;
  const prevTerm = log.termAt(prevIndex);
  if (prevTerm === undefined) return false;
  effects.push({
    type: 'send',
    to: peer,
    message: { type: 'append', term, prevIndex, prevTerm, commitIndex, entries: [] },
  });
  return true;
}

/**
 * Tells a peer now how far the log is committed. Heartbeats tell it no more than what it has acknowledged; behind
 * the appends that are on their way to it, it may be told the rest.
 */
export function tellCommit(state: RaftState, peer: NodeId, progress: Progress, effects: Effects): void {
  const isTold = progress.matchIndex >= state.commitIndex;
  if (progress.state !== 'replicate' || isTold) return;
  askWhereItStands(state, peer, (progress.nextIndex - 1) as LogIndex, effects);
}

function sendSnapshot(state: RaftState, peer: NodeId, progress: Progress, effects: Effects): void {
  if (progress.isSnapshotUnderWay) return;
  progress.isSnapshotUnderWay = true;
  progress.snapshotIndex = state.log.snapshot.index;
  effects.push({ type: 'send-snapshot', to: peer });
}

/** @returns whether the peer holds more than was known */
export function onAppendAccepted(
  state: RaftState,
  from: { readonly peer: NodeId; readonly progress: Progress },
  { matchIndex }: AppendAccepted,
  effects: Effects,
): boolean {
  const { peer, progress } = from;
  invariant(matchIndex <= state.log.lastIndex, 'nobody matches more than the leader has');
  const isNews = noteMatch(progress, matchIndex);
  progress.retryAtMs = state.nowMs + askAfterMs(state);
  const isWhereItStands = matchIndex === progress.matchIndex;
  switch (progress.state) {
    case 'probe':
      if (isWhereItStands) becomeReplicate(progress);
      break;
    case 'stalled':
      // News comes from what was under way, so that was late. The answer to the question brings none: it came
      // after all that was sent before, and what was not answered until then is lost.
      if (isNews) resumeReplicate(progress);
      else if (isWhereItStands) becomeReplicate(progress);
      break;
    case 'snapshot':
      if (matchIndex >= state.log.snapshot.index) becomeReplicate(progress);
      break;
    case 'replicate':
      break;
    default:
      assertNever(progress.state, 'state of progress');
  }
  replicateTo(state, peer, progress, effects);
  return isNews;
}

export function onAppendRejected(
  state: RaftState,
  from: { readonly peer: NodeId; readonly progress: Progress },
  rejected: AppendRejected,
  effects: Effects,
): void {
  const { peer, progress } = from;
  const { prevIndex } = rejected;
  // What has matched once stays so, thus an answer about it is old.
  if (prevIndex <= progress.matchIndex) return;
  if (progress.state === 'replicate' || progress.state === 'stalled') {
    // An append before this one was lost, or came late.
    becomeProbe(progress, (progress.matchIndex + 1) as LogIndex);
  } else if (progress.state === 'probe' && prevIndex === progress.nextIndex - 1) {
    const hint = { index: rejected.hintIndex, term: rejected.hintTerm };
    const next = nextToProbe(state.log, prevIndex, hint);
    becomeProbe(progress, Math.max(next, progress.matchIndex + 1) as LogIndex);
  }
  replicateTo(state, peer, progress, effects);
}

/** The transfer of a snapshot has ended, one way or the other. */
export function onSnapshotSent(
  state: RaftState,
  to: { readonly peer: NodeId; readonly progress: Progress },
  delivered: boolean,
  effects: Effects,
): void {
  const { peer, progress } = to;
  if (!progress.isSnapshotUnderWay) return;
  progress.isSnapshotUnderWay = false;
  if (progress.state !== 'snapshot') return;
  if (delivered) {
    becomeProbe(progress, (Math.max(progress.snapshotIndex, progress.matchIndex) + 1) as LogIndex);
    replicateTo(state, peer, progress, effects);
  } else {
    progress.retryAtMs = state.nowMs + 2 * state.options.heartbeatMs;
  }
}

/** Asks about what was not answered in time, or begins anew where there is nothing to ask. */
export function retryOverdue(state: RaftState, peer: NodeId, progress: Progress, effects: Effects): void {
  if (state.nowMs < progress.retryAtMs) return;
  if (progress.state === 'snapshot') {
    sendSnapshot(state, peer, progress, effects);
    return;
  }
  if (progress.inFlight.count === 0) {
    replicateTo(state, peer, progress, effects);
    return;
  }
  progress.retryAtMs = state.nowMs + askAfterMs(state);
  if (progress.state === 'replicate') becomeStalled(progress);
  const prevIndex = progress.state === 'probe' ? progress.nextIndex - 1 : progress.matchIndex;
  if (askWhereItStands(state, peer, prevIndex as LogIndex, effects)) return;
  // The log has forgotten where to ask: a snapshot has taken the place of that part.
  becomeProbe(progress, (progress.matchIndex + 1) as LogIndex);
  replicateTo(state, peer, progress, effects);
}

/** A question is cheap, so it is asked soon: what was lost is not known before it is answered. */
function askAfterMs(state: RaftState): number {
  return state.options.heartbeatMs;
}
