/**
 * Opens a replica: from a directory, empty or not, to a running protocol.
 *
 * The order is the argument for its safety: identity first, then the log, then the snapshot that the log
 * counts from, and only then the protocol, which knows its promises before it hears its first message.
 */
import {
  type ActorContext,
  type Address,
  type Behavior,
  CodedError,
  invariant,
  messageOf,
  type NodeId,
  parseAddress,
} from '@quorate/core';
import {
  type FileSystem,
  openNodeDirectory,
  type RecoveredLog,
  readNodeDirectory,
  SnapshotStore,
  WriteAheadLog,
} from '@quorate/storage';
import type { Entry, LogIndex, Protocol, RecoveredState, Reign } from '../protocol.ts';
import type { StateMachineDefinition } from '../state-machine.ts';
import { type Charter, recoverCharter, requireMachineVersion, writeCharter } from './charter.ts';
import { leaseMsFor } from './clock-bound.ts';
import { Replica } from './replica.ts';
import { ReplicatedState } from './replicated-state.ts';
import { restoreSnapshot } from './restore-snapshot.ts';
import type { SessionLimits } from './session-table.ts';

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
  /** What the first start writes into the charter; later starts find it there. */
  readonly algorithm: string;
  readonly members: readonly NodeId[];
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
  readonly protocol: Protocol<unknown, unknown>;
  readonly protocolState: unknown;
  readonly state: ReplicatedState;
  readonly log: WriteAheadLog;
  readonly charter: Charter;
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
    const opened = await Promise.race([startProtocol(context, options, log), failedWhileOpening]);
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

async function startProtocol(
  context: ActorContext,
  options: OpenReplicaOptions,
  log: WriteAheadLog,
): Promise<OpenedReplica> {
  const { fileSystem, directory, machine, tuning } = options;
  const { node, clock } = context;
  const found = recoverCharter(log, group);
  const charter = found ?? {
    epoch: 1,
    algorithm: options.algorithm,
    members: options.members,
    machineVersion: machine.version,
  };
  requireMachineVersion(charter, machine.version);
  const { epoch } = charter;
  const protocol = await options.loadProtocol(charter.algorithm);
  const snapshots = await SnapshotStore.open({ fileSystem, directory: `${directory}/snapshots` });
  if (found === undefined) await writeCharter(log, group, charter);

  const recovered = recoverState(log.recovered, epoch);
  const state = new ReplicatedState(machine, options.sessionLimits);
  const { snapshot } = recovered;
  if (snapshot.index > 0) await restoreSnapshot(snapshots, { group, epoch, ...snapshot }, state);
  const { electionTimeoutMs, heartbeatMs, appendBytesMax, appendsInFlightMax, uncommittedBytesMax } = tuning;
  const protocolState = protocol.start(
    {
      self: node,
      members: charter.members,
      electionTimeoutMs,
      heartbeatMs,
      appendBytesMax,
      appendsInFlightMax,
      uncommittedBytesMax,
      leaseMs: leaseMsFor(electionTimeoutMs[0]),
      seed: context.random.below(2 ** 32),
    },
    recovered,
    clock.nowMs(),
  );
  const peers = new Map(
    charter.members.map((peer) => [peer, context.actor(`${peer}/${replicaActorName}` as Address)]),
  );
  const replica = new Replica({
    node,
    group,
    epoch,
    clock,
    random: context.random.fork('replica'),
    protocol,
    protocolState,
    log,
    snapshots,
    state,
    snapshotIndex: snapshot.index,
    snapshotEveryBytes: tuning.snapshotEveryBytes,
    snapshotChunkBytes: tuning.snapshotChunkBytes,
    heartbeatMs,
    mailboxDepth: () => context.mailboxDepth(),
    isMember: (name) => peers.has(name),
    peer(name) {
      const ref = peers.get(name);
      invariant(ref !== undefined, `${name} is a member of the epoch`);
      return ref;
    },
    warn: (message, error) =>
      context.log.warn(message, error === undefined ? {} : { error: messageOf(error) }),
    failed: (error) => options.onFailure?.(error),
  });
  return { replica, protocol, protocolState, state, log, charter };
}

/** The actor around a replica: messages, timers and the watch over its peers. */
function replicaBehavior(
  context: ActorContext,
  { replica, charter }: OpenedReplica,
  { heartbeatMs, peerDownHints }: ReplicaTuning,
): Behavior<unknown, void> {
  const members = new Set<string>(charter.members);
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
      if (peerDownHints && members.has(fromNode) && fromNode !== context.node && !watched.has(fromNode)) {
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

function recoverState(recovered: readonly RecoveredLog[], epoch: number): RecoveredState {
  const found = recovered.find((log) => log.group === group && log.epoch === epoch);
  if (found === undefined) {
    return { hardState: undefined, snapshot: { index: 0 as LogIndex, reign: 0 as Reign }, entries: [] };
  }
  const { hardState, snapshot, entries } = found;
  for (const { index } of entries) {
    invariant(index > snapshot.index, 'recovered entries stand above the snapshot');
  }
  return {
    hardState,
    snapshot: { index: snapshot.index as LogIndex, reign: snapshot.reign as Reign },
    entries: entries as readonly Entry[],
  };
}
