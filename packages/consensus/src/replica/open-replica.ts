/**
 * Opens the replica of one group on the store of its node, from an empty log or a long one to a running protocol.
 *
 * The order is the argument for its safety: the charter first, then the snapshot that the log counts from, and
 * only then the protocol, which knows its promises before it hears its first message.
 */
import {
  type ActorContext,
  type ActorRef,
  type Address,
  invariant,
  messageOf,
  type NodeId,
} from '@quorate/core';
import type { WriteAheadLog } from '@quorate/storage';
import { learnerOn } from '../learner/learner.ts';
import type { LogIndex, Protocol, Reign } from '../protocol.ts';
import type { StateMachineDefinition } from '../state-machine.ts';
import { type Charter, charterRecord, recoverCharter, requireMachineVersion } from './charter.ts';
import { leaseMsFor } from './clock-bound.ts';
import type { Epoch, NextEpoch } from './epoch.ts';
import { Epochs, type StartProtocolOptions } from './epochs.ts';
import { firstTurnMs } from './first-turn.ts';
import type { EpochChange } from './message.ts';
import type { NodeStore } from './node-store.ts';
import { recoverState } from './recover-state.ts';
import { Replica } from './replica.ts';
import type { ReplicatedState } from './replicated-state.ts';
import { defaultSessionLimits, type SessionLimits } from './session-table.ts';
import type { ReplicaTuning } from './tuning.ts';

/** The epoch that a blank log begins with; later starts find theirs in the charter. */
export type FirstEpoch = Pick<NextEpoch, 'number' | 'algorithm' | 'acceptQuorum' | 'members'>;

export interface OpenReplicaOptions {
  /** 0 for the first. */
  readonly group: number;
  readonly store: NodeStore;
  readonly machine: StateMachineDefinition;
  readonly epoch: FirstEpoch;
  /** The group exists already and this node has no voice in it yet, so it learns until an epoch names it. */
  readonly joins: boolean;
  /** Gives the protocol that a charter names. */
  readonly loadProtocol: (algorithm: string) => Promise<Protocol<unknown, unknown>>;
  readonly tuning: ReplicaTuning;
  /** Whether an idle leader falls silent; somebody has to tell of peers that are gone, then. */
  readonly quiesces: boolean;
  readonly sessionLimits: SessionLimits | undefined;
  /** Called when the replica stops for good because of `error`. */
  readonly failed: (error: unknown) => void;
}

/** A replica that runs, for checkers that look inside. */
export interface OpenedReplica {
  readonly group: number;
  readonly replica: Replica;
  readonly state: ReplicatedState;
  readonly log: WriteAheadLog;
  /** Of the epoch that the replica serves at the moment. */
  readonly protocol: Protocol<unknown, unknown>;
  readonly protocolState: unknown;
}

/** The name that the actor of a group's replica has on each node. */
export function replicaActorName(group: number): string {
  return `replica-${group}`;
}

/** @throws CodedError ERR_FOREIGN_DATA, ERR_LOG_CORRUPT, ERR_DISK_FULL, ERR_DISK_FAILED, ERR_MODULE_INVALID */
export async function openReplica(
  context: ActorContext,
  options: OpenReplicaOptions,
): Promise<OpenedReplica> {
  const { group, machine, tuning } = options;
  const { node, clock } = context;
  const { log, diskId, snapshots } = options.store;
  const found = recoverCharter(log, group);
  const charter = found ?? firstCharter(options);
  requireMachineVersion(charter, machine.version);
  const { epoch, standing } = charter;
  const protocolFor = async (of: Epoch, as: Charter['standing']): Promise<Protocol<unknown, unknown>> =>
    as === 'learner' ? learnerOn(diskId) : options.loadProtocol(of.algorithm);
  const protocol = await protocolFor(epoch, standing);
  if (found === undefined) await written(log, group, charter);

  const { state, restoredFrom, standsAt, recovered } = await recoverState({
    group,
    charter,
    log,
    snapshots,
    machine,
    sessionLimits: options.sessionLimits ?? defaultSessionLimits,
  });
  const startProtocol = (start: StartProtocolOptions): unknown => startIn(context, options, start);
  const { members } = epoch;
  const isOneOfMany = options.quiesces && members.includes(node);
  const firstTurn = isOneOfMany
    ? { firstTurnMs: firstTurnMs({ group, self: node, members }, tuning.electionTimeoutMs) }
    : {};
  const protocolState = startProtocol({ epoch, protocol, recovered, isAppointed: false, ...firstTurn });
  const { heartbeatMs, electionTimeoutMs, uncommittedBytesMax, snapshotEveryBytes, snapshotChunkBytes } =
    tuning;
  const replica = new Replica({
    node,
    group,
    clock,
    random: context.random.fork('replica'),
    log,
    snapshots,
    state,
    restoredFrom,
    standsAt,
    snapshotEveryBytes,
    snapshotChunkBytes,
    heartbeatMs,
    electionTimeoutMs,
    uncommittedBytesMax,
    mailboxDepth: () => context.mailboxDepth(),
    peer: peersOf(context, group),
    warn: (message, error) =>
      context.log.warn(message, error === undefined ? {} : { error: messageOf(error) }),
    failed: options.failed,
    epochs: (ports) =>
      new Epochs(
        {
          ...ports,
          node,
          group,
          diskId,
          clock,
          log,
          charter,
          heartbeatMs,
          electionTimeoutMs,
          pageBytesMax: tuning.appendBytesMax,
          protocolFor,
          startProtocol,
        },
        protocol,
        protocolState,
      ),
    tryAlgorithm: (change) => tryToBegin(context, options, change),
  });
  return {
    group,
    replica,
    state,
    log,
    get protocol() {
      return replica.run.protocol;
    },
    get protocolState() {
      return replica.run.protocolState;
    },
  };
}

