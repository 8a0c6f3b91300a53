/**
 * The leader: the proposer whose phase 1 is done, proposing in slot after slot with phase 2 alone.
 * [PaxosSimple §3]
 */
import { invariant, type NodeId } from '@quorate/core';
import type { Entry, Proposal } from '../protocol.ts';
import {
  newPeerProgress,
  noteAccepted,
  noteLearned,
  type PeerProgress,
  pump,
  retransmit,
} from './accept-pipeline.ts';
import { stopProposing } from './allegiance.ts';
import { laterSlot, nextSlot } from './ballot.ts';
import { AcceptanceTally } from './chosen-rule.ts';
import { advanceHandOver } from './hand-over.ts';
import { heardOf } from './hearing.ts';
import { sendHeartbeats } from './heartbeat.ts';
import { newLeaseBook, renewLease } from './leader-lease.ts';
import { advanceChosen } from './learner.ts';
import type { Accepted, HeartbeatReply } from './message.ts';
import { diskSilenceMs, markOfThisStep, writeEntry } from './outbox.ts';
import { keepAwake, restIfAllKnow } from './quiescence.ts';
import { serveReads } from './read-confirmation.ts';
import { hasLostItsQuorum, unfitMs } from './stability.ts';
import type { Leading, MultiPaxosState, Preparing } from './state.ts';

/**
 * Begins to lead with the ballot of a finished phase 1: proposes anew, under it, what the quorum has
 * reported in the open slots, and no-ops in the gaps between. Only above them is there room for
 * proposals of its own.
 */
export function beginToLead(
  state: MultiPaxosState,
  { ballot, reported }: Pick<Preparing, 'ballot' | 'reported'>,
): void {
  invariant(state.promised === ballot, 'a leader has promised its own ballot and nothing higher');
  for (const entry of state.log.range(nextSlot(state.chosenUpTo), state.log.last)) reported.report(entry);
  const recoveredUpTo = laterSlot(reported.last, state.chosenUpTo);
  const leading: Leading = {
    phase: 'leading',
    ballot,
    recoveredUpTo,
    lastProposed: state.chosenUpTo,
    tally: new AcceptanceTally(state.quorums, state.chosenUpTo),
    ownWrites: [],
    peers: new Map(state.peers.map((node) => [node, newProgress(state, node)])),
    uncommittedBytes: 0,
    round: 0,
    heartbeatAtMs: state.nowMs,
    reads: [],
    lease: newLeaseBook(state.isSealed),
    handOver: undefined,
    activeAtMs: state.nowMs,
    restRound: undefined,
  };
  state.proposer = leading;
  state.leader = state.options.self;
  const open: Entry[] = [];
  for (let slot = nextSlot(state.chosenUpTo); slot <= recoveredUpTo; slot = nextSlot(slot)) {
    open.push(reported.proposalFor(slot, ballot));
  }
  proposeEntries(state, leading, open);
  sendHeartbeats(state, leading);
}

/** @returns nothing; the outcome is the `accepted` or `refused` effect */
export function onPropose(state: MultiPaxosState, proposals: readonly Proposal[]): void {
  const leading = state.proposer;
  if (leading.phase !== 'leading') {
    state.outbox.effects.push({ type: 'refused', reason: 'not-leader' });
    return;
  }
  if (leading.handOver !== undefined) {
    state.outbox.effects.push({ type: 'refused', reason: 'handing-over' });
    return;
  }
  let bytes = 0;
  for (const { payload } of proposals) bytes += payload.byteLength;
  // A batch larger than the limit itself is let through alone rather than never.
  if (leading.uncommittedBytes > 0 && leading.uncommittedBytes + bytes > state.options.uncommittedBytesMax) {
    state.outbox.effects.push({ type: 'refused', reason: 'overloaded' });
    return;
  }
  let slot = leading.lastProposed;
  const entries = proposals.map(({ timeMs, payload }): Entry => {
    invariant(payload.byteLength > 0, 'only the protocol itself proposes no-ops');
    slot = nextSlot(slot);
    return { index: slot, reign: leading.ballot, timeMs, payload };
  });
  keepAwake(state, leading);
  const first = nextSlot(leading.lastProposed);
  state.outbox.effects.push({ type: 'accepted', first, last: slot });
  proposeEntries(state, leading, entries);
}

/**
 * Phase 2(a), to the others at once and to itself through its own disk: the leader is one acceptor among
 * the others, and its voice counts when it is durable, not before.
 */
