/**
 * Finding where two logs meet in few steps: a rejected append comes back with a hint. [Raft §5.3, end]
 *
 * Both sides use that terms never decrease along a log. Above the hint the follower has nothing of the
 * leader's: there its terms are higher than the leader's term at that point, or its log has ended. The
 * leader then skips all of its own entries whose term is above the hint's. So each round settles a whole
 * term, from whichever side has the longer one, where the paper goes back by a single entry.
 */
import type { LogIndex } from '../protocol.ts';
import type { LogPosition, RaftLog } from './log.ts';

/** The follower's side: the last position that could be equal to the leader's, who has `prev`. */
export function conflictHint(log: RaftLog, prev: LogPosition): LogPosition {
  return log.lastAtOrBelow(prev);
}

/**
 * The leader's side: the entry to send after `rejected` did not match.
 * @returns an index of at most `rejected`; at or below the snapshot when the follower needs that
 */
export function nextToProbe(log: RaftLog, rejected: LogIndex, hint: LogPosition): LogIndex {
  const highest = Math.min(hint.index, rejected - 1) as LogIndex;
  if (highest < log.snapshot.index) return Math.max(1, highest + 1) as LogIndex;
  return (log.lastAtOrBelow({ index: highest, term: hint.term }).index + 1) as LogIndex;
}
