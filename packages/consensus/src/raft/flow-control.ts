/**
 * Flow control: how much may be under way to one follower, so that a slow one costs a bounded amount of memory
 * and one that comes back does not take the leader's time away from the others. [RaftThesis §10.2.1]
 *
 * An append is large or small, so both are limited: their number and their bytes. Whoever lacks entries that are
 * committed already is catching up: nobody waits for its answers, but others wait while the leader encodes for it.
 * So it gets small pieces with few under way. It still gains on the leader, for it has nothing else to do.
 */
import type { PageLimits } from '../protocol.ts';
import { appendEntriesMax } from './message-codec.ts';
import type { Progress } from './progress.ts';

export interface FlowLimits {
  readonly appendBytesMax: number;
  readonly appendsInFlightMax: number;
}

/** What one catching-up append holds at most; it takes about a millisecond to encode. */
const piece = { bytesMax: 128 << 10, entriesMax: 1_024 } as const;
const piecesInFlightMax = 2;

/** So many full appends, by their bytes, may be under way to a follower whose answers commit entries. */
const fullAppendsInFlightMax = 8;

/** What the next append may hold. */
export function appendLimits(isCatchingUp: boolean, { appendBytesMax }: FlowLimits): PageLimits {
  return isCatchingUp
    ? { bytesMax: Math.min(piece.bytesMax, appendBytesMax), entriesMax: piece.entriesMax }
    : { bytesMax: appendBytesMax, entriesMax: appendEntriesMax };
}

/** Whether one more append may go out. The last one may exceed the bytes, or a large entry would never go. */
export function hasRoom(
  { state, inFlight }: Pick<Progress, 'state' | 'inFlight'>,
  isCatchingUp: boolean,
  { appendBytesMax, appendsInFlightMax }: FlowLimits,
): boolean {
  switch (state) {
    case 'probe':
      return inFlight.count === 0;
    case 'replicate':
      if (isCatchingUp) return inFlight.count < Math.min(piecesInFlightMax, appendsInFlightMax);
      return inFlight.count < appendsInFlightMax && inFlight.bytes < appendBytesMax * fullAppendsInFlightMax;
    case 'stalled':
    case 'snapshot':
      return false;
  }
}
