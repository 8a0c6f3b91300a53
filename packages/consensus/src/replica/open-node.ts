/**
 * The actor of a node: opens the store that its groups share, opens the replica of each group as a light actor
 * on it, and gives all of them their time.
 *
 * What concerns the node as a whole is done once here, however many groups there are: the disk, the clock's
 * ticks, the hint that a peer's thread has ended, and the watch over the other nodes.
 */
import {
  type ActorContext,
  type Address,
  type Behavior,
  CodedError,
  defineActor,
  invariant,
  type Log,
  messageOf,
  parseAddress,
} from '@quorate/core';
import type { FileSystem, TornTail } from '@quorate/storage';
import type { Protocol } from '../protocol.ts';
import type { StateMachineDefinition } from '../state-machine.ts';
import { GroupHost } from './group-host.ts';
import { openNodeStore } from './node-store.ts';
import { type FirstEpoch, type OpenedReplica, openReplica, replicaActorName } from './open-replica.ts';
import type { SessionLimits } from './session-table.ts';
import type { ReplicaTuning } from './tuning.ts';

/** What a node is opened with. For simulators and tests: an app has a `Cluster`. */
export interface OpenNodeOptions {
  readonly clusterId: string;
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** The disk that this node is known by; undefined while the cluster starts for the first time. */
  readonly diskId?: string | undefined;
  /** How many groups, 1 or more; they are numbered from 0. Default 1. */
  readonly groups?: number;
  readonly machine: StateMachineDefinition;
  /** The epoch that a blank directory begins with; later starts find theirs in the charters. */
  readonly epoch: FirstEpoch;
  /**
   * The groups exist already and this node has no voice in them yet, so it learns until an epoch names it:
   * where each of them stands by now, by its number; those that are not named stand at `epoch`.
   */
  readonly joins?: ReadonlyMap<number, FirstEpoch> | undefined;
  /** Gives the protocol that a charter names. */
  readonly loadProtocol: (algorithm: string) => Promise<Protocol<unknown, unknown>>;
  readonly tuning: ReplicaTuning;
  /** Part of what the state is a function of: the same for every member, from the first entry on. */
  readonly sessionLimits?: SessionLimits | undefined;
  /** Called when a replica stops for good because of `error`. */
  readonly onFailure?: (error: unknown) => void;
  /** Lets a checker look inside; called for each group, when all are open. */
  readonly onOpened?: (opened: OpenedReplica) => void;
}

/** The name that this actor has on every node. */
export const nodeActorName = 'node';

const mailbox = { capacity: 1_000_000 };

/** @throws CodedError ERR_FOREIGN_DATA, ERR_LOG_CORRUPT, ERR_DISK_FULL, ERR_DISK_FAILED, ERR_MODULE_INVALID */
export async function openNode(
  context: ActorContext,
  options: OpenNodeOptions,
): Promise<Behavior<unknown, void>> {
  const { clusterId, fileSystem, directory, diskId, tuning, groups = 1 } = options;
  const { node, clock, random } = context;
  const opening = new Opening();
  let host: GroupHost | undefined;
  const store = await openNodeStore({
    clusterId,
    node,
    fileSystem,
    directory,
    diskId,
    segmentBytes: tuning.segmentBytes,
    clock,
    random,
    onFailure: (error) => (host === undefined ? opening.fail(error) : host.fail(error)),
  });
  if (store.log.torn !== undefined) warnOfTornTail(context.log, store.log.torn);
  const opened: OpenedReplica[] = [];
  try {
    const all = Array.from({ length: groups }, (_, group) =>
      spawnReplica(context, group, async (own, isOpen) => {
        const { joins, epoch, machine, loadProtocol, sessionLimits } = options;
        const one = await openReplica(own, {
          group,
          store,
          machine,
          epoch: joins?.get(group) ?? epoch,
          joins: joins !== undefined,
          loadProtocol,
          tuning,
          quiesces: quiesces(groups),
          sessionLimits,
          failed: (error) => options.onFailure?.(error),
        });
        opened.push(one);
        isOpen();
        await opening.over;
        invariant(host !== undefined, 'replicas are handed out when all are open');
        return host.behaviorOf(one.replica);
      }),
    );
    // Before all are open the opening can be over in one way only: by a failure.
    await Promise.race([Promise.all(all), opening.over]);
    store.log.forgetRecovered();
    await store.establish();
  } catch (error) {
    opening.fail(error);
    for (const { replica } of opened) await replica.stop();
    await store.close();
    throw error;
  }
  opened.sort((one, other) => one.group - other.group);
  host = new GroupHost({
    node,
    clock,
    tuning,
    watchesNodes: quiesces(groups),
    life: random.below(2 ** 32),
    replicas: opened.map(({ replica }) => replica),
    nodeActor: (peer) => context.actor(`${peer}/${nodeActorName}` as Address),
    watch: (ref) => context.watch(ref),
  });
  opening.succeed();
  for (const one of opened) options.onOpened?.(one);
  return nodeBehavior(context, host, tuning, () => store.close());
}

