/**
 * One step of a server: an input goes to whom it concerns, then what the step wants written is written,
 * a change of role is told, and the invariants are checked.
 */
import { assertNever, invariant, type NodeId } from '@quorate/core';
import type { Input, LogIndex } from '../protocol.ts';
import {
  askAgain,
  campaign,
  mayCampaign,
  onOwnVoteDurable,
  onPreVoteReply,
  onTimeoutNow,
  onVoteReply,
} from './candidate.ts';
import { onAppend, onHeartbeat, onSnapshotReceived } from './follower.ts';
import {
  advanceCommit,
  announceCommit,
  assumeLeadership,
  onHeartbeatReply,
  onPropose,
  onRead,
  tickLeader,
} from './leader.ts';
import { endLease } from './leader-lease.ts';
import { advanceTransfer, onTransfer } from './leadership-transfer.ts';
import type { AppendAccepted, AppendRejected, HeartbeatReply, RaftMessage } from './message.ts';
import { onPeerDown, onPeerSilent } from './peer-hints.ts';
import { wakeFollower } from './quiescence.ts';
import { onAppendAccepted, onAppendRejected, onSnapshotSent } from './replication.ts';
import { becomeFollower } from './role-change.ts';
import {
  type Effects,
  foundingTerm,
  knownLeader,
  neutralRole,
  type RaftState,
  writeContext,
} from './state.ts';
import { onPreVoteRequest, onVoteRequest } from './voter.ts';

export function step(state: RaftState, input: Input<RaftMessage>, nowMs: number, effects: Effects): void {
  invariant(nowMs >= state.nowMs, 'time does not go back');
  state.nowMs = nowMs;
  const { currentTerm: termBefore, commitIndex: commitBefore } = state;

  if (state.isAppointed) takeAppointment(state, effects);
  handle(state, input, effects);

  state.durability.flush(writeContext(state), effects);
  tellRole(state, effects);
  invariant(state.currentTerm >= termBefore, 'terms never decrease');
  invariant(state.commitIndex >= commitBefore, 'commitIndex never decreases');
  invariant(state.commitIndex <= state.log.lastIndex, 'what is committed is in the log');
  invariant(state.log.snapshot.index <= state.commitIndex, 'a snapshot holds only what is committed');
}

function handle(state: RaftState, input: Input<RaftMessage>, effects: Effects): void {
  const { role } = state;
  switch (input.type) {
    case 'tick':
      tick(state, effects);
      return;
    case 'receive':
      // Only members have a say; what a stranger sends cannot even raise a term.
      if (state.peers.includes(input.from)) receive(state, input.from, input.message, effects);
      return;
    case 'propose':
      if (role.name === 'leader') onPropose(state, role, input.proposals, effects);
      else refuse(state, { type: 'refused', reason: 'not-leader' }, effects);
      return;
    case 'persisted':
      persisted(state, input.mark, effects);
      return;
    case 'read':
      if (role.name === 'leader') onRead(state, role, input, effects);
      else refuse(state, { type: 'read-refused', read: input.read }, effects);
      return;
    case 'peer-down':
      onPeerDown(state, input.peer, effects);
      return;
    case 'peer-silent':
      onPeerSilent(state, input.peer, effects);
      return;
    case 'transfer':
      if (role.name === 'leader') onTransfer(state, role, input.to, effects);
      return;
    case 'seal':
      if (role.name === 'leader') endLease(role.lease);
      return;
    case 'announce':
      if (role.name === 'leader') announceCommit(state, role, effects);
      return;
    case 'compacted':
      compacted(state, input.index);
      return;
    case 'snapshot-received': {
      // Only its leader replaces a server's log; from anyone else it comes to a server that is in no need of it.
      if (!input.leads) return;
      const last = { index: input.last.index, term: input.last.reign };
      onSnapshotReceived(state, { from: input.from, term: input.reign, last }, effects);
      return;
    }
    case 'snapshot-sent': {
      const progress = role.name === 'leader' ? role.progress.get(input.to) : undefined;
      if (progress !== undefined)
        onSnapshotSent(state, { peer: input.to, progress }, input.delivered, effects);
      return;
    }
    default:
      assertNever(input, 'input');
  }
}

/** Somebody wants a leader, and looks for it here: not a time to rest. */
function refuse(state: RaftState, refusal: Effects[number], effects: Effects): void {
  wakeFollower(state);
  effects.push(refusal);
}

