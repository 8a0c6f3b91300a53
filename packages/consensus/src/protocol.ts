/**
 * The one interface behind which a consensus protocol stands.
 *
 * A protocol is a pure machine: `step` takes its state, one input and the time, mutates only the state
 * that it owns, and says in effects what shall happen outside. It knows no disk, no link, no clock and
 * no randomness but the seed it was given, and it never awaits. The replica carries out the effects, in
 * the order in which they were emitted.
 *
 * The words here are neutral; each protocol keeps its paper's words inside. An *index* is Raft's index
 * and Paxos's slot. A *reign* is the number under which a leader rules: Raft's term, Paxos's ballot.
 * `docs/GLOSSARY.md` maps them.
 */
import type { Brand, NodeId } from '@quorate/core';
import type { LogEntry } from '@quorate/storage';

/**
 * Position of an entry in its group's log: 1 for the first, 0 for "before the first". An epoch goes on
 * counting where the command that ended the one before stands.
 */
export type LogIndex = Brand<number, 'LogIndex'>;

/** Raft's term or Paxos's ballot as one number: 0 before any leader, grows with every new one. */
export type Reign = Brand<number, 'Reign'>;

/**
 * An entry of the log: where it stands, under which reign it was proposed, and a payload that no protocol
 * reads.
 */
export type Entry = LogEntry & { readonly index: LogIndex; readonly reign: Reign };

/** A command batch on its way into the log: opaque bytes, and the leader's stamp. */
export interface Proposal {
  /** Whole milliseconds since 1970. */
  readonly timeMs: number;
  /** Not empty: the empty payload is the no-op that only a protocol itself proposes. */
  readonly payload: Uint8Array;
}

/** What a protocol is told once. All durations in milliseconds. */
export interface ProtocolOptions {
  readonly self: NodeId;
  /** The voters of the epoch, sorted; 1 to 31 of them, `self` included. */
  readonly members: readonly NodeId[];
  /** A follower that hears no leader for a time drawn from [min, max) stands for election. */
  readonly electionTimeoutMs: readonly [min: number, max: number];
  readonly heartbeatMs: number;
  /** Upper bound for the payload bytes of one replication message (one larger entry still goes alone). */
  readonly appendBytesMax: number;
  /** Replication messages under way to one peer before the leader waits for an answer. */
  readonly appendsInFlightMax: number;
  /** Payload bytes that a leader holds uncommitted before it refuses proposals as overloaded. */
  readonly uncommittedBytesMax: number;
  /** Seeds the draw of election timeouts; differs between nodes and between restarts. */
  readonly seed: number;
  /**
   * How long after a confirmed round was sent its leader may answer from its lease, in milliseconds of its
   * own clock. So much shorter than the shortest election timeout as clocks may differ in rate. 0: no leases.
   */
  readonly leaseMs?: number;
  /**
   * Acceptors whose acceptance chooses a value, where a protocol knows flexible quorums; more than none and at
   * most all. Leaders are then elected by `members.length + 1 - acceptQuorum`. Default: a majority.
   */
  readonly acceptQuorum?: number;
  /**
   * This node leads the first reign of the epoch without an election: the founding hard state, with which all
   * members began, grants it. Only in the life that wrote the founding hard state: a restarted node has to
   * win an election like any other, since it may have forgotten what it sent under that reign.
   */
  readonly isAppointed?: boolean;
  /** Whether an idle leader may fall silent; followers then rely on `peer-silent` to know that it is gone. */
  readonly quiesces?: boolean;
  /** When this node stands for the first time if it hears no leader, in milliseconds from its start; default: drawn. */
  readonly firstTurnMs?: number;
}

/** What every member of a new epoch begins with. */
export interface Founding {
  /** As {@link ProtocolOptions.members}. */
  readonly members: readonly NodeId[];
  /** Who leads the first reign. One of the members. */
  readonly appointed: NodeId;
  /** The log of the epoch begins after this index. */
  readonly base: LogIndex;
  /** The highest reign heard of, for a member that comes later, with a snapshot; 0 for one of the first hour. */
  readonly reign: Reign;
}