/**
 * After a power failure under load it is what is to be expected. It is told because the same bytes could be an
 * acknowledged commit that the disk has lost since, and only who knows the disk can tell the two apart.
 */
function warnOfTornTail(log: Log, { path, position, bytes }: TornTail): void {
  const line = 'the last commit of the log was torn, and what had arrived of it was dropped';
  log.warn(line, { path, position, bytes });
}

/** Idle groups of many fall silent; a group alone has nobody to share the signs of life with. */
function quiesces(groups: number): boolean {
  return groups > 1;
}

/** Starts the light actor of a group; resolves when its replica is open. Until all are, messages wait. */
function spawnReplica(
  context: ActorContext,
  group: number,
  open: (own: ActorContext, opened: () => void) => Promise<Behavior<unknown, void>>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const definition = defineActor<unknown, void>(async (own) => {
      try {
        return await open(own, resolve);
      } catch (error) {
        // Whoever opens the node is told; this actor ends with it.
        reject(error);
        return { receive: () => undefined };
      }
    });
    context.spawn(replicaActorName(group), definition, { mailbox });
  });
}

/** How the opening of a node ends: with all of its replicas, or with the first that fails. */
class Opening {
  #succeed: () => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;
  /** Resolves when all are open; rejects with what went wrong. */
  readonly over = new Promise<void>((resolve, reject) => {
    this.#succeed = resolve;
    this.#fail = reject;
  });

  constructor() {
    // Nobody may be listening when it comes.
    this.over.catch(() => undefined);
  }

  succeed(): void {
    this.#succeed();
  }

  fail(error: unknown): void {
    this.#fail(error);
  }
}

function nodeBehavior(
  context: ActorContext,
  host: GroupHost,
  { heartbeatMs }: ReplicaTuning,
  close: () => Promise<void>,
): Behavior<unknown, void> {
  context.timers.every(heartbeatMs / 5, () => host.tick());
  context.timers.every(heartbeatMs * 2, () => host.publish());
  return {
    receive(wire, from) {
      try {
        host.receive(wire, from);
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
        context.log.warn(`a message from ${from.address} was refused`, { error: messageOf(error) });
      }
    },
    signal(signal) {
      if (signal.type !== 'terminated') return;
      const { node } = parseAddress(signal.address);
      host.watchEnded(node);
      // Only the end of the thread counts: silence, or an actor that ended, is no evidence.
      if (signal.reason !== 'node-down') return;
      invariant(
        signal.incarnation !== undefined,
        'whoever tells of the end of a thread knows which life it was',
      );
      host.threadEnded(node, { ended: signal.incarnation, present: context.incarnationOf(node) });
    },
    // By now the replicas have stopped, and nothing is written any more.
    stopped: close,
  };
}
