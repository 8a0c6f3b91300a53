/**
 * A leader's side of replication: filling each peer's window, and learning from its answers. [Raft §5.3]
 */
import { invariant, type NodeId } from '@quorate/core';
import type { LogIndex } from '../protocol.ts';
import { nextToProbe } from './conflict-hint.ts';
import type { AppendAccepted, AppendRejected } from './message.ts';
import { appendEntriesMax } from './message-codec.ts';
import {
  becomeProbe,
  becomeReplicate,
  becomeSnapshot,
  hasRoom,
  noteMatch,
  noteSent,
  type Progress,
} from './progress.ts';
import type { Effects, RaftState } from './state.ts';

/** Sends what the peer lacks, as far as its window allows. */
export function replicateTo(state: RaftState, peer: NodeId, progress: Progress, effects: Effects): void {
  const { log, options } = state;
  while (hasRoom(progress, options.appendsInFlightMax) && lacksSomething(progress, log.lastIndex)) {
    sendAppend(state, peer, progress, effects);
  }
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
  const entries = log.batch(progress.nextIndex, {
    bytesMax: options.appendBytesMax,
    entriesMax: appendEntriesMax,
  });
  if (progress.inFlight.length === 0) progress.retryAtMs = state.nowMs + retryAfterMs(state);
  noteSent(progress, (prevIndex + entries.length) as LogIndex);
  const { currentTerm: term, commitIndex } = state;
  effects.push({
    type: 'send',
    to: peer,
    message: { type: 'append', term, prevIndex, prevTerm, commitIndex, entries },
  });
}

function sendSnapshot(state: RaftState, peer: NodeId, progress: Progress, effects: Effects): void {
  if (progress.isSnapshotUnderWay) return;
  progress.isSnapshotUnderWay = true;
  progress.snapshotIndex = state.log.snapshot.index;
  effects.push({ type: 'send-snapshot', to: peer });
}

export function onAppendAccepted(
  state: RaftState,
  from: { readonly peer: NodeId; readonly progress: Progress },
  { matchIndex }: AppendAccepted,
  effects: Effects,
): void {
  const { peer, progress } = from;
  invariant(matchIndex <= state.log.lastIndex, 'nobody matches more than the leader has');
  noteMatch(progress, matchIndex);
  progress.retryAtMs = state.nowMs + retryAfterMs(state);
  const isWhereItStands = matchIndex === progress.matchIndex;
  const hasCaughtUp = progress.state === 'snapshot' && matchIndex >= state.log.snapshot.index;
  if ((progress.state === 'probe' && isWhereItStands) || hasCaughtUp) becomeReplicate(progress);
  replicateTo(state, peer, progress, effects);
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
  if (progress.state === 'replicate') {
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
    progress.retryAtMs = state.nowMs + retryAfterMs(state);
  }
}

/** Takes what was not answered in time for lost, and sends it again. */
export function retryOverdue(state: RaftState, peer: NodeId, progress: Progress, effects: Effects): void {
  if (state.nowMs < progress.retryAtMs) return;
  switch (progress.state) {
    case 'probe':
      progress.inFlight = [];
      break;
    case 'replicate':
      if (progress.inFlight.length === 0) return;
      becomeProbe(progress, (progress.matchIndex + 1) as LogIndex);
      break;
    case 'snapshot':
      sendSnapshot(state, peer, progress, effects);
      return;
  }
  replicateTo(state, peer, progress, effects);
}

function retryAfterMs(state: RaftState): number {
  return 2 * state.options.heartbeatMs;
}
