/**
 * The state of one member: an acceptor and a learner always, a proposer when it has reason to.
 *
 * Kept in memory by the three roles; what must outlive the process is `promised` and the values of
 * `log`, and they become durable through the outbox before anyone is told.
 */
import { CodedError, invariant, type NodeId, type Random, seededRandom } from '@quorate/core';
import type { LastWords } from '../last-words.ts';
import type { ProtocolOptions, RecoveredState } from '../protocol.ts';
import type { PeerProgress } from './accept-pipeline.ts';
import type { AcceptorSet } from './acceptor-set.ts';
import { acceptorCountMax, type Ballot, laterSlot, noBallot, noSlot, type Slot } from './ballot.ts';
import type { AcceptanceTally } from './chosen-rule.ts';
import type { HandOver } from './hand-over.ts';
import { decodeHardState } from './hard-state.ts';
import type { LeaseBook } from './leader-lease.ts';
import type { Outbox } from './outbox.ts';
import { newOutbox } from './outbox.ts';
import { type PhaseQuorums, phaseQuorums } from './phase-quorums.ts';
import type { PendingRead } from './read-confirmation.ts';
import { SlotLog } from './slot-log.ts';
import type { ReportedValues } from './value-adoption.ts';

/** No part of a proposer: waits for the leader, or for its own time to stand. */
export interface Idle {
  readonly phase: 'idle';
}

/** Asks whether it would find a phase-1 quorum, without raising a ballot. */
export interface Canvassing {
  readonly phase: 'canvassing';
  readonly canvass: number;
  granted: AcceptorSet;
  resendAtMs: number;
}

/** In phase 1 of `ballot`. */
export interface Preparing {
  readonly phase: 'preparing';
  readonly ballot: Ballot;
  readonly fromSlot: Slot;
  /** The ballot whose leader gave way to this proposer; `noBallot` if none did. */
  readonly gaveWay: Ballot;
  /** The write that makes the proposer's own promise durable. */
  readonly promiseMark: number;
  /** Acceptors whose promise is complete, this one's own included once it is durable. */
  promisedBy: AcceptorSet;
  /** Where the next page of an incomplete promise begins. */
  readonly nextPages: Map<NodeId, Slot>;
  readonly reported: ReportedValues;
  resendAtMs: number;
}

/** Phase 1 of `ballot` is done: proposes values in phase 2, slot after slot. */
export interface Leading {
  readonly phase: 'leading';
  readonly ballot: Ballot;
  /** The last slot that phase 1 found open; a read waits until all up to it are chosen. */
  readonly recoveredUpTo: Slot;
  /** The last slot proposed under this ballot. */
  lastProposed: Slot;
  readonly tally: AcceptanceTally;
  /** What this node has accepted from itself and not yet made durable, in the order of the marks. */
  readonly ownWrites: { readonly mark: number; readonly first: Slot; readonly last: Slot }[];
  readonly peers: ReadonlyMap<NodeId, PeerProgress>;
  /** Payload bytes proposed and not chosen yet. */
  uncommittedBytes: number;
  round: number;
  heartbeatAtMs: number;
  readonly reads: PendingRead[];
  readonly lease: LeaseBook;
  handOver: HandOver | undefined;
  /** When something was last wanted of this leader. */
  activeAtMs: number;
  /** The last round, if it said that the leader may fall silent. */
  restRound: number | undefined;
}

export type Proposer = Idle | Canvassing | Preparing | Leading;

export const idle: Idle = { phase: 'idle' };

export interface MultiPaxosState {
  readonly options: ProtocolOptions;
  /** The place of this node among the members. */
  readonly ordinal: number;
  readonly ordinals: ReadonlyMap<NodeId, number>;
  readonly peers: readonly NodeId[];
  readonly quorums: PhaseQuorums;
  readonly random: Random;
  readonly outbox: Outbox;
  /** The time of the step in progress, or of the last one. */
  nowMs: number;

  // The acceptor.

  /**
   * The highest ballot promised. Invariants: it never decreases; it is at least the ballot of every value
   * in `log`; and it is at least the ballot at which any slot known to be chosen was first chosen, so
   * that whoever knows more than an old leader does not help it on.
   */
  promised: Ballot;
  /** Invariant: the ballot of a slot's value never decreases, except to the ballot it was chosen at. */
  readonly log: SlotLog;

  // The learner.

  /** Every slot up to here is known to be chosen, held here or in the snapshot. */
  chosenUpTo: Slot;
  /** What the hard state said about `chosenUpTo` at the start; told to the state machine in the first step. */
  readonly recoveredChosenUpTo: Slot;
  /** The watermark last heard from the leader of `promised`. */
  leaderWatermark: Slot;
  /** When a learner that is behind the watermark asks for what it lacks. */
  catchUpAtMs: number;
  /** The write of the last page of it: the next one is not asked for before that is durable. */
  catchUpMark: number;
  /** Peers that are being sent a snapshot, and when they may be offered the next one. */
  readonly snapshotOffers: Map<NodeId, number>;

