/**
 * The teacher: how a member answers a learner out of its own log, whatever its protocol.
 */
import type { LogIndex, Protocol } from '../protocol.ts';
import { type Ask, type Page, pageEntriesMax } from './message.ts';

/** The page that `ask` wants; undefined when the log has forgotten part of it and only a snapshot helps. */
export function pageFor<State>(
  protocol: Pick<Protocol<State, unknown>, 'status' | 'committedFrom'>,
  state: State,
  ask: Ask,
  bytesMax: number,
): Page | undefined {
  const { from } = ask;
  const entries = protocol.committedFrom(state, from, { bytesMax, entriesMax: pageEntriesMax });
  if (entries === undefined) return undefined;
  const { commitIndex, leader } = protocol.status(state);
  return { type: 'page', from, entries, commitIndex, leader };
}

/**
 * Whether a learner has caught up: it asks for what comes after everything that was committed when it asked the
 * last time. What it still lacks is then what one round of asking takes, and the next epoch need not wait
 * long for it. [RaftThesis §4.2.1]
 */
export function hasCaughtUp(learner: {
  readonly from: LogIndex;
  readonly commitIndexAtLastAsking: LogIndex;
}): boolean {
  return learner.from > learner.commitIndexAtLastAsking;
}

/**
 * Whether a learner that has caught up may be counted on as a voter of the next epoch: it asks all the time, so one
 * that has fallen silent is gone.
 */
export function isStillThere(learner: {
  readonly silentForMs: number;
  readonly silentMsMax: number;
}): boolean {
  return learner.silentForMs < learner.silentMsMax;
}
