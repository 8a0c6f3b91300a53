/**
 * What replicas and clients say to each other, as plain data. Its form on the wire: `message-codec.ts`.
 */
import type { ErrorCode, NodeId } from '@quorate/core';
import type { LogIndex, Reign, Role } from '../protocol.ts';
import type { HashValue } from './state-hash.ts';

/**
 * The consistency levels of a query, from the strongest to the weakest. What each promises: see {@link
 * Consistency}.
 */
export const consistencies = ['linearizable', 'lease', 'session', 'eventual'] as const;
/**
 * How much a query has to see. `linearizable`: everything acknowledged to anyone before the call. `lease`: the
 * same, as long as clocks differ in rate by less than `clockRateRatioMax`; without a lease it is asked as
 * `linearizable`. `session`: everything that its session has seen or done. `eventual`: some state of the past.
 */
export type Consistency = (typeof consistencies)[number];

/** What shall become of the epoch. All of it is said, so that asking twice changes nothing twice. */
export interface EpochChange {
  /** The epoch that it was thought up for: when another change has come first, this one is refused. */
  readonly fromEpoch: number;
  readonly algorithm: string;
  readonly acceptQuorum: number | undefined;
  /** Sorted. */
  readonly members: readonly NodeId[];
  /** Members whose disk is gone: each becomes a voter again with the disk from which it learns now. */
  readonly renewed: readonly NodeId[];
}

/** To a replica, from another one or from a client. `request` is the client's own number for an attempt. */
export type ReplicaMessage =
  | { readonly type: 'protocol'; readonly group: number; readonly epoch: number; readonly wire: unknown }
  | SnapshotOffer
  | {
      readonly type: 'snapshot-chunk';
      readonly transfer: number;
      readonly offset: number;
      readonly chunk: Uint8Array;
    }
  /** The receiver has everything below `nextOffset`; -1: it does not want this transfer. */
  | { readonly type: 'snapshot-progress'; readonly transfer: number; readonly nextOffset: number }
  /** Between a learner and its teacher: see `learner/message.ts`. */
  | { readonly type: 'learning'; readonly group: number; readonly epoch: number; readonly wire: unknown }
  /** Told to whoever still speaks in an earlier epoch, which this replica has left. */
  | { readonly type: 'epoch-passed'; readonly group: number; readonly epoch: number }
  /** The sender is still in `epoch`, has heard of a later one, and nobody there brings it along: it needs a snapshot. */
  | { readonly type: 'left-behind'; readonly group: number; readonly epoch: number }
  /** The sender's client asks for the index from which on a linearizable read may be served there. */
  | { readonly type: 'read-index'; readonly group: number; readonly epoch: number; readonly read: number }
  /** `index` undefined: this replica cannot say, it does not lead. */
  | {
      readonly type: 'read-index-reply';
      readonly group: number;
      readonly epoch: number;
      readonly read: number;
      readonly index: LogIndex | undefined;
    }
  /** What the sender's state came to with the entry at `index`, which belongs to one epoch: see `divergence.ts`. */
  | {
      readonly type: 'state-hash';
      readonly group: number;
      readonly index: LogIndex;
      readonly hash: HashValue;
    }
  | { readonly type: 'transfer'; readonly request: number; readonly to: NodeId }
  /** Resolved when the next epoch has begun; given up after `withinMs` while joiners still have to catch up. */
  | {
      readonly type: 'reconfigure';
      readonly request: number;
      readonly withinMs: number;
      readonly change: EpochChange;
    }
  | { readonly type: 'propose'; readonly request: number; readonly payload: Uint8Array }
  | {
      readonly type: 'read';
      readonly request: number;
      readonly consistency: Consistency;
      /** Whoever is asked answers, also a linearizable read: a follower first asks its leader from where on. */
      readonly isLocal: boolean;
      /** For `session`: the answer comes from a state that has applied at least this. */
      readonly atLeast: LogIndex;
      readonly queries: Uint8Array;
    }
  /** From now on the sender is told of every change of role, and of progress now and then. */
  | { readonly type: 'watch-status' };

export interface SnapshotOffer {
  readonly type: 'snapshot-offer';
  readonly group: number;
  readonly epoch: number;
  readonly transfer: number;
  /** The epoch that whoever installs it is in: `epoch`, or the next one when it was taken at the STOP. */
  readonly brings: number;
  /** The reign that the sender stands at in that epoch, and whether it leads under it. */
  readonly reign: Reign;
  readonly leads: boolean;
  readonly last: { readonly index: LogIndex; readonly reign: Reign };
  readonly sizeBytes: number;
}

/** What a replica tells of itself. */
export interface ReplicaStatus {
  readonly node: NodeId;
  readonly role: Role | 'failed';
  readonly leader: NodeId | undefined;
  readonly epoch: number;
  readonly algorithm: string;
  readonly acceptQuorum: number | undefined;
  /** The voters of the epoch. */
  readonly members: readonly NodeId[];
  readonly reign: Reign;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  /** Commands applied. */
  readonly position: number;
  /** Messages that wait for this replica. */
  readonly mailboxDepth: number;
  /** Why it failed, when it did. */
  readonly failure: { readonly code: ErrorCode; readonly message: string } | undefined;
}

/** To a client, from a replica. */
export type ClientMessage =
  | {
      readonly type: 'results';
      readonly request: number;
      readonly index: LogIndex;
      readonly results: Uint8Array;
    }
  | { readonly type: 'opened'; readonly request: number; readonly index: LogIndex; readonly session: number }
  | {
      readonly type: 'reconfigured';
      readonly request: number;
      readonly index: LogIndex;
      readonly epoch: number;
    }
  | { readonly type: 'transferred'; readonly request: number }
  /** The session is forgotten. */
  | { readonly type: 'closed'; readonly request: number }
  | {
      readonly type: 'answers';
      readonly request: number;
      readonly index: LogIndex;
      readonly answers: Uint8Array;
    }
  /**
   * `ERR_NOT_LEADER`, `ERR_OVERLOADED`: nothing was appended for this request. `ERR_OUTCOME_UNKNOWN`:
   * it was appended and may yet commit. `ERR_SESSION_EXPIRED`: it was not executed and never will be.
   */
  | {
      readonly type: 'refused';
      readonly request: number;
      readonly code: ErrorCode;
      readonly message: string;
      readonly leader: NodeId | undefined;
      /** Asking again cannot change the answer. */
      readonly isFinal: boolean;
    }
  | { readonly type: 'status'; readonly status: ReplicaStatus };
