/** Whom a leader has heard of late: those it can count on for now. */
import { type AcceptorSet, noAcceptors, withAcceptor } from './acceptor-set.ts';
import type { Leading, MultiPaxosState } from './state.ts';

/** Itself, and those that were heard within the longest election timeout. */
export function heardOf(state: MultiPaxosState, leading: Leading): AcceptorSet {
  const { nowMs, ordinal, options } = state;
  const [, electionTimeoutMaxMs] = options.electionTimeoutMs;
  let heard = withAcceptor(noAcceptors, ordinal);
  for (const peer of leading.peers.values()) {
    if (nowMs - peer.heardMs < electionTimeoutMaxMs) heard = withAcceptor(heard, peer.ordinal);
  }
  return heard;
}