/** The replicas of the group on other nodes. */
function peersOf(context: ActorContext, group: number): (node: NodeId) => ActorRef {
  const peers = new Map<NodeId, ActorRef>();
  return (node) => {
    const known = peers.get(node);
    if (known !== undefined) return known;
    const ref = context.actor(`${node}/${replicaActorName(group)}` as Address);
    peers.set(node, ref);
    return ref;
  };
}

function firstCharter({ epoch, joins, machine }: OpenReplicaOptions): Charter {
  return {
    epoch: { ...epoch, disks: new Map(), base: 0 as LogIndex, appointed: undefined },
    standing: joins ? 'learner' : 'voter',
    trail: [],
    machineVersion: machine.version,
  };
}

function written(log: WriteAheadLog, group: number, charter: Charter): Promise<void> {
  return new Promise((resolve) => {
    log.append([charterRecord(group, charter)], resolve);
  });
}

/**
 * Begins an epoch with `change` for nobody: a protocol that throws at that would end the cluster once the STOP is
 * chosen, and here it refuses the change.
 */
async function tryToBegin(
  context: ActorContext,
  options: OpenReplicaOptions,
  { algorithm, acceptQuorum, members }: EpochChange,
): Promise<void> {
  const protocol = await options.loadProtocol(algorithm);
  const [appointed] = members;
  invariant(appointed !== undefined, 'an epoch has members');
  const noIndex = 0 as LogIndex;
  const noReign = 0 as Reign;
  const hardState = protocol.foundingHardState({ members, appointed, base: noIndex, reign: noReign });
  const recovered = { hardState, snapshot: { index: noIndex, reign: noReign }, entries: [] };
  const epoch = { members, acceptQuorum };
  // Who is not among the members tries it in the place of one.
  const self = members.includes(context.node) ? context.node : appointed;
  const start = { epoch, protocol, recovered, isAppointed: self === appointed };
  const { role } = protocol.status(startIn(context, options, start, self));
  if (!['leader', 'candidate', 'follower'].includes(role))
    throw new Error(`${algorithm}: what start() gives has no status`);
}

function startIn(
  context: ActorContext,
  { tuning, quiesces }: OpenReplicaOptions,
  { epoch, protocol, recovered, isAppointed, firstTurnMs }: StartProtocolOptions,
  self = context.node,
): unknown {
  const { electionTimeoutMs, heartbeatMs, appendBytesMax, appendsInFlightMax, uncommittedBytesMax } = tuning;
  return protocol.start(
    {
      self,
      members: epoch.members,
      electionTimeoutMs,
      heartbeatMs,
      appendBytesMax,
      appendsInFlightMax,
      uncommittedBytesMax,
      seed: context.random.below(2 ** 32),
      leaseMs: leaseMsFor(electionTimeoutMs[0]),
      ...(epoch.acceptQuorum === undefined ? {} : { acceptQuorum: epoch.acceptQuorum }),
      isAppointed,
      quiesces,
      ...(firstTurnMs === undefined ? {} : { firstTurnMs }),
    },
    recovered,
    context.clock.nowMs(),
  );
}
