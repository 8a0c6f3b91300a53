/**
 * The cluster as an app embeds it: nodes in worker threads, a directory, and a client in the app's thread.
 *
 * This file starts and stops parts and knows no protocol. A command does not pass through it: it goes
 * from the client over a direct port to the leader's thread.
 */
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { resolve } from 'node:path';
import {
  ActorSystem,
  CodedError,
  type ErrorCode,
  errorToData,
  type Log,
  type LogFields,
  messageOf,
  type NodeId,
  type NodeInspection,
  optionInvalid,
  silentLog,
  systemClock,
} from '@quorate/core';
import { nodeFileSystem } from '@quorate/storage';
import { majoritySize } from '../quorum/majority.ts';
import { nodeActorName } from '../replica/open-node.ts';
import type { AnswerOf, CommandOf, QueryOf, ResultOf, StateMachineDefinition } from '../state-machine.ts';
import { claimStorage, releaseAfter } from './claimed-storage.ts';
import type { Client } from './client.ts';
import { type ClusterIdentity, nodesOf } from './cluster-directory.ts';
import { type ClusterStatus, type NodeStatus, statusOf } from './cluster-status.ts';
import { EpochControl, type EpochOrder } from './epoch-control.ts';
import { ClusterFaults } from './faults.ts';
import { Group } from './group.ts';
import { GroupClients, type GroupClientsParts } from './group-clients.ts';
import { beginsWithoutVoice, nodeArgument } from './node-argument.ts';
import { type CheckedOptions, type ClusterOptions, checkOptions, clientNodeName } from './options.ts';
import type { QueryOptions } from './queries.ts';
import type { Session } from './session.ts';
import { openedInTime, requireOpened } from './start-patience.ts';
import type { CallOptions } from './waiting-call.ts';

// biome-ignore lint/suspicious/noExplicitAny: stands for a definition of any types
type AnyDefinition = StateMachineDefinition<any, any, any, any>;

/** What {@link Cluster.on} tells, by name. Told in the app's thread, a moment after it happened. */
export interface ClusterEvents {
  /** Somebody leads a group, who did not before. */
  leader: [{ readonly node: string; readonly term: number; readonly group: number }];
  /** A node's thread has ended; it stays down until `faults.restart`. `error`: what ended it, if it was not killed. */
  'node-down': [{ readonly node: string; readonly reason: string; readonly error: string | undefined }];
  /** A node's thread has begun a new life. */
  'node-up': [{ readonly node: string }];
  /** A replica stopped for good, its disk failing or its state not to be trusted; the others go on. */
  'node-failed': [
    { readonly node: string; readonly group: number; readonly code: ErrorCode; readonly message: string },
  ];
  /** Something that the app should know and need not act upon at once. */
  warning: [{ readonly message: string }];
}

interface Parts {
  readonly system: ActorSystem;
  /** What the directory said at the start. */
  readonly identity: ClusterIdentity;
  readonly options: CheckedOptions;
  readonly release: () => Promise<void>;
}

/** How long a start waits for a disk that does not answer, once a majority of the nodes could serve. */
const slowDiskMs = 5_000;

/** What the directory has to be let go of after a stop, however long that took; only its own disk can take longer. */
const lettingGoMs = 1_000;

/** A replicated state machine of type `D`, embedded in this process. */
export class Cluster<D extends AnyDefinition = StateMachineDefinition> {
  /** Faults on purpose: for tests, benches and drills. */
  readonly faults: ClusterFaults;
  readonly #parts: Parts;
  readonly #clients: GroupClients;
  readonly #groups = new Map<number, Group<D>>();
  readonly #events: EventEmitter;
  readonly #epochs: EpochControl;
  readonly #down = new Set<string>();
  /** Nodes whose replicas could not be opened on what their directory holds. */
  readonly #unopened = new Map<string, NonNullable<NodeStatus['failure']>>();
  #stopping: Promise<void> | undefined;

