/**
 * Raft's messages: what one server may say to another, as one union of plain data. [Raft fig. 2]
 *
 * Snapshots travel outside the protocol, so there is no InstallSnapshot here: the receiver answers an
 * installed snapshot with an `append-accepted`. Heartbeats are messages of their own, and not empty
 * appends: they carry nothing that must be matched with the log, and so never fail.
 */
import type { Entry, LogIndex } from '../protocol.ts';
import type { Term } from './log.ts';

/** Would you vote for me in `term`? Binds nobody. [RaftThesis §9.6] */
export interface PreVoteRequest {
  readonly type: 'pre-vote-request';
  /** The term the sender would stand in: its own plus one. */
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

export interface PreVoteReply {
  readonly type: 'pre-vote-reply';
  /** Granted: the term that was asked for. Denied: the voter's own term, for the asker to catch up. */
  readonly term: Term;
  readonly granted: boolean;
}

export interface VoteRequest {
  readonly type: 'vote-request';
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The term whose leader told the candidate to stand; 0 when nobody did. [RaftThesis §3.10] */
  readonly gaveWay: Term;
}

export interface VoteReply {
  readonly type: 'vote-reply';
  readonly term: Term;
  readonly granted: boolean;
}

export interface Append {
  readonly type: 'append';
  readonly term: Term;
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly commitIndex: LogIndex;
  /** The entries at prevIndex + 1 and on, without a gap. */
  readonly entries: readonly Entry[];
}

export interface AppendAccepted {
  readonly type: 'append-accepted';
  readonly term: Term;
  /** The sender's log is durable and equal to the leader's up to here. */
  readonly matchIndex: LogIndex;
}

export interface AppendRejected {
  readonly type: 'append-rejected';
  readonly term: Term;
  /** The `prevIndex` that did not match. */
  readonly prevIndex: LogIndex;
  /** The logs differ above this position, or at it. [Raft §5.3] */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
}

export interface Heartbeat {
  readonly type: 'heartbeat';
  readonly term: Term;
  /** At most what the receiver is known to hold. */
  readonly commitIndex: LogIndex;
  /** Grows with each broadcast of one leader: an answer confirms every read asked before it was sent. */
  readonly round: number;
  /** The leader is about to fall silent, and takes the receiver to hold the whole log. */
  readonly rests: boolean;
}

/** The leader of `term` gives way: the receiver shall stand at once. [RaftThesis §3.10] */
export interface TimeoutNow {
  readonly type: 'timeout-now';
  readonly term: Term;
}

export interface HeartbeatReply {
  readonly type: 'heartbeat-reply';
  readonly term: Term;
  /** The round that is answered; 0 tells an old leader of a newer term. */
  readonly round: number;
}

export type RaftMessage =
  | PreVoteRequest
  | PreVoteReply
  | VoteRequest
  | VoteReply
  | Append
  | AppendAccepted
  | AppendRejected
  | Heartbeat
  | HeartbeatReply
  | TimeoutNow;
