/**
 * The messages of the Synod: one union of plain data. A message may be lost, doubled, delayed and
 * overtaken, and is never altered. [PaxosSimple §2.1]
 */
import type { Ballot } from './ballot.ts';

/** A value under a number; there is at most one value under each. */
export interface Proposal<Value> {
  readonly ballot: Ballot;
  readonly value: Value;
}

/** Phase 1(a), proposer to acceptor. */
export interface Prepare {
  readonly type: 'prepare';
  readonly ballot: Ballot;
}

/** Phase 1(b), acceptor to proposer: nothing below `ballot` will be accepted here any more. */
export interface Promised<Value> {
  readonly type: 'promise';
  readonly ballot: Ballot;
  /** The highest-numbered proposal that the acceptor has accepted, if any. */
  readonly accepted: Proposal<Value> | undefined;
}

/** Phase 2(a), proposer to acceptor. */
export interface Accept<Value> {
  readonly type: 'accept';
  readonly proposal: Proposal<Value>;
}

/** Phase 2(b), acceptor to learner. */
export interface Accepted<Value> {
  readonly type: 'accepted';
  readonly proposal: Proposal<Value>;
}

/**
 * "It is probably a good idea to abandon a proposal if some proposer has begun trying to issue a
 * higher-numbered one" [PaxosSimple §2.2]: an acceptor that refuses says why. Nothing depends on it.
 */
export interface Nack {
  readonly type: 'nack';
  readonly ballot: Ballot;
  /** What the acceptor has promised instead. */
  readonly promised: Ballot;
}

/** Everything that participants say to each other. Plain data. */
export type SynodMessage<Value> = Prepare | Promised<Value> | Accept<Value> | Accepted<Value> | Nack;
