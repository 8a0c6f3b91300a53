/**
 * Opens a replica: from a directory, empty or not, to a running protocol.
 *
 * The order is the argument for its safety: identity first, then the log, then the snapshot that the log
 * counts from, and only then the protocol, which knows its promises before it hears its first message.
 */
import {
  type ActorContext,
  type ActorRef,
  type Address,
  type Behavior,
  CodedError,
  messageOf,
  type NodeId,
  parseAddress,
} from '@quorate/core';
import {
  type FileSystem,
  openNodeDirectory,
  readNodeDirectory,
  SnapshotStore,
  WriteAheadLog,
} from '@quorate/storage';
import { learnerOn } from '../learner/learner.ts';
import type { LogIndex, Protocol } from '../protocol.ts';
import type { StateMachineDefinition } from '../state-machine.ts';
import { type Charter, charterRecord, recoverCharter, requireMachineVersion } from './charter.ts';
import { leaseMsFor } from './clock-bound.ts';
import type { Epoch, NextEpoch } from './epoch.ts';
import { Epochs, type StartProtocolOptions } from './epochs.ts';
import { recoverState } from './recover-state.ts';
import { Replica } from './replica.ts';
import type { ReplicatedState } from './replicated-state.ts';
import { defaultSessionLimits, type SessionLimits } from './session-table.ts';

/** Tunables of a replica; durations in milliseconds, sizes in bytes. */
export interface ReplicaTuning {
  readonly electionTimeoutMs: readonly [min: number, max: number];
  readonly heartbeatMs: number;
  /** Whether the end of a peer's thread is told to the protocol. */
  readonly peerDownHints: boolean;
  readonly appendBytesMax: number;
  readonly appendsInFlightMax: number;
  readonly uncommittedBytesMax: number;
  readonly snapshotEveryBytes: number;
  readonly segmentBytes: number;
  /** Bytes of a snapshot that travel in one message. */
  readonly snapshotChunkBytes: number;
}

export const defaultTuning: ReplicaTuning = {
  electionTimeoutMs: [150, 300],
  heartbeatMs: 50,
  peerDownHints: true,
  appendBytesMax: 1 << 20,
  appendsInFlightMax: 64,
  uncommittedBytesMax: 64 << 20,
  snapshotEveryBytes: 64 << 20,
  segmentBytes: 64 << 20,
  snapshotChunkBytes: 256 << 10,
};

export interface OpenReplicaOptions {
  readonly clusterId: string;
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** The disk that this node is known by; undefined while the cluster starts for the first time. */
  readonly diskId?: string | undefined;
  readonly machine: StateMachineDefinition;
  /**
   * The epoch that a blank directory begins with; later starts find theirs in the charter. `joins`: the group
   * exists already and this node has no voice in it yet, so it learns until an epoch names it.
   */
  readonly epoch: Pick<NextEpoch, 'number' | 'algorithm' | 'acceptQuorum' | 'members'>;
  readonly joins?: boolean;
  /** Gives the protocol that a charter names. */
  readonly loadProtocol: (algorithm: string) => Promise<Protocol<unknown, unknown>>;
  readonly tuning: ReplicaTuning;
  /** Part of what the state is a function of: the same for every member, from the first entry on. */
  readonly sessionLimits?: SessionLimits;
  /** Called when the replica stops for good because of `error`. */
  readonly onFailure?: (error: unknown) => void;
  /** Lets a checker look inside. */
  readonly onOpened?: (opened: OpenedReplica) => void;
}

export interface OpenedReplica {
  readonly replica: Replica;
  readonly state: ReplicatedState;
  readonly log: WriteAheadLog;
  /** Of the epoch that the replica serves at the moment. */
  readonly protocol: Protocol<unknown, unknown>;
  readonly protocolState: unknown;
}

/** The name that every replica's actor has on its node. */
export const replicaActorName = 'replica';
const group = 0;

/** @throws CodedError ERR_FOREIGN_DATA, ERR_LOG_CORRUPT, ERR_DISK_FULL, ERR_DISK_FAILED, ERR_MODULE_INVALID */
export async function openReplica(
  context: ActorContext,
  options: OpenReplicaOptions,
): Promise<Behavior<unknown, void>> {
  const { fileSystem, directory, clusterId, tuning } = options;
  const { node, clock, random } = context;
  if (options.diskId !== undefined) await requireData(fileSystem, directory, options.diskId);
  const disk = await openNodeDirectory({ fileSystem, directory, clusterId, node, random });
  if (options.diskId !== undefined) requireDisk(directory, disk.diskId, options.diskId);
  let replica: Replica | undefined;
  let failOpening: (error: unknown) => void = () => undefined;
  const failedWhileOpening = new Promise<never>((_, reject) => {
    failOpening = reject;
  });
  // Nobody may be listening when it comes.
  failedWhileOpening.catch(() => undefined);
  const log = await WriteAheadLog.open({
    fileSystem,
    directory: `${directory}/log`,
    diskId: disk.diskId,
    mustExist: disk.isEstablished,
    clock,
    segmentBytes: tuning.segmentBytes,
    onFailure: (error) => (replica === undefined ? failOpening(error) : replica.fail(error)),
  });
  try {
    const opened = await Promise.race([
      startReplica(context, options, { log, diskId: disk.diskId }),
      failedWhileOpening,
    ]);
    // The charter is durable: from here on a directory without a log is one that was wiped.
    await disk.establish();
    replica = opened.replica;
    options.onOpened?.(opened);
    return replicaBehavior(context, opened, tuning);
  } catch (error) {
    await log.close();
    throw error;
  }
}

