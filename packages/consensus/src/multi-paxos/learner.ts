/**
 * The learner: what is chosen, in order, and how to get what was missed.
 *
 * Knowing that a slot is chosen binds like a promise. An acceptor acknowledges a chosen slot without
 * writing it again, which is sound only towards leaders that must propose the chosen value, those from
 * the choosing ballot on. So whatever tells of a choice (a value, a snapshot) also raises the promise to
 * the ballot that it comes from, and no older leader is ever helped on.
 */
import { invariant, type NodeId } from '@quorate/core';
import type { Entry, Input, PageLimits } from '../protocol.ts';
import { firstUnderWay, pieceLimits, takeBatch } from './accept-pipeline.ts';
import { raisePromise, resetStandTimer } from './allegiance.ts';
import { earlierSlot, higherBallot, nextSlot, previousSlot, type Slot } from './ballot.ts';
import { knownChosenUpTo } from './chosen-rule.ts';
import type { CatchUp, CatchUpRequest, MultiPaxosMessage } from './message.ts';
import { emitInstall, markOfThisStep, send, snapshotIsDurable, writeEntry } from './outbox.ts';
import type { MultiPaxosState } from './state.ts';

/** Tells the state machine that every slot up to `upTo` is chosen, as this node holds it. */
export function advanceChosen(state: MultiPaxosState, upTo: Slot): void {
  if (upTo <= state.chosenUpTo) return;
  const entries = state.log.range(nextSlot(state.chosenUpTo), upTo);
  invariant(entries.length === upTo - state.chosenUpTo, 'what is known to be chosen is held without a gap');
  state.chosenUpTo = upTo;
  state.catchUpAtMs = state.nowMs + state.options.heartbeatMs;
  state.outbox.effects.push({ type: 'committed', entries });
}

/** Learns from the leader of the promised ballot how far it knows slots to be chosen. */
export function learnFromLeader(state: MultiPaxosState, watermark: Slot): void {
  if (watermark > state.leaderWatermark) state.leaderWatermark = watermark;
  const leader = { ballot: state.promised, watermark: state.leaderWatermark };
  advanceChosen(state, knownChosenUpTo(state.log, leader, state.chosenUpTo));
  askForMissing(state);
}

/**
 * Asks the leader for chosen values that did not come by themselves. Waits a heartbeat from the last
 * progress on, for what is missing is most often still under way.
 */
export function askForMissing(state: MultiPaxosState): void {
  if (state.leader === undefined || state.leader === state.options.self) return;
  if (state.leaderWatermark <= state.chosenUpTo || state.nowMs < state.catchUpAtMs) return;
  if (state.outbox.durableMark < state.catchUpMark) return;
  state.catchUpAtMs = state.nowMs + state.options.heartbeatMs;
  send(state, state.leader, { type: 'catch-up-request', fromSlot: nextSlot(state.chosenUpTo) });
}

/** Takes over values known to be chosen, ascending, as far as they join what is known already. */
export function learnChosen(state: MultiPaxosState, chosen: readonly Entry[]): void {
  let upTo = state.chosenUpTo;
  for (const entry of chosen) {
    if (entry.index <= upTo) continue;
    if (entry.index !== nextSlot(upTo)) break;
    raisePromise(state, entry.reign);
    if (state.log.get(entry.index)?.reign !== entry.reign) writeEntry(state, entry);
    upTo = entry.index;
  }
  advanceChosen(state, upTo);
}

/**
 * Sends chosen values to a learner that lacks them, or the snapshot that holds them. What a leader proposes
 * to it anyway, or again, is not taught too: that would be to send it twice.
 */
export function onCatchUpRequest(state: MultiPaxosState, from: NodeId, request: CatchUpRequest): void {
  if (request.fromSlot <= state.log.forgottenUpTo) {
    offerSnapshot(state, from);
    return;
  }
  const progress = state.proposer.phase === 'leading' ? state.proposer.peers.get(from) : undefined;
  const taughtUpTo = progress === undefined ? state.chosenUpTo : previousSlot(firstUnderWay(progress));
  const last = earlierSlot(taughtUpTo, state.chosenUpTo);
  const entries = takeBatch(state.log, { first: request.fromSlot, last }, pieceLimits(state));
  if (entries.length > 0) send(state, from, { type: 'catch-up', entries });
}

/** Chosen values from `from` on, without a gap; undefined where some of them are forgotten. */
export function chosenFrom(
  state: MultiPaxosState,
  from: Slot,
  limits: PageLimits,
): readonly Entry[] | undefined {
  if (from <= state.log.forgottenUpTo) return undefined;
  return takeBatch(state.log, { first: from, last: state.chosenUpTo }, limits);
}

export function onCatchUp(state: MultiPaxosState, message: CatchUp): void {
  // A leader proposes what phase 1 found and hears it chosen: it has nothing to learn from others.
  if (state.proposer.phase === 'leading') return;
  const before = state.chosenUpTo;
  learnChosen(state, message.entries);
  if (state.chosenUpTo === before) return;
  // One page after the other, as fast as the disk takes them, without waiting for the next heartbeat.
  state.catchUpAtMs = state.nowMs;
  if (state.outbox.entries.length > 0) state.catchUpMark = markOfThisStep(state);
  askForMissing(state);
}

/** Has the newest snapshot sent to `peer`, one transfer at a time. */
export function offerSnapshot(state: MultiPaxosState, peer: NodeId): void {
  if (!snapshotIsDurable(state)) return;
  if (state.nowMs < (state.snapshotOffers.get(peer) ?? Number.NEGATIVE_INFINITY)) return;
  state.snapshotOffers.set(peer, Number.POSITIVE_INFINITY);
  state.outbox.effects.push({ type: 'send-snapshot', to: peer });
}

export function onSnapshotSent(
  state: MultiPaxosState,
  input: Input<MultiPaxosMessage> & { readonly type: 'snapshot-sent' },
): void {
  const { electionTimeoutMs, heartbeatMs } = state.options;
  // After a delivery the peer is given time to install before it is sent the same again.
  const pauseMs = input.delivered ? electionTimeoutMs[0] : heartbeatMs;
  state.snapshotOffers.set(input.to, state.nowMs + pauseMs);
}

export function onSnapshotReceived(
  state: MultiPaxosState,
  input: Input<MultiPaxosMessage> & { readonly type: 'snapshot-received' },
): void {
  const { last, reign } = input;
  if (last.index <= state.chosenUpTo || state.proposer.phase === 'leading') return;
  raisePromise(state, higherBallot(reign, last.reign));
  emitInstall(state, last);
  state.log.forget(last.index);
  state.chosenUpTo = last.index;
  if (state.proposer.phase === 'idle') resetStandTimer(state);
  state.catchUpAtMs = state.nowMs;
  learnFromLeader(state, state.leaderWatermark);
}

/** A snapshot of this node's own state is durable: what it holds may be forgotten in the log. */
export function onCompacted(state: MultiPaxosState, index: Slot): void {
  if (index <= state.log.forgottenUpTo) return;
  invariant(index <= state.chosenUpTo, 'only what is chosen is put into a snapshot');
  state.log.forget(index);
}

/** What is chosen is never proposed differently: our own books would be wrong. `held` is undefined once forgotten. */
export function assertSameValue(held: Entry | undefined, proposed: Entry): void {
  if (held === undefined) return;
  const same = held.timeMs === proposed.timeMs && held.payload.byteLength === proposed.payload.byteLength;
  invariant(same, `slot ${proposed.index} is chosen, and another value was proposed in it`);
}
