/**
 * The confirmation of a round: a leader still led when it sent a round of heartbeats, if a set of acceptors
 * that meets every phase-1 quorum has answered it.
 *
 * None of them had promised a higher ballot when the round reached it, so no proposer had finished a phase 1
 * above the leader's before the round was sent, and no later leader can have chosen anything by then.
 * [PaxosModerately], [PaxosLive §5.2], [FlexiblePaxos §2]
 */
import { type AcceptorSet, noAcceptors, withAcceptor } from './acceptor-set.ts';
import { meetsEveryPhase1Quorum } from './phase-quorums.ts';
import type { Leading, MultiPaxosState } from './state.ts';

export function isRoundConfirmed(state: MultiPaxosState, leading: Leading, round: number): boolean {
  if (round > leading.round) return false;
  let confirmed: AcceptorSet = withAcceptor(noAcceptors, state.ordinal);
  for (const peer of leading.peers.values()) {
    if (peer.confirmedRound >= round) confirmed = withAcceptor(confirmed, peer.ordinal);
  }
  return meetsEveryPhase1Quorum(confirmed, state.quorums);
}
