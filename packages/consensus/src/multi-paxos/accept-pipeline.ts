/**
 * The accept pipeline: how a leader's proposals travel to one acceptor.
 *
 * Several accepts are under way to each acceptor, every one for its own range of slots. The acceptor
 * acknowledges ranges, so a lost message leaves a gap that is seen and sent again alone; what came
 * after it is not held up, for slots are chosen in any order.
 */
import type { NodeId } from '@quorate/core';
import type { Entry, PageLimits } from '../protocol.ts';
import { laterSlot, nextSlot, noSlot, type Slot } from './ballot.ts';
import type { Accept } from './message.ts';
import { entriesPerMessageMax } from './message-codec.ts';
import { send } from './outbox.ts';
import type { SlotLog } from './slot-log.ts';
import type { Leading, MultiPaxosState } from './state.ts';

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
  /** How far it is known to have learned what is chosen. */
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
  const limits = { bytesMax: state.options.appendBytesMax, entriesMax: entriesPerMessageMax };
  skipForgotten(state, peer);
  // A silent peer is probed by what is under way to it; more would only pile up on its link.
  if (peer.flights.length > 0 && isSilent(state, peer)) return last;
  while (peer.flights.length < state.options.appendsInFlightMax && peer.next <= leading.lastProposed) {
    if (last?.entries[0]?.index !== peer.next) {
      const range = { first: peer.next, last: leading.lastProposed };
      last = acceptOf(state, leading, takeBatch(state.log, range, limits));
    }
    const batchEnd = (peer.next + last.entries.length - 1) as Slot;
    send(state, peer.node, last);
    peer.flights.push({ first: peer.next, last: batchEnd, sentAtMs: state.nowMs });
    peer.next = nextSlot(batchEnd);
  }
  return last;
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

/** Frees the window of what `peer` has accepted. */
export function noteAccepted(peer: PeerProgress, range: { readonly first: Slot; readonly last: Slot }): void {
  dropFlights(peer, (flight) => flight.first >= range.first && flight.last <= range.last);
}

/** The learner at `peer` knows every slot up to `chosenUpTo` to be chosen: nothing up to there has to be sent. */
export function noteLearned(peer: PeerProgress, chosenUpTo: Slot): void {
  peer.learnedUpTo = laterSlot(peer.learnedUpTo, chosenUpTo);
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