/**
 * A member is its name together with its disk: one that has lost what it promised must not vote as if it
 * had promised nothing. So a folder that is known to have had data is not made anew when it is blank.
 */
async function requireData(fileSystem: FileSystem, directory: string, expected: string): Promise<void> {
  if ((await readNodeDirectory({ fileSystem, directory })) !== undefined) return;
  throw new CodedError(
    'ERR_LOG_CORRUPT',
    `${directory} is blank; this member's data was on disk ${expected}`,
    { directory, expected },
  );
}

function requireDisk(directory: string, found: string, expected: string): void {
  if (found === expected) return;
  throw new CodedError(
    'ERR_LOG_CORRUPT',
    `${directory} is on disk ${found}; this member's data was on disk ${expected}`,
    { directory, expected, found },
  );
}

async function startReplica(
  context: ActorContext,
  options: OpenReplicaOptions,
  disk: { readonly log: WriteAheadLog; readonly diskId: string },
): Promise<OpenedReplica> {
  const { fileSystem, directory, machine, tuning } = options;
  const { node, clock } = context;
  const { log, diskId } = disk;
  const found = recoverCharter(log, group);
  const charter = found ?? firstCharter(options);
  requireMachineVersion(charter, machine.version);
  const { epoch, standing } = charter;
  const protocolFor = async (of: Epoch, as: Charter['standing']): Promise<Protocol<unknown, unknown>> =>
    as === 'learner' ? learnerOn(diskId) : options.loadProtocol(of.algorithm);
  const protocol = await protocolFor(epoch, standing);
  const snapshots = await SnapshotStore.open({ fileSystem, directory: `${directory}/snapshots` });
  if (found === undefined) await written(log, charter);

  const { state, restoredFrom, standsAt, recovered } = await recoverState({
    group,
    charter,
    log,
    snapshots,
    machine,
    sessionLimits: options.sessionLimits ?? defaultSessionLimits,
  });
  const startProtocol = (start: StartProtocolOptions): unknown => startIn(context, tuning, start);
  const protocolState = startProtocol({ epoch, protocol, recovered, isAppointed: false });
  const peers = new Map<NodeId, ActorRef>();
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
    peer(name) {
      const known = peers.get(name);
      if (known !== undefined) return known;
      const ref = context.actor(`${name}/${replicaActorName}` as Address);
      peers.set(name, ref);
      return ref;
    },
    warn: (message, error) =>
      context.log.warn(message, error === undefined ? {} : { error: messageOf(error) }),
    failed: (error) => options.onFailure?.(error),
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
    tryAlgorithm: options.loadProtocol,
  });
  return {
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

function firstCharter({ epoch, joins, machine }: OpenReplicaOptions): Charter {
  return {
    epoch: { ...epoch, disks: new Map(), base: 0 as LogIndex, appointed: undefined },
    standing: joins === true ? 'learner' : 'voter',
    trail: [],
    machineVersion: machine.version,
  };
}

function written(log: WriteAheadLog, charter: Charter): Promise<void> {
  return new Promise((resolve) => {
    log.append([charterRecord(group, charter)], resolve);
  });
}

function startIn(
  context: ActorContext,
  tuning: ReplicaTuning,
  { epoch, protocol, recovered, isAppointed }: StartProtocolOptions,
): unknown {
  const { electionTimeoutMs, heartbeatMs, appendBytesMax, appendsInFlightMax, uncommittedBytesMax } = tuning;
  return protocol.start(
    {
      self: context.node,
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
    },
    recovered,
    context.clock.nowMs(),
  );
}

/** The actor around a replica: messages, timers and the watch over its peers. */
function replicaBehavior(
  context: ActorContext,
  { replica }: OpenedReplica,
  { heartbeatMs, peerDownHints }: ReplicaTuning,
): Behavior<unknown, void> {
  /** Peers whose end this actor will be told of. */
  const watched = new Set<NodeId>();
  // Whatever is thrown here is a bug. The actor would end without a word; the replica says why it stopped.
  const guarded = (run: () => void): void => {
    try {
      run();
    } catch (error) {
      replica.fail(error);
    }
  };
  context.timers.every(heartbeatMs / 5, () => guarded(() => replica.tick()));
  context.timers.every(heartbeatMs * 2, () => guarded(() => replica.publish()));
  return {
    receive(wire, from) {
      const fromNode = parseAddress(from.address).node;
      const isPeer = replica.run.isMember(fromNode) && fromNode !== context.node;
      if (peerDownHints && isPeer && !watched.has(fromNode)) {
        watched.add(fromNode);
        context.watch(from);
      }
      guarded(() => replica.receive(wire, from, fromNode));
    },
    signal(signal) {
      if (signal.type !== 'terminated') return;
      const peer = parseAddress(signal.address).node;
      watched.delete(peer);
      // Only the end of the thread counts: silence, or an actor that restarts, is no evidence.
      if (signal.reason === 'node-down') guarded(() => replica.peerDown(peer));
    },
    stopped: () => replica.stop(),
  };
}
