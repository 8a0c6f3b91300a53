/**
 * One step: an input goes to the role that it concerns, and what came of it goes out.
 */
import { assertNever, invariant, type NodeId } from '@quorate/core';
import type { Effect, Input, ProtocolStatus } from '../protocol.ts';
import { onAccept, onCanvass, onHeartbeat, onPrepare } from './acceptor.ts';
import { laterSlot, proposerOf } from './ballot.ts';
import { takeAppointment } from './founding.ts';
import { onTransfer } from './hand-over.ts';
import { sendHeartbeats } from './heartbeat.ts';
import { onAccepted, onHeartbeatReply, onLeaderTick, onOwnWritesDurable, onPropose } from './leader.ts';
import { endLease } from './leader-lease.ts';
import {
  advanceChosen,
  askForMissing,
  onCatchUp,
  onCatchUpRequest,
  onCompacted,
  onSnapshotReceived,
  onSnapshotSent,
} from './learner.ts';
import type { MultiPaxosMessage } from './message.ts';
import { flush, noteDurable } from './outbox.ts';
import {
  onCanvassReply,
  onHandOver,
  onNack,
  onOwnPromiseDurable,
  onPeerDown,
  onPromise,
  onProposerTick,
} from './proposer.ts';
import { keepAwake, onPeerSilent } from './quiescence.ts';
import { onRead } from './read-confirmation.ts';
import { type MultiPaxosState, ordinalOf } from './state.ts';

const noEffects: Effect<MultiPaxosMessage>[] = [];

export function step(
  state: MultiPaxosState,
  input: Input<MultiPaxosMessage>,
  nowMs: number,
  effects: Effect<MultiPaxosMessage>[],
): void {
  invariant(nowMs >= state.nowMs, 'time does not go back');
  const before = statusOf(state);
  const promisedBefore = state.promised;
  state.nowMs = nowMs;
  state.outbox.effects = effects;
  // What was known to be chosen before the restart is told first.
  advanceChosen(state, state.recoveredChosenUpTo);
  if (state.isAppointed) takeAppointment(state);
  dispatch(state, input);
  const after = statusOf(state);
  if (after.role !== before.role || after.leader !== before.leader || after.reign !== before.reign) {
    effects.push({ type: 'role', role: after.role, leader: after.leader, reign: after.reign });
  }
  flush(state);
  state.outbox.effects = noEffects;
  invariant(state.promised >= promisedBefore, 'the promised ballot never decreases');
  invariant(state.chosenUpTo >= before.commitIndex, 'what is known to be chosen stays known');
  const { proposer } = state;
  if (proposer.phase === 'leading' || proposer.phase === 'preparing') {
    invariant(
      proposer.ballot === state.promised,
      'a proposer has promised its own ballot and nothing higher',
    );
  }
}

function dispatch(state: MultiPaxosState, input: Input<MultiPaxosMessage>): void {
  switch (input.type) {
    case 'tick':
      onTick(state);
      return;
    case 'receive':
      onMessage(state, input.from, input.message);
      return;
    case 'propose':
      onPropose(state, input.proposals);
      return;
    case 'persisted':
      onPersisted(state, input.mark);
      return;
    case 'read':
      onRead(state, input);
      return;
    case 'peer-down':
      onPeerDown(state, input.peer);
      return;
    case 'peer-silent':
      onPeerSilent(state, input.peer);
      return;
    case 'transfer':
      onTransfer(state, input.to);
      return;
    case 'seal':
      onSeal(state);
      return;
    case 'announce':
      onAnnounce(state);
      return;
    case 'compacted':
      onCompacted(state, input.index);
      return;
    case 'snapshot-received':
      onSnapshotReceived(state, input);
      return;
    case 'snapshot-sent':
      onSnapshotSent(state, input);
      return;
    default:
      assertNever(input, 'an input of Multi-Paxos');
  }
}

function onTick(state: MultiPaxosState): void {
  if (state.proposer.phase === 'leading') {
    onLeaderTick(state, state.proposer);
    return;
  }
  askForMissing(state);
  onProposerTick(state);
}

function onSeal(state: MultiPaxosState): void {
  state.isSealed = true;
  if (state.proposer.phase === 'leading') endLease(state.proposer);
}

function onAnnounce(state: MultiPaxosState): void {
  if (state.proposer.phase !== 'leading') return;
  keepAwake(state, state.proposer);
  sendHeartbeats(state, state.proposer);
}

function onPersisted(state: MultiPaxosState, mark: number): void {
  noteDurable(state, mark);
  const { proposer } = state;
  if (proposer.phase === 'preparing' && mark >= proposer.promiseMark) onOwnPromiseDurable(state, proposer);
  if (proposer.phase === 'leading') onOwnWritesDurable(state, proposer, mark);
  else askForMissing(state);
}

function onMessage(state: MultiPaxosState, from: NodeId, message: MultiPaxosMessage): void {
  const ordinal = ordinalOf(state, from);
  // A stranger has no part in the quorums, and a ballot none but its owner may use.
  if (ordinal === undefined || ordinal === state.ordinal) return;
  if (state.proposer.phase === 'leading' && wakesLeader(message)) keepAwake(state, state.proposer);
  switch (message.type) {
    case 'prepare':
      if (proposerOf(message.ballot) === ordinal) onPrepare(state, from, message);
      return;
    case 'accept':
      if (proposerOf(message.ballot) === ordinal) onAccept(state, from, message);
      return;
    case 'heartbeat':
      if (proposerOf(message.ballot) === ordinal) onHeartbeat(state, from, message);
      return;
    case 'promise':
      onPromise(state, from, message);
      return;
    case 'nack':
      onNack(state, from, message);
      return;
    case 'accepted':
      onAccepted(state, from, message);
      return;
    case 'heartbeat-reply':
      onHeartbeatReply(state, from, message);
      return;
    case 'canvass':
      onCanvass(state, from, message);
      return;
    case 'canvass-reply':
      onCanvassReply(state, from, message);
      return;
    case 'catch-up-request':
      onCatchUpRequest(state, from, message);
      return;
    case 'catch-up':
      onCatchUp(state, message);
      return;
    case 'hand-over':
      if (proposerOf(message.ballot) === ordinal) onHandOver(state, from, message);
      return;
    default:
      assertNever(message, 'a message of Multi-Paxos');
  }
}

/** Whether the sender wants something; what answers this leader does not keep it from falling silent. */
function wakesLeader({ type }: MultiPaxosMessage): boolean {
  return type === 'canvass' || type === 'catch-up-request' || type === 'prepare' || type === 'nack';
}

/** The state in the neutral words of the interface: a candidate is a proposer in phase 1. */
export function statusOf(state: MultiPaxosState): ProtocolStatus {
  const { phase } = state.proposer;
  return {
    role: phase === 'leading' ? 'leader' : phase === 'preparing' ? 'candidate' : 'follower',
    leader: state.leader,
    reign: state.promised,
    commitIndex: state.chosenUpTo,
    lastIndex: laterSlot(state.log.last, state.chosenUpTo),
    snapshotIndex: state.log.forgottenUpTo,
    rests: state.rests,
  };
}
