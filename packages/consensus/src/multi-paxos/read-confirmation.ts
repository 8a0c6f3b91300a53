/**
 * Linearizable reads without a log write: a leader answers once it knows that it led when it was asked.
 *
 * Two things are needed. Everything that was acknowledged before must be visible: this leader's own
 * writes are, and an earlier leader's stand in the slots that phase 1 found, so those must be chosen
 * first under the leader's own ballot. And no later leader may have acknowledged anything yet: a round of
 * heartbeats sent after the question, answered by a set that meets every phase-1 quorum, proves it. All
 * reads that arrive while a round is under way share the next one. [PaxosModerately], [PaxosLive §5.2]
 */
import { type AcceptorSet, noAcceptors, withAcceptor } from './acceptor-set.ts';
import { laterSlot, type Slot } from './ballot.ts';
import { send } from './outbox.ts';
import { meetsEveryPhase1Quorum } from './phase-quorums.ts';
import type { Leading, MultiPaxosState } from './state.ts';

export interface PendingRead {
  readonly read: number;
  /** The read sees everything up to here. */
  readonly index: Slot;
  /** The heartbeat round that confirms it: one that was sent after the read arrived. */
  readonly round: number;
}

/** How far a read has to see: all that is chosen, and all that phase 1 found open. */
export function readIndex(leader: { readonly chosenUpTo: Slot; readonly recoveredUpTo: Slot }): Slot {
  return laterSlot(leader.chosenUpTo, leader.recoveredUpTo);
}

export function onRead(state: MultiPaxosState, read: number): void {
  const leading = state.proposer;
  if (leading.phase !== 'leading') {
    state.outbox.effects.push({ type: 'read-refused', read });
    return;
  }
  const index = readIndex({ chosenUpTo: state.chosenUpTo, recoveredUpTo: leading.recoveredUpTo });
  const newest = leading.reads.at(-1);
  const roundIsUnderWay = newest !== undefined && !isRoundConfirmed(state, leading, leading.round);
  const round = leading.round + 1;
  leading.reads.push({ read, index, round });
  if (!roundIsUnderWay) sendHeartbeats(state, leading);
  serveReads(state, leading);
}

/** Opens the next round of heartbeats. */
export function sendHeartbeats(state: MultiPaxosState, leading: Leading): void {
  leading.round += 1;
  leading.heartbeatAtMs = state.nowMs + state.options.heartbeatMs;
  const { ballot, round } = leading;
  const heartbeat = { type: 'heartbeat', ballot, round, chosenUpTo: state.chosenUpTo } as const;
  for (const peer of state.peers) send(state, peer, heartbeat);
}

/** Answers the reads that are confirmed and visible, and opens the round that the others wait for. */
export function serveReads(state: MultiPaxosState, leading: Leading): void {
  const { reads } = leading;
  if (reads.length === 0) return;
  let served = 0;
  for (const { read, index, round } of reads) {
    if (index > state.chosenUpTo || !isRoundConfirmed(state, leading, round)) break;
    state.outbox.effects.push({ type: 'read-ready', read, index });
    served += 1;
  }
  if (served > 0) reads.splice(0, served);
  const newest = reads.at(-1);
  if (newest === undefined || newest.round <= leading.round) return;
  if (!isRoundConfirmed(state, leading, leading.round)) return;
  sendHeartbeats(state, leading);
}

function isRoundConfirmed(state: MultiPaxosState, leading: Leading, round: number): boolean {
  if (round > leading.round) return false;
  let confirmed: AcceptorSet = withAcceptor(noAcceptors, state.ordinal);
  for (const peer of leading.peers.values()) {
    if (peer.confirmedRound >= round) confirmed = withAcceptor(confirmed, peer.ordinal);
  }
  return meetsEveryPhase1Quorum(confirmed, state.quorums);
}