  private constructor(parts: Parts, events: EventEmitter) {
    this.#parts = parts;
    this.#events = events;
    const { storage, tuning } = parts.options;
    this.#clients = new GroupClients({
      system: parts.system,
      tuning,
      members: () => this.#epochs.identity.members,
      ...newsAsEvents(events),
    });
    this.#epochs = new EpochControl({
      system: parts.system,
      client: (group) => this.#clients.of(group),
      identity: parts.identity,
      storage:
        storage === 'memory'
          ? undefined
          : { fileSystem: nodeFileSystem(), directory: resolve(storage.directory) },
      openNode: (node) => this.#openNode(node),
      nodeRemoved: (node) => this.#clients.nodeRemoved(node),
      clock: systemClock,
      warn: (message) => this.#emit('warning', { message }),
    });
    this.faults = new ClusterFaults({
      system: parts.system,
      nodes: () => this.#epochs.nodes,
      restart: (node) => this.#restart(node),
    });
    parts.system.on('node-down', ({ node, reason, error }) => {
      this.#down.add(node);
      if (parts.options.tuning.peerDownHints) this.#clients.nodeDown(node as NodeId);
      this.#emit('node-down', { node, reason, error: error?.message });
    });
    parts.system.on('node-up', ({ node }) => {
      this.#down.delete(node);
      this.#clients.nodeUp(node as NodeId);
      this.#emit('node-up', { node });
    });
  }

  /**
   * Starts the nodes, each in its own worker thread, and resolves when they have recovered their data. A
   * leader may be elected a moment later; calls wait for it. A directory that holds data is resumed: what
   * it says of algorithm, members and groups wins over the options, and a `warning` event says so. A node whose
   * disk is broken is left out, with a `warning`, as long as a majority can do without it. Once a majority has
   * recovered, a node whose disk does not answer is waited for 5 s; it joins when it does. For the majority itself
   * `startTimeoutMs` is the limit.
   *
   * @throws CodedError
   * - `ERR_OPTION_INVALID`: names the option, its value, and what is allowed.
   * - `ERR_MODULE_INVALID`: the state machine or the protocol cannot be loaded, or is none.
   * - `ERR_DIRECTORY_IN_USE`: another process holds it. `ERR_FOREIGN_DATA`: it belongs to another cluster, node or
   *   version of the state machine.
   * - `ERR_LOG_CORRUPT`, `ERR_DISK_FULL`, `ERR_DISK_FAILED`: of so many nodes that no majority is left; the last also
   *   when no majority has opened its disk in time, and then it names those that have not.
   * - `ERR_STOPPED`: a node's thread ended while it came up.
   */
  static async start<D extends AnyDefinition = StateMachineDefinition>(
    options: ClusterOptions,
  ): Promise<Cluster<D>> {
    const checked = checkOptions(options);
    const { algorithm, acceptQuorum, groups, members } = checked;
    const wanted = {
      clusterId: randomUUID(),
      epoch: 1,
      algorithm,
      ...(acceptQuorum === undefined ? {} : { acceptQuorum }),
      groups,
      members,
      joining: [],
    };
    const { identity, release, abandon, warnings } = await claimStorage(checked, wanted);
    let system: ActorSystem | undefined;
    let cluster: Cluster<D> | undefined;
    try {
      const events = new EventEmitter();
      // What is said before the app has the cluster in hand is told when it has.
      let early: { readonly node: string; readonly message: string }[] | undefined = [];
      const warn = (node: string, message: string): void => {
        if (early === undefined) emitApart(events, 'warning', { message });
        else early.push({ node, message });
      };
      system = await ActorSystem.start({
        nodes: nodesOf(identity),
        localNode: clientNodeName,
        log: warningsOnly(warn),
        stopTimeoutMs: checked.stopTimeoutMs,
      });
      const parts = { system, identity, options: checked, release };
      const started = new Cluster<D>(parts, events);
      cluster = started;
      started.#clients.of(0);
      const failures = await started.#openNodes();
      // Why a node could not be opened is among the failures already.
      const said = early.filter(({ node }) => !started.#unopened.has(node)).map(({ message }) => message);
      early = undefined;
      for (const message of [...warnings, ...failures, ...said])
        setImmediate(() => started.#emit('warning', { message }));
      return started;
    } catch (error) {
      await system?.stop();
      const ownWrites = cluster === undefined ? Promise.resolve() : cluster.#epochs.stop();
      // What may write there yet, such as a thread that a disk holds, would leave data of a cluster that has no name.
      const abandoned =
        system === undefined
          ? abandon()
          : releaseAfter({ system, ownWrites }, abandon, checked.stopTimeoutMs);
      // Why it could not start is what the app has to know, whatever becomes of the directory.
      await abandoned.catch(() => undefined);
      throw error;
    }
  }

  /**
   * One of the groups: `group(0)` is the one that this object's own calls go to. All of them run the module of the
   * `stateMachine` option. @throws CodedError `ERR_OPTION_INVALID`
   */
  group(number: number): Group<D> {
    const { groups } = this.#epochs.identity;
    if (!Number.isInteger(number) || number < 0 || number >= groups) {
      throw optionInvalid('group', number, `a whole number in 0..${groups - 1}`);
    }
    let group = this.#groups.get(number);
    if (group === undefined) {
      const client = this.#clients.of(number);
      group = new Group<D>({ number, client, epochs: this.#epochs, status: () => this.#statusOf(client) });
      this.#groups.set(number, group);
    }
    return group;
  }

  /** See {@link Group.propose}. */
  propose(command: CommandOf<D>, options?: CallOptions): Promise<ResultOf<D>> {
    return this.group(0).propose(command, options);
  }

  /** See {@link Group.query}. */
  query(query: QueryOf<D>, options?: QueryOptions): Promise<AnswerOf<D>> {
    return this.group(0).query(query, options);
  }

  /** See {@link Group.session}. */
  session(name?: string): Session<CommandOf<D>, QueryOf<D>, ResultOf<D>, AnswerOf<D>> {
    return this.group(0).session(name);
  }

  /** How the nodes stand, and group 0; see {@link Group.status} for another. */
  status(): ClusterStatus {
    return this.group(0).status();
  }

  /** What goes on in a node at this moment: its actors, their mailboxes, its links. @throws CodedError `ERR_STOPPED` */
  inspect(node: string): Promise<NodeInspection> {
    return this.#parts.system.inspect(node);
  }

  /** See {@link Group.transferLeadership}. */
  transferLeadership(node: string, options: CallOptions = {}): Promise<void> {
    return this.group(0).transferLeadership(node, options);
  }

  /**
   * Changes the algorithm, the members, or both, while the cluster serves. Nodes that join are started and learn
   * first; nodes that leave are stopped when the others can do without them, and their data stays on the disk.
   * With several groups all of them change; one that could not may be asked again, and those that have changed are
   * left as they are. Resolves with the number of group 0's new epoch when all are led. No acknowledged command is
   * lost or applied twice, and no crash on the way leaves anything but the old epoch or the new one. Give it time:
   * joiners have to catch up within `timeoutMs`; whoever leaves and does not end, its disk hanging, is not waited for
   * beyond that. Such orders are carried out one after the other, and `timeoutMs` and
   * `signal` count from the call on, while it waits for its turn too.
   *
   * @throws CodedError
   * - `ERR_OPTION_INVALID`, `ERR_MODULE_INVALID`: it makes no sense, or cannot be run. Nothing was changed.
   * - `ERR_OVERLOADED`: another order, or another change, was under way until the deadline. Nothing was changed.
   * - `ERR_ABORTED`, `ERR_STOPPED`: its signal was raised, or the cluster stopped, before a leader was asked. Nothing was
   *   changed, and what was prepared is taken back.
   * - `ERR_FOREIGN_DATA`, `ERR_LOG_CORRUPT`, `ERR_DISK_FULL`, `ERR_DISK_FAILED`: a joiner could not be started.
   *   Nothing was changed.
   * - `ERR_NO_QUORUM`: nobody led, joiners did not open their disks, or they did not catch up, by the word of the
   *   leader, who gives them the time there is less what its word takes (twice the longest election timeout, or a quarter of
   *   the time). `ERR_EPOCH_CHANGED`: another change came first. This one was not made; with several groups, not in all.
   * - `ERR_OUTCOME_UNKNOWN`: a leader was asked, and its word did not come before the deadline, the signal or the stop; or
   *   the change is made, and was not seen to the end, which `details.epoch` says. It may take effect; `status()` tells.
   */
  async reconfigure(order: EpochOrder, options: CallOptions = {}): Promise<number> {
    return this.#epochs.reconfigure(order, options);
  }

  /**
   * Readmits a member whose disk is gone: starts it blank, lets it learn without a voice, and gives it its voice
   * back in a new epoch. What its folder held is kept beside. Resolves with the number of that epoch.
   *
   * Until its folder is set aside, an order that fails or is given up leaves the member on what it had. After that there
   * is no way back: the epoch is what it was, but the member has a blank disk and no voice until it is ordered again.
   *
   * It may be ordered again after it has failed, also by the next process. It goes on where it was: the disk that was
   * new then may bear a voice by now, and is not wiped again unless it cannot be opened.
   *
   * @throws CodedError as {@link reconfigure}, and
   * - `ERR_NO_QUORUM`: the others are no quorum without it in every group, so what it holds is needed: nothing of it was
   *   touched, and it is up again (in memory it had lost everything, and stays down)
   * - `ERR_DISK_FAILED`: a disk that hangs keeps its thread from ending; the member is brought back once it has ended
   */
  async replace(node: string, options: CallOptions = {}): Promise<number> {
    return this.#epochs.replace(node, options);
  }

  /** Calls `listener` with every such event from now on. */
  on<Name extends keyof ClusterEvents>(name: Name, listener: (...event: ClusterEvents[Name]) => void): this {
    this.#events.on(name, listener as (...event: unknown[]) => void);
    return this;
  }

  /** Takes a listener away again. */
  off<Name extends keyof ClusterEvents>(name: Name, listener: (...event: ClusterEvents[Name]) => void): this {
    this.#events.off(name, listener as (...event: unknown[]) => void);
    return this;
  }

  /**
   * Ends every thread and lets go of the directory. Calls and orders that wait reject with `ERR_STOPPED` if they
   * were never sent and `ERR_OUTCOME_UNKNOWN` if they were; of an order nothing goes on afterwards. Nothing
   * acknowledged is lost: it is on the disk.
   *
   * Takes no longer than `stopTimeoutMs`. A thread that waits for a disk which hangs cannot be ended before
   * the disk lets go, and might write then: a `warning` names it, and the directory stays taken until then. A
   * process that exits meanwhile does so by SIGKILL: Node would wait for that thread.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** See {@link stop}: for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    const { system, release, options } = this.#parts;
    const untilMs = systemClock.nowMs() + options.stopTimeoutMs;
    // Orders first: they are not to take the end of the clients for news, nor the end of a thread for its failure.
    const ownWrites = this.#epochs.stop();
    this.#clients.stop();
    await system.stop();
    const leftMs = Math.max(lettingGoMs, untilMs - systemClock.nowMs());
    const hanging = await releaseAfter({ system, ownWrites }, release, leftMs);
    if (hanging.length === 0) return;
    const message = `the disk of ${hanging.join(', ')} hangs: the directory stays taken until it lets go`;
    this.#emit('warning', { message });
  }

  async #restart(node: string): Promise<void> {
    if (this.#parts.options.storage === 'memory') {
      throw new CodedError(
        'ERR_LOG_CORRUPT',
        `${node} kept its data in memory and has lost it: a blank member may not vote; replace() readmits it`,
        { node },
      );
    }
    await this.#parts.system.restart(node, { respawn: false });
    await this.#openNode(node);
  }

  async #openNode(node: string): Promise<void> {
    await this.#parts.system.spawn(`${node}/${nodeActorName}`, new URL('./node-actor.js', import.meta.url), {
      argument: nodeArgument(
        node as NodeId,
        this.#epochs.identity,
        this.#parts.options,
        this.#clients.epochs(),
      ),
      mailbox: { capacity: 1_000_000 },
    });
    await this.#epochs.noteDisk(node as NodeId);
    this.#unopened.delete(node);
    this.#clients.watch(node as NodeId);
  }

  /** @returns what to warn of: nodes that cannot serve, or not yet, while a majority can */
  async #openNodes(): Promise<string[]> {
    const { nodes, identity } = this.#epochs;
    const { startTimeoutMs: limitMs } = this.#parts.options;
    const needed = majoritySize(identity.members.length);
    const voiceless = identity.members.filter(
      (node) => beginsWithoutVoice(identity, node) && !identity.joining.includes(node),
    );
    const openings = nodes.map((node) => ({
      node,
      opened: this.#openNode(node),
      isMember: identity.members.includes(node),
    }));
    const outcomes = await openedInTime(openings, needed, { slowMs: slowDiskMs, limitMs });
    requireOpened(openings, outcomes, { needed, limitMs });
    const warnings = voiceless.map(
      (node) =>
        `node ${node} was never seen to open its disk: if that is blank, it has no voice until replace()`,
    );
    const unopened = openings.flatMap(({ node, opened }, at) => {
      const outcome = outcomes[at];
      if (outcome?.status === 'fulfilled') return [];
      if (outcome?.status === 'rejected') return [this.#noteUnopened(node, outcome.reason)];
      opened.catch((error) => {
        if (this.#stopping !== undefined) return;
        this.#emit('warning', { message: this.#noteUnopened(node, error) });
      });
      return [`node ${node} has not opened its disk in ${slowDiskMs} ms: the others serve without it`];
    });
    return [...warnings, ...unopened];
  }

  #noteUnopened(node: string, error: unknown): string {
    const { code, message } = errorToData(error);
    this.#unopened.set(node, { code: code as ErrorCode, message });
    return `node ${node} cannot serve: ${message}`;
  }

  #statusOf(client: Client): ClusterStatus {
    const { identity, nodes } = this.#epochs;
    return statusOf(client, identity, { nodes, down: this.#down, unopened: this.#unopened });
  }

  #emit<Name extends keyof ClusterEvents>(name: Name, ...event: ClusterEvents[Name]): void {
    this.#events.emit(name, ...event);
  }
}

/** What nodes have to warn of becomes the cluster's `warning` event; the rest is not for the app. */
function warningsOnly(tell: (node: string, message: string) => void): Log {
  const warn = (line: string, { node, ...fields }: LogFields = {}): void => {
    // What the system says of its own, such as a thread's end, has events of its own.
    if (typeof node !== 'string') return;
    const details = Object.entries(fields).map(([name, value]) => `${name}: ${messageOf(value)}`);
    tell(node, [`${node}: ${line}`, ...details].join('; '));
  };
  return { ...silentLog, warn, error: warn };
}

/** Tells listeners outside of whatever is going on: one that throws must not end the client's actor. */
function emitApart<Name extends keyof ClusterEvents>(
  events: EventEmitter,
  name: Name,
  ...event: ClusterEvents[Name]
): void {
  queueMicrotask(() => events.emit(name, ...event));
}

/** What replicas tell the clients becomes the cluster's events. */
function newsAsEvents(events: EventEmitter): Pick<GroupClientsParts, 'onStatus' | 'onLeader'> {
  const failed = new Set<string>();
  return {
    onStatus(group, { node, failure }) {
      const replica = `${node} ${group}`;
      if (failure === undefined) failed.delete(replica);
      else if (!failed.has(replica)) {
        failed.add(replica);
        emitApart(events, 'node-failed', { node, group, ...failure });
      }
    },
    onLeader: (group, { node, reign }) => emitApart(events, 'leader', { node, term: reign, group }),
  };
}