/** What the node knew durably before it stopped. */
export interface RecoveredState {
  /** The protocol's own bytes, as last persisted; undefined on the first start. */
  readonly hardState: Uint8Array | undefined;
  readonly snapshot: { readonly index: LogIndex; readonly reign: Reign };
  /** Above the snapshot, ascending. */
  readonly entries: readonly Entry[];
}

/** What a protocol is told, one after the other. */
export type Input<Message> =
  /** Time has passed; given several times within a heartbeat. */
  | { readonly type: 'tick' }
  | { readonly type: 'receive'; readonly from: NodeId; readonly message: Message }
  /** Appended if this node leads (`accepted`), otherwise refused as a whole (`refused`). */
  | { readonly type: 'propose'; readonly proposals: readonly Proposal[] }
  /** Every `persist` and `install` effect up to and including the one with this `mark` is durable. */
  | { readonly type: 'persisted'; readonly mark: number }
  /**
   * A linearizable read wants to know from which index on it may be served. `read` is unique per node. With
   * `mayUseLease` a leader that holds a lease answers at once; without one it asks its quorum as ever.
   */
  | { readonly type: 'read'; readonly read: number; readonly mayUseLease?: boolean }
  /** The thread of this peer has ended: a hint, which may hasten an election and never decides one. */
  | { readonly type: 'peer-down'; readonly peer: NodeId }
  /** The node of this peer has not been heard for an election timeout; told to protocols that fell silent. */
  | { readonly type: 'peer-silent'; readonly peer: NodeId }
  /**
   * Hand the lead to `to`. Until that ends, with a `role` effect or `transfer-failed`, proposals are refused
   * as `handing-over`. Ignored by whoever does not lead.
   */
  | { readonly type: 'transfer'; readonly to: NodeId }
  /**
   * A command that ends this epoch is about to be proposed: from here on this leader holds no lease. The next
   * epoch elects its leader without regard to promises that were made to this one.
   */
  | { readonly type: 'seal' }
  /** Tell the others now how far the log is committed, not with the next heartbeat. */
  | { readonly type: 'announce' }
  /** A snapshot of this node's own state, up to `index`, is durable: the log up to it may be forgotten. */
  | { readonly type: 'compacted'; readonly index: LogIndex }
  /**
   * A snapshot sent by `from`, who stood at `reign`, is durable here and may be installed. `leads`: it led under
   * that reign; whoever has one may send it, so that a straggler is not left to the leader alone.
   */
  | {
      readonly type: 'snapshot-received';
      readonly from: NodeId;
      readonly reign: Reign;
      readonly leads: boolean;
      readonly last: { readonly index: LogIndex; readonly reign: Reign };
    }
  /** The transfer asked for by a `send-snapshot` effect has ended; `delivered` false: try again later. */
  | { readonly type: 'snapshot-sent'; readonly to: NodeId; readonly delivered: boolean };

/** `handing-over`: whoever leads next will take it, in a moment. */
export type RefusalReason = 'not-leader' | 'overloaded' | 'handing-over';

/** A message and whom it is for. */
export interface Outgoing<Message> {
  readonly to: NodeId;
  readonly message: Message;
}

/** A learner has no voice: it takes over what the others have committed. */
export type Role = 'follower' | 'candidate' | 'leader' | 'learner';

