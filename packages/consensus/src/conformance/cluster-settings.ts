/** What a simulated cluster is made of, and what one may ask of it: settings, conditions and outcomes. */
import type { NodeId } from '@quorate/core';
import type { Entry, LogIndex, Protocol, ProtocolOptions, RefusalReason } from '../protocol.ts';
import { DurableStore } from './durable-store.ts';
import { LocalClock } from './local-clock.ts';

/** A message under way. */
export interface Envelope<M> {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: M;
  /** What crossed the link, so that a duplicate is decoded anew. */
  readonly wire: unknown;
}

/** What links do to messages. */
export interface NetworkConditions {
  /** How long a message is under way, in virtual milliseconds. */
  readonly delayMs: readonly [min: number, max: number];
  /** 0 to 1. */
  readonly lossChance: number;
  /** That a message arrives twice, 0 to 1. */
  readonly duplicateChance: number;
}

/** What a simulated cluster is made of. Equal settings, and equal calls, give equal runs. */
export interface ClusterSettings<S, M> {
  readonly protocol: Protocol<S, M>;
  /** Number of nodes, named n1, n2, …; or their names. */
  readonly nodes: number | readonly string[];
  /** Default 1. */
  readonly seed?: number;
  /** Default: no delay, and nothing is lost. */
  readonly network?: Partial<NetworkConditions>;
  /** How long a write takes to become durable, in virtual milliseconds. Default: no time. */
  readonly syncMs?: readonly [min: number, max: number];
  /** Local milliseconds that pass in one of the cluster; each start of a node draws its own. */
  readonly clockRates?: readonly [min: number, max: number];
  readonly options?: Partial<ProtocolOptions>;
  /** The nodes begin with the founding hard state of an epoch, which this one leads; otherwise with none. */
  readonly appointed?: string;
}

/** What a protocol said to a proposal. */
export type ProposeOutcome =
  | { readonly type: 'accepted'; readonly first: LogIndex; readonly last: LogIndex }
  | { readonly type: 'refused'; readonly reason: RefusalReason };

/** What became of a read: the index is the one from which on it may be served. */
export type ReadOutcome = 'waiting' | 'refused' | LogIndex;

export interface AskedRead {
  readonly node: NodeId;
  readonly incarnation: number;
  outcome: ReadOutcome;
}

/** One node: its protocol state, what it applied, and its disk. Without `state` it is down. */
export interface ClusterNode<S> {
  readonly id: NodeId;
  readonly store: DurableStore;
  state: S | undefined;
  incarnation: number;
  /** Differs from node to node and start to start. */
  clock: LocalClock;
  paused: boolean;
  diskHeld: boolean;
  /** When false the node gets no ticks: it answers, but starts nothing by itself. */
  ticking: boolean;
  /** All that was committed here since the beginning, snapshots included; index i at [i - 1]. */
  committed: Entry[];
}

/** A node that has never run. */
export function stoppedNode<S>(id: NodeId): ClusterNode<S> {
  return {
    id,
    store: new DurableStore(),
    state: undefined,
    incarnation: 0,
    clock: new LocalClock({ startMs: 0, sinceMs: 0, rate: 1 }),
    paused: false,
    diskHeld: false,
    ticking: true,
    committed: [],
  };
}
