/**
 * The accept pipeline: how a leader's proposals travel to one acceptor.
 *
 * Several accepts are under way to each acceptor, every one for its own range of slots. The acceptor
 * acknowledges ranges, so a lost message leaves a gap that is seen and sent again alone; what came
 * after it is not held up, for slots are chosen in any order.
 *
 * An acceptor that came back after a while lacks much that is chosen without it. It gets that in small
 * pieces with few under way: the leader has others to serve, whose commands wait while a piece is encoded.
 */
import type { NodeId } from '@quorate/core';
import type { Entry, PageLimits } from '../protocol.ts';
import { nextSlot, noSlot, type Slot } from './ballot.ts';
import { hasRoom } from './flow-control.ts';
import type { Accept } from './message.ts';
import { entriesPerMessageMax } from './message-codec.ts';
import { send } from './outbox.ts';
import type { SlotLog } from './slot-log.ts';
import type { Leading, MultiPaxosState } from './state.ts';

/** The piece of what is chosen already that goes to who lacks it, in bytes; encoding one takes about a millisecond. */
const pieceBytesMax = 128 << 10;

/** What an entry costs in a message besides its payload, roughly. */
const entryOverheadBytes = 16;

/** What an entry weighs against `appendBytesMax`. */
export function entryBytes(entry: Entry): number {
  return entry.payload.byteLength + entryOverheadBytes;
}

/** One accept that the acceptor has not acknowledged. */
interface Flight {
  first: Slot;
  readonly last: Slot;
  readonly bytes: number;
  sentAtMs: number;
}

export interface PeerProgress {
  readonly node: NodeId;
  readonly ordinal: number;
  /** The first slot not sent yet. */
  next: Slot;
  /** Ascending, at most `appendsInFlightMax`. */
  readonly flights: Flight[];
  heardMs: number;
  /** The highest heartbeat round that it answered. */
  confirmedRound: number;
  /** How far it last said to have learned what is chosen; goes back with a restart, for nothing keeps it. */
  learnedUpTo: Slot;
  /** Its node is known to be down or silent, and it has not been heard since. */
  isGone: boolean;
}

export function newPeerProgress(peer: {
  readonly node: NodeId;
  readonly ordinal: number;
  readonly next: Slot;
  readonly heardMs: number;
}): PeerProgress {
  return { ...peer, flights: [], confirmedRound: 0, learnedUpTo: noSlot, isGone: false };
}

/** The values held without a gap from `first` on, as many as one message may carry; at least one if there is one. */
export function takeBatch(
  log: SlotLog,
  range: { readonly first: Slot; readonly last: Slot },
  limits: PageLimits,
): Entry[] {
  const batch: Entry[] = [];
  let bytes = 0;
  for (let slot = range.first; slot <= range.last; slot = nextSlot(slot)) {
    const entry = log.get(slot);
    if (entry === undefined || batch.length === limits.entriesMax) break;
    bytes += entryBytes(entry);
    if (batch.length > 0 && bytes > limits.bytesMax) break;
    batch.push(entry);
  }
  return batch;
}

/** As much as one message may carry of what its receiver needs only to catch up. */
export function pieceLimits(state: MultiPaxosState): PageLimits {
  return {
    bytesMax: Math.min(state.options.appendBytesMax, pieceBytesMax),
    entriesMax: entriesPerMessageMax,
  };
}

/** Sends each acceptor what it was not sent yet, as far as its window allows. */
export function pump(state: MultiPaxosState, leading: Leading, only?: PeerProgress): void {
  if (only !== undefined) {
    pumpPeer(state, leading, only, undefined);
    return;
  }
  // Peers mostly stand at the same slot: they get the same message, built once.
  let shared: Accept | undefined;
  for (const peer of leading.peers.values()) shared = pumpPeer(state, leading, peer, shared);
}