/** What a protocol wants done, in the order in which it is pushed. Whoever steps it carries out all of it. */
export type Effect<Message> =
  /**
   * Make durable, in this order: the hard state, the truncation, the entries. `thenSend` leaves only
   * when this and every earlier `persist` is durable: the replies in it promise exactly that. With
   * nothing to write it still waits for the earlier ones. Answered by a `persisted` input with `mark`,
   * which grows by one with each `persist` and `install`.
   */
  | {
      readonly type: 'persist';
      readonly mark: number;
      readonly hardState?: Uint8Array;
      readonly truncateAfter?: LogIndex;
      readonly entries: readonly Entry[];
      readonly thenSend: readonly Outgoing<Message>[];
    }
  /** Leaves at once: it promises nothing that is not durable already. */
  | { readonly type: 'send'; readonly to: NodeId; readonly message: Message }
  /** The next entries, chosen for ever, in order and without a gap. Each index is emitted once per start. */
  | { readonly type: 'committed'; readonly entries: readonly Entry[] }
  /** The proposals of the last `propose` stand at these indexes, not committed yet. */
  | { readonly type: 'accepted'; readonly first: LogIndex; readonly last: LogIndex }
  /** The proposals of the last `propose` were not appended. */
  | { readonly type: 'refused'; readonly reason: RefusalReason }
  /** The lead could not be handed over: this node still has it, and takes proposals again. */
  | { readonly type: 'transfer-failed'; readonly to: NodeId }
  /** The read may be served from a state that has applied at least `index`. */
  | { readonly type: 'read-ready'; readonly read: number; readonly index: LogIndex }
  | { readonly type: 'read-refused'; readonly read: number }
  /** Role, known leader or reign have changed. `leader` is undefined while none is known. */
  | { readonly type: 'role'; readonly role: Role; readonly leader: NodeId | undefined; readonly reign: Reign }
  /** The peer needs entries that are forgotten here: send it the newest snapshot. Answered by `snapshot-sent`. */
  | { readonly type: 'send-snapshot'; readonly to: NodeId }
  /**
   * Put the received snapshot in place of the state: durably first, then in memory. With `discardsLog`
   * the entries above it go too. Then as with `persist`.
   */
  | {
      readonly type: 'install';
      readonly mark: number;
      readonly snapshot: { readonly index: LogIndex; readonly reign: Reign };
      readonly discardsLog: boolean;
      readonly thenSend: readonly Outgoing<Message>[];
    };

/** What anyone may ask of a running protocol, in neutral words. */
export interface ProtocolStatus {
  readonly role: Role;
  readonly leader: NodeId | undefined;
  readonly reign: Reign;
  /** Highest index known to be chosen together with everything below it. */
  readonly commitIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Everything up to here is forgotten in the log and held by a snapshot. */
  readonly snapshotIndex: LogIndex;
  /** Time alone changes nothing here until some other input comes, so ticks may be few. Default: false. */
  readonly rests?: boolean;
}

/**
 * A consensus protocol. `State` is owned by the protocol and opaque to the replica; `Message` is plain
 * data. Decoders throw `ERR_FRAME_INVALID` and nothing else.
 */
export interface Protocol<State, Message> {
  readonly name: string;
  /** @param nowMs the node's monotonic clock. The effects of starting, if any, come with the first `step`. */
  start(options: ProtocolOptions, recovered: RecoveredState, nowMs: number): State;
  /** Appends effects to `effects`. @param nowMs never smaller than in the step before */
  step(state: State, input: Input<Message>, nowMs: number, effects: Effect<Message>[]): void;
  status(state: State): ProtocolStatus;
  /** The hard state that every member of an epoch begins with: it has granted the appointed its first reign. */
  foundingHardState(founding: Founding): Uint8Array;
  /**
   * Committed entries from `from` on, without a gap, as many as the limits allow and one at least if there is
   * one; undefined when the log has forgotten some of them. For members that learn without voting.
   */
  committedFrom(state: State, from: LogIndex, limits: PageLimits): readonly Entry[] | undefined;
  /** A positional array of MessagePack values. */
  encodeMessage(message: Message): readonly unknown[];
  decodeMessage(wire: unknown): Message;
  /** What the safety checkers of the simulator compare between nodes and over time; never used to decide. */
  inspect(state: State): ProtocolInspection;
}

/** What a page of entries may hold; at least one entry if there is one. */
export interface PageLimits {
  /** Payload bytes; a single larger entry still goes. */
  readonly bytesMax: number;
  readonly entriesMax: number;
}

/** A view for checkers. */
export interface ProtocolInspection extends ProtocolStatus {
  /**
   * What the log holds above `index`, ascending; what the snapshot holds is not in it. A function,
   * because checkers look after every step and mostly at the end. Only good until the next step.
   */
  entriesAbove(index: LogIndex): readonly Entry[];
  /** The promise or vote that binds this node: reign, and for whom if the protocol knows. */
  readonly promisedReign: Reign;
  readonly votedFor: NodeId | undefined;
}
