/**
 * The follower: it takes what the leader of its term sends, and says what it durably holds. [Raft §5.3]
 */
import { invariant, type NodeId } from '@quorate/core';
import { isLastWord } from '../last-words.ts';
import type { Entry, LogIndex } from '../protocol.ts';
import { followerCommitIndex } from './commit-rule.ts';
import { conflictHint } from './conflict-hint.ts';
import type { LogPosition, Term } from './log.ts';
import type { Append, Heartbeat } from './message.ts';
import { restWithLeader } from './quiescence.ts';
import { becomeFollower } from './role-change.ts';
import { isNewEntry, joinsLog, replacesLog } from './snapshot-boundary.ts';
import {
  commitTo,
  type Effects,
  ownTurnMs,
  type RaftState,
  resetElectionTimer,
  writeContext,
} from './state.ts';

/**
 * A message from the leader of `term`, which is not below our own: whoever else we were, now we follow; unless
 * it has ended meanwhile.
 * @returns whether `leader` is followed
 */
function followLeader(state: RaftState, leader: NodeId, term: Term, effects: Effects): boolean {
  const { role } = state;
  if (isLastWord(state.lastWords, leader, state.nowMs)) {
    if (term > state.currentTerm) {
      becomeFollower(state, 'higher-term', { term, leader: undefined }, effects);
    }
    // Word of its end may have come before word of its lead.
    if (state.role.name === 'follower') {
      state.electionDueMs = Math.min(state.electionDueMs, ownTurnMs(state, leader));
    }
    return false;
  }
  if (role.name === 'follower' && role.leader === leader && term === state.currentTerm) {
    role.rests = false;
  } else {
    const because = term > state.currentTerm ? 'higher-term' : 'leader-heard';
    const hadLeader = because === 'leader-heard' && role.name === 'follower' && role.leader !== undefined;
    invariant(!hadLeader, 'at most one leader per term');
    becomeFollower(state, because, { term, leader }, effects);
  }
  state.lastHeardLeaderMs = state.nowMs;
  state.lastHeardLeaderTerm = term;
  resetElectionTimer(state);
  return true;
}

export function onAppend(state: RaftState, from: NodeId, append: Append, effects: Effects): void {
  const { log, durability } = state;
  const prev = { index: append.prevIndex, term: append.prevTerm };
  if (append.term < state.currentTerm) {
    rejectAppend(state, from, prev, { index: prev.index, term: prev.term });
    return;
  }
  followLeader(state, from, append.term, effects);
  if (!joinsLog(log, prev)) {
    rejectAppend(state, from, prev, conflictHint(log, prev));
    return;
  }
  takeEntries(state, append.entries);
  const end = prev.index + append.entries.length;
  const matchedIndex = Math.max(end, log.snapshot.index) as LogIndex;
  durability.sendWhenWritten(from, {
    type: 'append-accepted',
    term: state.currentTerm,
    matchIndex: matchedIndex,
  });
  const { commitIndex } = state;
  const known = { commitIndex, leaderCommitIndex: append.commitIndex, matchedIndex };
  commitTo(state, followerCommitIndex(known), effects);
}

/** Promises nothing but the term. */
function rejectAppend(state: RaftState, to: NodeId, prev: LogPosition, hint: LogPosition): void {
  state.durability.sendWhenTermWritten(to, {
    type: 'append-rejected',
    term: state.currentTerm,
    prevIndex: prev.index,
    hintIndex: hint.index,
    hintTerm: hint.term,
  });
}

/**
 * Appends what is not in the log yet. Only an entry that conflicts removes others: an append that came
 * late may hold less than what has been acknowledged since. [Raft §5.3, fig. 2]
 */
function takeEntries(state: RaftState, entries: readonly Entry[]): void {
  const { log, durability, commitIndex } = state;
  const firstNewAt = entries.findIndex((entry) => isNewEntry(log, entry));
  const firstNew = entries[firstNewAt];
  if (firstNew === undefined) return;
  if (firstNew.index <= log.lastIndex) {
    invariant(firstNew.index > commitIndex, 'what is committed is never replaced');
    const after = (firstNew.index - 1) as LogIndex;
    log.truncateAfter(after);
    durability.truncateAfter(after);
  }
  const added = firstNewAt === 0 ? entries : entries.slice(firstNewAt);
  log.append(added);
  durability.append(added);
  // These are last words, and who refused this server for what it lacked may grant now.
  if (state.role.name === 'pre-candidate') {
    state.role.answeredBy.clear();
    state.role.askAgainAtMs = state.nowMs;
  }
}

export function onHeartbeat(state: RaftState, from: NodeId, heartbeat: Heartbeat, effects: Effects): void {
  if (heartbeat.term < state.currentTerm) {
    state.durability.sendWhenTermWritten(from, {
      type: 'heartbeat-reply',
      term: state.currentTerm,
      round: 0,
    });
    return;
  }
  const isFollowed = followLeader(state, from, heartbeat.term, effects);
  const { commitIndex, round, term, rests } = heartbeat;
  // The leader tells us to commit only what we have acknowledged. A log that ends before has lost
  // acknowledged entries, and must not go on as if nothing had happened.
  invariant(commitIndex <= state.log.lastIndex, 'what was acknowledged is in the log');
  commitTo(state, commitIndex, effects);
  // An answer would count towards a lease, and nobody here is loyal to the dead.
  if (!isFollowed) return;
  if (rests) restWithLeader(state);
  state.durability.sendWhenTermWritten(from, { type: 'heartbeat-reply', term, round });
}

export interface ReceivedSnapshot {
  readonly from: NodeId;
  readonly term: Term;
  readonly last: LogPosition;
}

/** The receiver's rules for a snapshot from the leader. [Raft §7, fig. 13] */
export function onSnapshotReceived(state: RaftState, received: ReceivedSnapshot, effects: Effects): void {
  const { from, term, last } = received;
  if (term < state.currentTerm) return;
  followLeader(state, from, term, effects);
  const { log, durability, commitIndex } = state;
  if (last.index <= commitIndex) {
    // We have all of it, and more: what is committed here is in every later leader's log.
    durability.sendWhenWritten(from, { type: 'append-accepted', term, matchIndex: commitIndex });
    return;
  }
  const discardsLog = replacesLog(log, last);
  const before = writeContext(state);
  if (discardsLog) log.resetTo(last);
  else log.compactTo(last.index);
  state.commitIndex = last.index;
  durability.install(
    last,
    {
      discardsLog,
      thenSend: [{ to: from, message: { type: 'append-accepted', term, matchIndex: last.index } }],
      context: { before, after: writeContext(state) },
    },
    effects,
  );
}
