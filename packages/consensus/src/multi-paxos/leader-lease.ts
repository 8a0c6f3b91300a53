/**
 * The leader's lease: for a while after a confirmed round nobody else can have become leader, so that reads
 * need no round of their own. [PaxosLive §5.2]
 *
 * Every acceptor that answered the round promises nothing to anybody else for the shortest election timeout
 * of its own clock from then on (`stability.ts`), and every phase 1 needs one of them. The leader counts from
 * the *sending* of the round, which is earlier than any of their counts, and for a time that is shorter by
 * as much as clocks may differ in rate. A restarted acceptor has forgotten whom it answered: it is loyal for a
 * timeout from its start, to nobody in particular.
 *
 * A lease ends before its time when the leader gives the acceptors leave: before a hand-over is sent, and
 * with the sealing of the epoch, for the next epoch has acceptors that promised nothing to this one. Neither
 * comes back under the same ballot, whatever becomes of the hand-over: its message may still be under way.
 */
import { isRoundConfirmed } from './round-confirmation.ts';
import type { Leading, MultiPaxosState } from './state.ts';

export interface LeaseBook {
  /** Rounds sent and not confirmed, ascending. */
  readonly openRounds: { readonly round: number; readonly sentAtMs: number }[];
  /** When the newest confirmed round was sent. */
  confirmedSentMs: number;
  isEnded: boolean;
}

export function newLeaseBook(isEnded: boolean): LeaseBook {
  return { openRounds: [], confirmedSentMs: Number.NEGATIVE_INFINITY, isEnded };
}

/** Whether the time that the acceptors granted is still running. */
export function leaseIsRunning(lease: {
  readonly confirmedSentMs: number;
  readonly leaseMs: number;
  readonly nowMs: number;
}): boolean {
  return lease.nowMs - lease.confirmedSentMs < lease.leaseMs;
}

export function noteRoundSent(state: MultiPaxosState, leading: Leading): void {
  if (leading.lease.isEnded || leaseMsOf(state) === 0) return;
  leading.lease.openRounds.push({ round: leading.round, sentAtMs: state.nowMs });
}

/** An acceptor has answered a round. */
export function renewLease(state: MultiPaxosState, leading: Leading): void {
  const { lease } = leading;
  let confirmed = 0;
  for (const { round, sentAtMs } of lease.openRounds) {
    if (!isRoundConfirmed(state, leading, round)) break;
    lease.confirmedSentMs = sentAtMs;
    confirmed += 1;
  }
  if (confirmed > 0) lease.openRounds.splice(0, confirmed);
}

export function holdsLease(state: MultiPaxosState, leading: Leading): boolean {
  const { isEnded, confirmedSentMs } = leading.lease;
  return !isEnded && leaseIsRunning({ confirmedSentMs, leaseMs: leaseMsOf(state), nowMs: state.nowMs });
}

/** No lease any more under this ballot. */
export function endLease(leading: Leading): void {
  leading.lease.isEnded = true;
  leading.lease.openRounds.length = 0;
}

function leaseMsOf(state: MultiPaxosState): number {
  return state.options.leaseMs ?? 0;
}
