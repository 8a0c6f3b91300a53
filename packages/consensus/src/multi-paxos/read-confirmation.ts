/**
 * Linearizable reads without a log write: a leader answers once it knows that it led when it was asked.
 *
 * Two things are needed. Everything that was acknowledged before must be visible (`read-index.ts`). And no later
 * leader may have acknowledged anything yet: a confirmed round of heartbeats that was sent after the question
 * proves it, and so does a lease, to who asks for no more. All reads that arrive while a round is under way share
 * the next one. [PaxosLive §5.2]
 */
import type { Slot } from './ballot.ts';
import { sendHeartbeats } from './heartbeat.ts';
import { holdsLease } from './leader-lease.ts';
import { keepAwake } from './quiescence.ts';
import { readIndex } from './read-index.ts';
import { isRoundConfirmed } from './round-confirmation.ts';
import type { Leading, MultiPaxosState } from './state.ts';

export interface PendingRead {
  readonly read: number;
  /** The read sees everything up to here. */
  readonly index: Slot;
  /** The heartbeat round that confirms it: one that was sent after the read arrived. */
  readonly round: number;
}

export function onRead(
  state: MultiPaxosState,
  { read, mayUseLease }: { readonly read: number; readonly mayUseLease?: boolean },
): void {
  const leading = state.proposer;
  if (leading.phase !== 'leading') {
    state.outbox.effects.push({ type: 'read-refused', read });
    return;
  }
  const index = readIndex({ chosenUpTo: state.chosenUpTo, recoveredUpTo: leading.recoveredUpTo });
  leading.activeAtMs = state.nowMs;
  // What phase 1 found open may have been acknowledged by an earlier leader: a lease does not help there.
  if (mayUseLease === true && index <= state.chosenUpTo && holdsLease(state, leading)) {
    state.outbox.effects.push({ type: 'read-ready', read, index });
    return;
  }
  keepAwake(state, leading);
  const newest = leading.reads.at(-1);
  const roundIsUnderWay = newest !== undefined && !isRoundConfirmed(state, leading, leading.round);
  const round = leading.round + 1;
  leading.reads.push({ read, index, round });
  if (!roundIsUnderWay) sendHeartbeats(state, leading);
  serveReads(state, leading);
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