function pumpPeer(
  state: MultiPaxosState,
  leading: Leading,
  peer: PeerProgress,
  shared: Accept | undefined,
): Accept | undefined {
  let last = shared;
  skipForgotten(state, peer);
  // A silent peer is probed by what is under way to it; more would only pile up on its link.
  if (peer.flights.length > 0 && isSilent(state, peer)) return last;
  let bytesInFlight = 0;
  for (const { bytes } of peer.flights) bytesInFlight += bytes;
  while (peer.next <= leading.lastProposed) {
    const limits = limitsFor(state, peer);
    const underWay = { accepts: peer.flights.length, bytes: bytesInFlight };
    const { appendsInFlightMax: acceptsMax } = state.options;
    if (!hasRoom(underWay, { acceptsMax, bytesMax: limits.bytesMax })) break;
    if (last?.entries[0]?.index !== peer.next) {
      const range = { first: peer.next, last: leading.lastProposed };
      last = acceptOf(state, leading, takeBatch(state.log, range, limits));
    }
    const batchEnd = (peer.next + last.entries.length - 1) as Slot;
    send(state, peer.node, last);
    let bytes = 0;
    for (const entry of last.entries) bytes += entryBytes(entry);
    peer.flights.push({ first: peer.next, last: batchEnd, bytes, sentAtMs: state.nowMs });
    bytesInFlight += bytes;
    peer.next = nextSlot(batchEnd);
  }
  return last;
}

/** Who lacks what is chosen without it is not waited for. */
function limitsFor(state: MultiPaxosState, peer: PeerProgress): PageLimits {
  if (peer.next <= state.chosenUpTo) return pieceLimits(state);
  return { bytesMax: state.options.appendBytesMax, entriesMax: entriesPerMessageMax };
}

/** Sends again what was not acknowledged within a heartbeat; to a silent peer only the oldest of it. */
export function retransmit(state: MultiPaxosState, leading: Leading): void {
  for (const peer of leading.peers.values()) {
    skipForgotten(state, peer);
    const probesOnly = isSilent(state, peer);
    for (const flight of peer.flights) {
      if (state.nowMs - flight.sentAtMs >= state.options.heartbeatMs) {
        flight.sentAtMs = state.nowMs;
        send(state, peer.node, acceptOf(state, leading, state.log.range(flight.first, flight.last)));
      }
      if (probesOnly) break;
    }
  }
}

/** The first slot that is on its way to `peer`, or will be: until then it can only learn. */
export function firstUnderWay(peer: PeerProgress): Slot {
  return peer.flights[0]?.first ?? peer.next;
}

/** Frees the window of what `peer` has accepted. */
export function noteAccepted(peer: PeerProgress, range: { readonly first: Slot; readonly last: Slot }): void {
  dropFlights(peer, (flight) => flight.first >= range.first && flight.last <= range.last);
}

/** The learner at `peer` knows every slot up to `chosenUpTo` to be chosen: nothing up to there has to be sent. */
export function noteLearned(peer: PeerProgress, chosenUpTo: Slot): void {
  peer.learnedUpTo = chosenUpTo;
  dropFlights(peer, (flight) => flight.last <= chosenUpTo);
  if (peer.next <= chosenUpTo) peer.next = nextSlot(chosenUpTo);
}

function dropFlights(peer: PeerProgress, isDone: (flight: Flight) => boolean): void {
  const { flights } = peer;
  let kept = 0;
  for (const flight of flights) {
    if (isDone(flight)) continue;
    flights[kept] = flight;
    kept += 1;
  }
  flights.length = kept;
}

/** What is forgotten here is chosen, and not pushed any more: a learner that lacks it asks, and gets a snapshot. */
function skipForgotten(state: MultiPaxosState, peer: PeerProgress): void {
  const { forgottenUpTo } = state.log;
  if (peer.next <= forgottenUpTo) peer.next = nextSlot(forgottenUpTo);
  const oldest = peer.flights[0];
  if (oldest === undefined || oldest.first > forgottenUpTo) return;
  dropFlights(peer, (flight) => flight.last <= forgottenUpTo);
  for (const flight of peer.flights) {
    if (flight.first <= forgottenUpTo) flight.first = nextSlot(forgottenUpTo);
  }
}

function isSilent(state: MultiPaxosState, peer: PeerProgress): boolean {
  return state.nowMs - peer.heardMs >= state.options.electionTimeoutMs[0];
}

function acceptOf(state: MultiPaxosState, leading: Leading, entries: readonly Entry[]): Accept {
  return { type: 'accept', ballot: leading.ballot, chosenUpTo: state.chosenUpTo, entries };
}