/** The first thing that happens in the epoch, so nobody can have stood against it yet. */
function takeAppointment(state: RaftState, effects: Effects): void {
  const { currentTerm, votedFor, options, log } = state;
  invariant(votedFor === options.self && log.lastIndex === log.snapshot.index, 'an epoch is founded empty');
  invariant(currentTerm === foundingTerm, 'the appointed leads the first term only');
  state.isAppointed = false;
  assumeLeadership(state, 'appointed', effects);
  // What the first input brings is a write of its own: a proposal appends after the entry that begins the reign.
  state.durability.flush(writeContext(state), effects);
}

function tick(state: RaftState, effects: Effects): void {
  const { role, nowMs } = state;
  if (role.name === 'leader') tickLeader(state, role, effects);
  else if (role.name === 'follower' && role.rests) return;
  else if (!mayCampaign(state)) return;
  else if (nowMs >= state.electionDueMs) campaign(state, effects);
  else if (role.name !== 'follower' && nowMs >= role.askAgainAtMs) askAgain(state, role, effects);
}

function receive(state: RaftState, from: NodeId, message: RaftMessage, effects: Effects): void {
  switch (message.type) {
    case 'pre-vote-request':
      onPreVoteRequest(state, from, message);
      return;
    case 'vote-request':
      onVoteRequest(state, from, message, effects);
      return;
    case 'pre-vote-reply':
      // A granted one names the term that was asked for, in which nobody lives yet.
      if (!message.granted) followHigherTerm(state, message, effects);
      onPreVoteReply(state, from, message);
      return;
    case 'vote-reply':
      followHigherTerm(state, message, effects);
      onVoteReply(state, from, message, effects);
      return;
    case 'append':
      onAppend(state, from, message, effects);
      return;
    case 'heartbeat':
      onHeartbeat(state, from, message, effects);
      return;
    case 'timeout-now':
      onTimeoutNow(state, from, message);
      return;
    case 'append-accepted':
    case 'append-rejected':
    case 'heartbeat-reply':
      followHigherTerm(state, message, effects);
      onReplyToLeader(state, from, message, effects);
      return;
    default:
      assertNever(message, 'message');
  }
}

/** Whoever hears of a higher term has been passed by, and follows. [Raft §5.1] */
function followHigherTerm(state: RaftState, { term }: RaftMessage, effects: Effects): void {
  if (term > state.currentTerm) becomeFollower(state, 'higher-term', { term, leader: undefined }, effects);
}

function onReplyToLeader(
  state: RaftState,
  from: NodeId,
  reply: AppendAccepted | AppendRejected | HeartbeatReply,
  effects: Effects,
): void {
  const { role } = state;
  // An answer to a leader that is no more, or to what it sent in an earlier term.
  if (role.name !== 'leader' || reply.term !== state.currentTerm) return;
  const progress = role.progress.get(from);
  invariant(progress !== undefined, 'a leader knows every peer');
  progress.lastHeardMs = state.nowMs;
  progress.isGone = false;
  switch (reply.type) {
    case 'append-accepted':
      if (onAppendAccepted(state, { peer: from, progress }, reply, effects)) {
        advanceCommit(state, role, effects);
      }
      advanceTransfer(state, role, effects);
      return;
    case 'append-rejected':
      onAppendRejected(state, { peer: from, progress }, reply, effects);
      return;
    case 'heartbeat-reply':
      onHeartbeatReply(state, role, progress, reply, effects);
      return;
    default:
      assertNever(reply, 'reply');
  }
}

function persisted(state: RaftState, mark: number, effects: Effects): void {
  state.durability.persisted(mark);
  const { role } = state;
  if (role.name === 'leader') advanceCommit(state, role, effects);
  if (role.name === 'candidate' && state.durability.durableTerm === state.currentTerm) {
    onOwnVoteDurable(state, role, effects);
  }
}

function compacted(state: RaftState, index: LogIndex): void {
  invariant(index <= state.commitIndex, 'only what is committed is compacted');
  if (index > state.log.snapshot.index) state.log.compactTo(index);
}

function tellRole(state: RaftState, effects: Effects): void {
  const role = neutralRole(state.role);
  const leader = knownLeader(state);
  const reign = state.currentTerm;
  const { told } = state;
  if (told.role === role && told.leader === leader && told.reign === reign) return;
  state.told = { role, leader, reign };
  effects.push({ type: 'role', role, leader, reign });
}
