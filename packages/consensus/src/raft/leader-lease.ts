/**
 * The leader's lease: for a while after a confirmed round nobody else can have been elected, so that reads need
 * no round of their own. [RaftThesis §6.4.1]
 *
 * Every server that answered the round votes for nobody else within the shortest election timeout of its own
 * clock (`election-restriction.ts`), restarted ones included, which are loyal for that long from their start. The
 * leader counts from the *sending* of the round, which is before any of them began to count, and for a time
 * that is shorter by as much as clocks may differ in rate.
 *
 * A lease ends before its time when followers are given leave: before a hand-over is sent, and when the epoch
 * is sealed, because the next epoch elects without regard to this one. Neither comes back in the same term,
 * whatever becomes of the hand-over: the word that lets others vote may still be under way.
 */
export interface LeaseBook {
  /** Rounds sent and not confirmed yet, ascending. */
  readonly openRounds: { readonly round: number; readonly sentAtMs: number }[];
  /** When the newest confirmed round was sent. */
  confirmedSentMs: number;
  isEnded: boolean;
}

export function newLeaseBook(): LeaseBook {
  return { openRounds: [], confirmedSentMs: Number.NEGATIVE_INFINITY, isEnded: false };
}

/** Whether the time that the followers granted is still running. */
export function leaseIsRunning(lease: {
  readonly confirmedSentMs: number;
  readonly leaseMs: number;
  readonly nowMs: number;
}): boolean {
  return lease.nowMs - lease.confirmedSentMs < lease.leaseMs;
}

export function noteRoundSent(lease: LeaseBook, round: number, sentAtMs: number): void {
  if (!lease.isEnded) lease.openRounds.push({ round, sentAtMs });
}

/** A majority has answered `round` or a later one. */
export function noteRoundConfirmed(lease: LeaseBook, round: number): void {
  let confirmed = 0;
  for (const open of lease.openRounds) {
    if (open.round > round) break;
    lease.confirmedSentMs = open.sentAtMs;
    confirmed += 1;
  }
  if (confirmed > 0) lease.openRounds.splice(0, confirmed);
}

/** No lease any more in this term. */
export function endLease(lease: LeaseBook): void {
  lease.isEnded = true;
  lease.openRounds.length = 0;
}
