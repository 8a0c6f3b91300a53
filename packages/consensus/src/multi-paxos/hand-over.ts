/**
 * The hand-over: how a leader passes its lead on without a pause that anyone would call a failure.
 *
 * Paxos needs no leave for it, any proposer may prepare at any time. What stands in the way is loyalty, which
 * keeps acceptors from answering another proposer while their leader lives. So the leader takes no more
 * proposals, lets all of its own be chosen and the successor learn them, gives up its lease, and only then
 * tells the successor to prepare. The prepare names the ballot that gave way, and who is loyal to just
 * that ballot is free to answer. With nothing open its phase 1 is one round without a single value.
 *
 * A message may be lost: the leader says it again, and keeps the lead if nothing has come of it after an
 * election timeout. Its lease does not come back, for the word that it gave way may still be under way. Where too few
 * acceptors are heard to elect anybody, as a small `acceptQuorum` allows, it keeps the lead.
 */
import type { NodeId } from '@quorate/core';
import { noSlot, type Slot } from './ballot.ts';
import { presentOf } from './hearing.ts';
import { sendHeartbeats } from './heartbeat.ts';
import { endLease } from './leader-lease.ts';
import { send } from './outbox.ts';
import { keepAwake } from './quiescence.ts';
import { canBeSucceeded } from './stability.ts';
import type { Leading, MultiPaxosState } from './state.ts';

export interface HandOver {
  readonly to: NodeId;
  /** When it is given up. */
  readonly untilMs: number;
  /** What the successor was told beside the heartbeats to be chosen. */
  announcedUpTo: Slot;
  /** When the successor was last told to prepare. */
  sentAtMs: number;
}

/**
 * A leader is asked to hand over. To itself, to a stranger, or to a second successor at a time it cannot:
 * then it says so at once and goes on as before.
 */
export function onTransfer(state: MultiPaxosState, to: NodeId): void {
  const leading = state.proposer;
  if (leading.phase !== 'leading' || leading.handOver?.to === to) return;
  if (leading.handOver !== undefined || !leading.peers.has(to)) {
    state.outbox.effects.push({ type: 'transfer-failed', to });
    return;
  }
  keepAwake(state, leading);
  leading.handOver = {
    to,
    untilMs: state.nowMs + state.options.electionTimeoutMs[0],
    announcedUpTo: noSlot,
    sentAtMs: Number.NEGATIVE_INFINITY,
  };
  advanceHandOver(state, leading);
}

/** Takes the next step of a hand-over that is under way, if its time has come. */
export function advanceHandOver(state: MultiPaxosState, leading: Leading): void {
  const { handOver } = leading;
  if (handOver === undefined) return;
  if (state.nowMs >= handOver.untilMs) return failHandOver(state, leading, handOver);
  if (leading.lastProposed > state.chosenUpTo) return;
  const learnedUpTo = leading.peers.get(handOver.to)?.learnedUpTo ?? noSlot;
  if (learnedUpTo < state.chosenUpTo) {
    if (handOver.announcedUpTo < state.chosenUpTo) sendHeartbeats(state, leading);
    handOver.announcedUpTo = state.chosenUpTo;
    return;
  }
  if (state.nowMs - handOver.sentAtMs < state.options.heartbeatMs) return;
  if (!canBeSucceeded(presentOf(state, leading), state.quorums))
    return failHandOver(state, leading, handOver);
  handOver.sentAtMs = state.nowMs;
  // In this order: once the successor may prepare, nobody may be told anything by lease.
  endLease(leading);
  send(state, handOver.to, { type: 'hand-over', ballot: leading.ballot });
}

function failHandOver(state: MultiPaxosState, leading: Leading, { to }: HandOver): void {
  leading.handOver = undefined;
  state.outbox.effects.push({ type: 'transfer-failed', to });
}
