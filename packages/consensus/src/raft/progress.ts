/**
 * What a leader knows of one follower's log, and how boldly it sends. [Raft §5.3], [RaftThesis §10.2.1]
 *
 * While probing it sends one append and waits, since it may be wrong about where the logs meet. Once
 * one has matched it replicates: appends follow each other without waiting, up to a window. When nothing
 * is answered any more it asks before it repeats anything. When the follower needs what the leader has
 * forgotten, a snapshot goes out and appends rest.
 */
import { invariant } from '@quorate/core';
import type { LogIndex } from '../protocol.ts';
import { InFlight } from './in-flight.ts';

export interface Progress {
  state: 'probe' | 'replicate' | 'stalled' | 'snapshot';
  /** The follower's log is durable and equal to the leader's up to here. Never lowered. */
  matchIndex: LogIndex;
  /** The next entry to send. Invariant: nextIndex > matchIndex. */
  nextIndex: LogIndex;
  readonly inFlight: InFlight;
  /** What is under way is asked about when nothing was answered by then. */
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

/** @param appendsMax how many appends may ever be under way */
export function newProgress(lastIndex: LogIndex, appendsMax: number, nowMs: number): Progress {
  return {
    state: 'probe',
    matchIndex: 0 as LogIndex,
    nextIndex: (lastIndex + 1) as LogIndex,
    inFlight: new InFlight(appendsMax),
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
  progress.inFlight.clear();
}

/** Sends on from what has matched, whatever else was sent before. */
export function becomeReplicate(progress: Progress): void {
  progress.state = 'replicate';
  progress.nextIndex = (progress.matchIndex + 1) as LogIndex;
  progress.inFlight.clear();
}

/**
 * Whoever speaks in an epoch that has just been founded holds what it was founded on, and nothing beyond it. So the
 * place where the logs meet is known, and the first appends need not wait for an answer that tells it.
 */
export function becomeFounded(progress: Progress, base: LogIndex): void {
  progress.matchIndex = base;
  becomeReplicate(progress);
}

/** Nothing was answered in time: what is under way may be lost, or may wait in front of a slow disk. */
export function becomeStalled(progress: Progress): void {
  invariant(progress.state === 'replicate', 'only a stream of appends can stall');
  progress.state = 'stalled';
}

/** It was only late: nothing has to be sent again. */
export function resumeReplicate(progress: Progress): void {
  invariant(progress.state === 'stalled', 'only what has stalled is resumed');
  progress.state = 'replicate';
}

export function becomeSnapshot(progress: Progress): void {
  progress.state = 'snapshot';
  progress.inFlight.clear();
}

/** Takes note of an append; `last` is its last entry. A probe stays where it is until it is answered. */
export function noteSent(progress: Progress, last: LogIndex, bytes: number): void {
  progress.inFlight.add(last, bytes);
  if (progress.state === 'replicate') progress.nextIndex = (last + 1) as LogIndex;
}

/** Takes note of what the follower holds. @returns whether it holds more than was known */
export function noteMatch(progress: Progress, matchIndex: LogIndex): boolean {
  const isNews = matchIndex > progress.matchIndex;
  if (isNews) progress.matchIndex = matchIndex;
  if (progress.nextIndex <= progress.matchIndex) progress.nextIndex = (progress.matchIndex + 1) as LogIndex;
  progress.inFlight.forgetUpTo(matchIndex);
  return isNews;
}
