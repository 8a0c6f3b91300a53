/**
 * The messages of Multi-Paxos. One union of plain data: everything that a member may say to another.
 *
 * Phase 1 is prepared once for all open slots [PaxosSimple §3]; phase 2 runs for a range of slots in one
 * message. Canvass and catch-up stand beside the two phases: the first protects a working leader from
 * being disturbed, the second brings chosen values to learners that missed them. Neither promises.
 */
import type { Entry } from '../protocol.ts';
import type { Ballot, Slot } from './ballot.ts';

/** Phase 1(a): report what you have accepted from `fromSlot` on, and promise `ballot`. */
export interface Prepare {
  readonly type: 'prepare';
  readonly ballot: Ballot;
  /** The first slot that the proposer does not know to be chosen, or where the next page begins. */
  readonly fromSlot: Slot;
  /** The ballot whose leader gave way to this proposer, so that its acceptors may answer; or `noBallot`. */
  readonly gaveWay: Ballot;
}

/**
 * Phase 1(b): `ballot` is promised, and these are the values accepted from `fromSlot` on. A report too
 * large for one message goes in pages; the promise counts when the last one has arrived.
 */
export interface Promised {
  readonly type: 'promise';
  readonly ballot: Ballot;
  readonly fromSlot: Slot;
  /** Where the next page begins; undefined in the last one. */
  readonly nextPage: Slot | undefined;
  /** Of the values reported, those up to here are known to be the chosen ones. */
  readonly chosenUpTo: Slot;
  /** Ascending, gaps allowed; `reign` is the ballot at which the value was accepted. */
  readonly accepted: readonly Entry[];
}

/**
 * A prepare, accept or heartbeat of `ballot` was refused by an acceptor that has promised `promised`. If
 * that is not higher, the refusal protects a leader that is alive or waits for a proposer to catch up.
 */
export interface Nack {
  readonly type: 'nack';
  readonly ballot: Ballot;
  readonly promised: Ballot;
}

/** Phase 2(a): accept these values, in slots without a gap, under `ballot`. */
export interface Accept {
  readonly type: 'accept';
  readonly ballot: Ballot;
  readonly chosenUpTo: Slot;
  /** Not empty; each with `reign` equal to `ballot`. */
  readonly entries: readonly Entry[];
}

/** Phase 2(b): durably accepted under `ballot`, or known to be chosen, from `first` to `last`. */
export interface Accepted {
  readonly type: 'accepted';
  readonly ballot: Ballot;
  readonly first: Slot;
  readonly last: Slot;
}

/** The leader of `ballot` lives and knows everything up to `chosenUpTo` to be chosen. */
export interface Heartbeat {
  readonly type: 'heartbeat';
  readonly ballot: Ballot;
  /** Grows with each heartbeat of a ballot: a reply confirms the leader as of the sending of its round. */
  readonly round: number;
  readonly chosenUpTo: Slot;
  /** Nothing will follow until something happens: who knows everything need not wait for it. */
  readonly rests: boolean;
}

/** Nothing higher than `ballot` was promised when the heartbeat arrived. */
export interface HeartbeatReply {
  readonly type: 'heartbeat-reply';
  readonly ballot: Ballot;
  readonly round: number;
  /** How far the answering learner knows what is chosen. */
  readonly chosenUpTo: Slot;
}

/** Would you promise, if I prepared? Binds nobody. */
export interface Canvass {
  readonly type: 'canvass';
  /** Tells this canvass from the sender's others. */
  readonly canvass: number;
  readonly fromSlot: Slot;
}

export interface CanvassReply {
  readonly type: 'canvass-reply';
  readonly canvass: number;
  readonly granted: boolean;
  /** What the answerer has promised: the ballot to come must be higher. */
  readonly promised: Ballot;
}

/** A learner lacks what was chosen in `fromSlot` and after. */
export interface CatchUpRequest {
  readonly type: 'catch-up-request';
  readonly fromSlot: Slot;
}

/** Chosen values, in slots without a gap; `reign` is the ballot under which the sender holds them. */
export interface CatchUp {
  readonly type: 'catch-up';
  readonly entries: readonly Entry[];
}

/** The leader of `ballot` gives way: prepare a higher one. */
export interface HandOverMessage {
  readonly type: 'hand-over';
  readonly ballot: Ballot;
}

export type MultiPaxosMessage =
  | Prepare
  | Promised
  | Nack
  | Accept
  | Accepted
  | Heartbeat
  | HeartbeatReply
  | Canvass
  | CanvassReply
  | CatchUpRequest
  | CatchUp
  | HandOverMessage;
