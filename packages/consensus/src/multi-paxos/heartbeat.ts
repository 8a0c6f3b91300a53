/** Heartbeats: in rounds, so that the answers say since when a leader is known to have led. */

import { noteRoundSent, renewLease } from './leader-lease.ts';
import { send } from './outbox.ts';
import { nowIsRestRound, restIfAllKnow } from './quiescence.ts';
import type { Leading, MultiPaxosState } from './state.ts';

/** Opens the next round. */
export function sendHeartbeats(state: MultiPaxosState, leading: Leading): void {
  leading.round += 1;
  leading.heartbeatAtMs = state.nowMs + state.options.heartbeatMs;
  noteRoundSent(state, leading);
  const { ballot, round } = leading;
  const rests = nowIsRestRound(state, leading);
  const heartbeat = { type: 'heartbeat', ballot, round, chosenUpTo: state.chosenUpTo, rests } as const;
  for (const peer of state.peers) send(state, peer, heartbeat);
  // Where nobody's answer is needed none may ever come: a leader of its own quorum has its round confirmed now.
  renewLease(state, leading);
  restIfAllKnow(state, leading);
}