function proposeEntries(state: MultiPaxosState, leading: Leading, entries: readonly Entry[]): void {
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return;
  invariant(first.index === leading.lastProposed + 1, 'a leader proposes in one slot after the other');
  for (const entry of entries) {
    writeEntry(state, entry);
    leading.uncommittedBytes += entry.payload.byteLength;
  }
  leading.lastProposed = last.index;
  leading.ownWrites.push({ mark: markOfThisStep(state), first: first.index, last: last.index });
  pump(state, leading);
}

/** Writes up to `mark` are durable: the leader's own acceptances among them count. */
export function onOwnWritesDurable(state: MultiPaxosState, leading: Leading, mark: number): void {
  const { ownWrites } = leading;
  let durable = 0;
  for (const range of ownWrites) {
    if (range.mark > mark) break;
    leading.tally.accepted(state.ordinal, range);
    durable += 1;
  }
  if (durable === 0) return;
  ownWrites.splice(0, durable);
  choose(state, leading);
}

export function onAccepted(state: MultiPaxosState, from: NodeId, message: Accepted): void {
  const found = progressOf(state, from, message);
  if (found === undefined || message.last > found.leading.lastProposed) return;
  const { leading, peer } = found;
  noteAccepted(peer, message);
  leading.tally.accepted(peer.ordinal, message);
  choose(state, leading);
  pump(state, leading, peer);
}

export function onHeartbeatReply(state: MultiPaxosState, from: NodeId, message: HeartbeatReply): void {
  const found = progressOf(state, from, message);
  if (found === undefined || message.round > found.leading.round) return;
  const { leading, peer } = found;
  if (message.round > peer.confirmedRound) peer.confirmedRound = message.round;
  if (message.chosenUpTo <= leading.lastProposed) {
    // Who knows a slot to be chosen while it obeys this ballot knows this ballot's value to be the chosen one.
    noteLearned(peer, message.chosenUpTo);
    leading.tally.accepted(peer.ordinal, { first: nextSlot(state.chosenUpTo), last: message.chosenUpTo });
  }
  renewLease(state, leading);
  choose(state, leading);
  restIfAllKnow(state, leading);
  pump(state, leading, peer);
}

export function onLeaderTick(state: MultiPaxosState, leading: Leading): void {
  if (state.rests) return;
  const [, electionTimeoutMaxMs] = state.options.electionTimeoutMs;
  // A leader whose disk hangs holds the lead against others that could use it.
  if (diskSilenceMs(state) >= electionTimeoutMaxMs) {
    stopProposing(state);
    if (state.peers.length > 0) state.fitToLeadAtMs = state.nowMs + unfitMs(electionTimeoutMaxMs);
    return;
  }
  if (hasLostItsQuorum(heardOf(state, leading), state.quorums)) {
    stopProposing(state);
    return;
  }
  if (state.nowMs >= leading.heartbeatAtMs) sendHeartbeats(state, leading);
  retransmit(state, leading);
  advanceHandOver(state, leading);
}

function choose(state: MultiPaxosState, leading: Leading): void {
  const before = state.chosenUpTo;
  const upTo = leading.tally.chosenWithoutGap();
  invariant(upTo <= leading.lastProposed, 'only what was proposed is chosen');
  advanceChosen(state, upTo);
  for (let slot = nextSlot(before); slot <= upTo; slot = nextSlot(slot)) {
    leading.uncommittedBytes -= state.log.get(slot)?.payload.byteLength ?? 0;
  }
  serveReads(state, leading);
  advanceHandOver(state, leading);
}

function newProgress(state: MultiPaxosState, node: NodeId): PeerProgress {
  const ordinal = state.ordinals.get(node);
  invariant(ordinal !== undefined, 'every peer is a member');
  return newPeerProgress({ node, ordinal, next: nextSlot(state.chosenUpTo), heardMs: state.nowMs });
}

/** The sender's progress if its answer is to this leader's ballot; notes that it was heard. */
function progressOf(
  state: MultiPaxosState,
  from: NodeId,
  answer: { readonly ballot: Leading['ballot'] },
): { readonly leading: Leading; readonly peer: PeerProgress } | undefined {
  const leading = state.proposer;
  if (leading.phase !== 'leading' || answer.ballot !== leading.ballot) return undefined;
  const peer = leading.peers.get(from);
  if (peer === undefined) return undefined;
  peer.heardMs = state.nowMs;
  peer.isGone = false;
  return { leading, peer };
}
