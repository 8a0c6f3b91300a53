/**
 * What a leader knows of one follower's log, and how boldly it sends. [Raft §5.3], [RaftThesis §10.2.1]
 *
 * While probing it sends one append and waits, since it may be wrong about where the logs meet. Once
 * one has matched it replicates: appends follow each other without waiting, up to a window. When the
 * follower needs what the leader has forgotten, a snapshot goes out and appends rest.
 */
import { invariant } from '@quorate/core';
import type { LogIndex } from '../protocol.ts';

export interface Progress {
  state: 'probe' | 'replicate' | 'snapshot';
  /** The follower's log is durable and equal to the leader's up to here. Never lowered. */
  matchIndex: LogIndex;
  /** The next entry to send. Invariant: nextIndex > matchIndex. */
  nextIndex: LogIndex;
  /** The last index of each append under way, ascending. */
  inFlight: LogIndex[];
  /** What is under way counts as lost when nothing was answered by then. */
  retryAtMs: number;
  /** When any answer of this term came. */
  lastHeardMs: number;
  /** Its node is said to be down or silent, and it was not heard since. */
  isGone: boolean;
  /** The newest heartbeat round that was answered. */
  ackedRound: number;
  /** Between a `send-snapshot` effect and its answer. */
  isSnapshotUnderWay: boolean;
  /** The snapshot under way reaches at least to here. */
  snapshotIndex: LogIndex;
}

export function newProgress(lastIndex: LogIndex, nowMs: number): Progress {
  return {
    state: 'probe',
    matchIndex: 0 as LogIndex,
    nextIndex: (lastIndex + 1) as LogIndex,
    inFlight: [],
    retryAtMs: nowMs,
    lastHeardMs: nowMs,
    isGone: false,
    ackedRound: 0,
    isSnapshotUnderWay: false,
    snapshotIndex: 0 as LogIndex,
  };
}

/** Sends one append from `nextIndex` and waits for its answer. */
export function becomeProbe(progress: Progress, nextIndex: LogIndex): void {
  invariant(nextIndex > progress.matchIndex, 'what has matched is not probed again');
  progress.state = 'probe';
  progress.nextIndex = nextIndex;
  progress.inFlight = [];
}

export function becomeReplicate(progress: Progress): void {
  progress.state = 'replicate';
  progress.nextIndex = (progress.matchIndex + 1) as LogIndex;
  progress.inFlight = [];
}

export function becomeSnapshot(progress: Progress): void {
  progress.state = 'snapshot';
  progress.inFlight = [];
}

/** Whether one more append may go out. */
export function hasRoom(progress: Progress, appendsInFlightMax: number): boolean {
  switch (progress.state) {
    case 'probe':
      return progress.inFlight.length === 0;
    case 'replicate':
      return progress.inFlight.length < appendsInFlightMax;
    case 'snapshot':
      return false;
  }
}

/** Takes note of an append; `last` is its last entry. A probe stays where it is until it is answered. */
export function noteSent(progress: Progress, last: LogIndex): void {
  progress.inFlight.push(last);
  if (progress.state === 'replicate') progress.nextIndex = (last + 1) as LogIndex;
}

/** Takes note of what the follower holds. @returns whether it holds more than was known */
export function noteMatch(progress: Progress, matchIndex: LogIndex): boolean {
  const isNews = matchIndex > progress.matchIndex;
  if (isNews) progress.matchIndex = matchIndex;
  if (progress.nextIndex <= progress.matchIndex) progress.nextIndex = (progress.matchIndex + 1) as LogIndex;
  let answered = 0;
  while ((progress.inFlight[answered] ?? Number.POSITIVE_INFINITY) <= matchIndex) answered += 1;
  if (answered > 0) progress.inFlight.splice(0, answered);
  return isNews;
}
