/** Whom a leader has heard of late, and who of them is there as far as it knows. */
import type { PeerProgress } from './accept-pipeline.ts';
import { type AcceptorSet, noAcceptors, withAcceptor } from './acceptor-set.ts';
import type { Leading, MultiPaxosState } from './state.ts';

/** Itself, and those that were heard within the longest election timeout. After a rest all are given that time. */
export function heardOf(state: MultiPaxosState, leading: Leading): AcceptorSet {
  return itselfAnd(state, leading, (peer) => isHeard(state, peer));
}

/** The same without those of which it is known that they are gone: that they were heard a moment ago says nothing. */
export function presentOf(state: MultiPaxosState, leading: Leading): AcceptorSet {
  return itselfAnd(state, leading, (peer) => !peer.isGone && isHeard(state, peer));
}

function isHeard({ nowMs, options }: MultiPaxosState, { heardMs }: PeerProgress): boolean {
  const [, electionTimeoutMaxMs] = options.electionTimeoutMs;
  return nowMs - heardMs < electionTimeoutMaxMs;
}

function itselfAnd(
  { ordinal }: MultiPaxosState,
  { peers }: Leading,
  counts: (peer: PeerProgress) => boolean,
): AcceptorSet {
  let acceptors = withAcceptor(noAcceptors, ordinal);
  for (const peer of peers.values()) if (counts(peer)) acceptors = withAcceptor(acceptors, peer.ordinal);
  return acceptors;
}