  // Who leads.

  leader: NodeId | undefined;
  /**
   * When the leader was last heard, or this life began: from then on the acceptor is loyal for a while, to a
   * leader that it may have forgotten. -Infinity when it is known to be gone, or was forsaken.
   */
  leaderHeardMs: number;
  readonly lastWords: LastWords;
  /** The leader has fallen silent, and that is as it should be. */
  rests: boolean;
  /** A command that ends the epoch was proposed here: no lease any more. */
  isSealed: boolean;
  /** When this node stands, or gives up the attempt that is under way. */
  standAtMs: number;
  /** Before this it does not stand: its disk has just cost it the lead. */
  fitToLeadAtMs: number;
  /** The highest ballot heard of, promised or not. */
  highestBallotSeen: Ballot;
  canvassCount: number;
  proposer: Proposer;
  /** The epoch has just been founded with this member as its first leader: it leads from its first step on. */
  isAppointed: boolean;
}

/** @throws CodedError `ERR_LOG_CORRUPT` if what was recovered cannot have been written by this protocol */
export function startState(
  options: ProtocolOptions,
  recovered: RecoveredState,
  nowMs: number,
): MultiPaxosState {
  const { members, self } = options;
  const ordinal = members.indexOf(self);
  invariant(ordinal >= 0, `${self} is one of the members`);
  invariant(members.length <= acceptorCountMax, `at most ${acceptorCountMax} members`);
  const random = seededRandom(options.seed);
  const { promised, chosenUpTo, log } = recoverAcceptor(recovered);
  return {
    options,
    ordinal,
    ordinals: new Map(members.map((member, at) => [member, at])),
    peers: members.filter((member) => member !== self),
    quorums: phaseQuorums(members.length, options.acceptQuorum),
    random,
    outbox: newOutbox(chosenUpTo),
    nowMs,
    promised,
    log,
    chosenUpTo: recovered.snapshot.index,
    recoveredChosenUpTo: chosenUpTo,
    leaderWatermark: noSlot,
    catchUpAtMs: nowMs,
    catchUpMark: 0,
    snapshotOffers: new Map(),
    leader: undefined,
    leaderHeardMs: nowMs,
    lastWords: new Map(),
    rests: false,
    isSealed: false,
    fitToLeadAtMs: nowMs,
    // Alone there is no leader to wait for.
    standAtMs:
      members.length === 1 ? nowMs : nowMs + (options.firstTurnMs ?? drawElectionTimeoutMs(options, random)),
    highestBallotSeen: promised,
    canvassCount: random.below(2 ** 31),
    proposer: idle,
    isAppointed: options.isAppointed ?? false,
  };
}

export function drawElectionTimeoutMs(options: ProtocolOptions, random: Random): number {
  const [min, max] = options.electionTimeoutMs;
  return min + random.next() * (max - min);
}

/** The ordinal of a member; undefined for a stranger. */
export function ordinalOf(state: MultiPaxosState, node: NodeId): number | undefined {
  return state.ordinals.get(node);
}

function recoverAcceptor(recovered: RecoveredState): {
  readonly promised: Ballot;
  readonly chosenUpTo: Slot;
  readonly log: SlotLog;
} {
  const hardState =
    recovered.hardState === undefined
      ? { promised: noBallot, chosenUpTo: noSlot }
      : decodeHardState(recovered.hardState);
  const log = new SlotLog();
  log.forget(recovered.snapshot.index);
  let heldWithoutGap = recovered.snapshot.index;
  for (const entry of recovered.entries) {
    // A promise is durable before what was accepted under it: a value above it means that the log lost one.
    if (entry.reign > hardState.promised) {
      throw corrupt(`slot ${entry.index} was accepted at ${entry.reign}, above the promise`, hardState);
    }
    log.put(entry);
    if (entry.index === heldWithoutGap + 1) heldWithoutGap = entry.index;
  }
  if (hardState.chosenUpTo > heldWithoutGap) {
    throw corrupt(`slot ${heldWithoutGap + 1} was chosen and durable, and is missing`, hardState);
  }
  const chosenUpTo = laterSlot(hardState.chosenUpTo, recovered.snapshot.index);
  return { promised: hardState.promised, chosenUpTo, log };
}

function corrupt(
  message: string,
  details: { readonly promised: Ballot; readonly chosenUpTo: Slot },
): CodedError {
  return new CodedError('ERR_LOG_CORRUPT', message, { ...details });
}
