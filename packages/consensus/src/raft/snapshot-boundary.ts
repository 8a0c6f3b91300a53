/**
 * The boundary of a snapshot: what it settles, where a message speaks of entries on either side of its end.
 * [Raft §7, fig. 13]
 *
 * Everything in a snapshot is committed, and so stands in the log of every later leader [Raft §5.4]. Of that part
 * nothing is left to compare, and nothing can be: its entries are forgotten. Comparing all the same would refuse an
 * append that is only late, or begin what is committed anew.
 */
import type { Entry } from '../protocol.ts';
import type { LogPosition, RaftLog } from './log.ts';

/** Whether what follows `prev` joins this log: at or below the snapshot everything is equal. [Raft §5.3] */
export function joinsLog(log: RaftLog, prev: LogPosition): boolean {
  return prev.index <= log.snapshot.index || log.matches(prev);
}

/** Whether the log lacks this entry, or has another one in its place. [Raft §5.3] */
export function isNewEntry(log: RaftLog, { index, reign: term }: Pick<Entry, 'index' | 'reign'>): boolean {
  return index > log.snapshot.index && !log.matches({ index, term });
}

/**
 * Whether a received snapshot takes the place of the whole log. One of a prefix of it leaves what follows, which
 * may have been acknowledged; any other shows that the log has gone astray. [Raft fig. 13, 6 and 7]
 */
export function replacesLog(log: RaftLog, last: LogPosition): boolean {
  return !log.matches(last);
}
