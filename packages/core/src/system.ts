/**
 * The actor system: nodes as worker threads, wired to each other, seen from the app's thread.
 *
 * This thread keeps the control plane: names, wiring, faults, life and death. Messages between two nodes
 * take their direct port and never come through here; the app takes part as a node of its own, `local`.
 */
import { randomInt } from 'node:crypto';
import { MessageChannel } from 'node:worker_threads';
import type { ActorRef } from './actor-ref.ts';
import { type Address, checkName, parseAddress } from './address.ts';
import { isActorDefinition, type SpawnOptions } from './behavior.ts';
import type { NodeId } from './brand.ts';
import { systemClock } from './clock.ts';
import { CodedError, type ErrorData, errorToData, optionInvalid } from './coded-error.ts';
import { assertNever } from './exhaustive.ts';
import { checkConditions, healthy, type LinkConditions } from './link/conditions.ts';
import { closePort } from './link/message-port.ts';
import { Listeners } from './listeners.ts';
import { type Log, silentLog } from './log.ts';
import { checkMailboxOptions } from './mailbox.ts';
import { loadModule, moduleInvalid } from './module-loading.ts';
import { type NodeDownReason, type NodeExit, NodeHandle } from './node-handle.ts';
import { type ActorFailure, type NodeInspection, type NodeLimits, NodeRuntime } from './node-runtime.ts';
import { seededRandom } from './random.ts';
import type { DeadLetterReport, NodeReport } from './router/control.ts';
import { shownLetter } from './router/reporter.ts';
import { Wiring } from './router/wiring.ts';
import { checkRestartPolicy } from './supervision.ts';

/** What a system is started with. */
export interface ActorSystemOptions {
  /** Names of the nodes, each a worker thread; at least one. */
  readonly nodes: readonly string[];
  /** Name of the app's own node, in the app's thread; default `app`. */
  readonly localNode?: string;
  /** Seeds every actor's randomness and every link's faults; drawn if it is not given. */
  readonly seed?: number;
  /** Told what nodes have to say; without it they say nothing. */
  readonly log?: Log;
  readonly limits?: NodeLimits;
  /** Heap limit of each node's thread in MiB. */
  readonly heapMiB?: number;
  /**
   * How long `stop` may take, 1,000 at least: its last second is for threads whose actors have not let go by
   * then. Default 10,000.
   */
  readonly stopTimeoutMs?: number;
}

/** What {@link ActorSystem.on} tells, by name. */
export interface ActorSystemEvents {
  /** A message reached nobody. Under a flood of them, some are counted instead of reported. */
  'dead-letter': DeadLetterReport & { readonly node: NodeId };
  'actor-failed': ActorFailure & { readonly node: NodeId };
  'node-up': { readonly node: NodeId; readonly incarnation: number };
  /** A node's thread has ended, other than by `stop` of the system. */
  'node-down': {
    readonly node: NodeId;
    readonly incarnation: number;
    readonly reason: NodeDownReason;
    readonly exitCode: number;
    readonly error?: ErrorData;
  };
  /** Bytes that arrived at `node` from `peer` were no message of ours. */
  'frame-invalid': { readonly node: NodeId; readonly peer: NodeId; readonly error: ErrorData };
}

/** One direction of the link between two nodes, and what shall be wrong with it. */
export type LinkSettings = Partial<LinkConditions> & { readonly from: string; readonly to: string };

const stopTimeoutMsDefault = 10_000;

/**
 * Nodes in worker threads, wired to each other, and the app's own node. What takes the name of a node throws
 * CodedError `ERR_OPTION_INVALID` if there is none, and `ERR_STOPPED` if it needs a thread that has ended.
 */
export class ActorSystem {
  /** The app's own node: for actors and references in the app's thread. */
  readonly local: NodeRuntime;
  readonly #options: ActorSystemOptions;
  readonly #seed: number;
  readonly #log: Log;
  readonly #listeners = new Listeners<ActorSystemEvents>();
  readonly #wiring: Wiring;
  readonly #handles = new Map<NodeId, NodeHandle>();
  /** What `spawn` placed on workers, to be placed again by `restart`. */
  readonly #placements = new Map<Address, { readonly moduleUrl: string; readonly options: SpawnOptions }>();
  /** By `from>to`; only what is not healthy. */
  readonly #conditions = new Map<string, { from: NodeId; to: NodeId; conditions: LinkConditions }>();
  /** Of nodes that were removed. */
  readonly #nextIncarnation = new Map<NodeId, number>();
  readonly #restarting = new Map<NodeId, Promise<void>>();
  /** Threads that were to end and have not: a call of the operating system has not come back. */
  readonly #hanging = new Set<NodeHandle>();
  #stopping: Promise<void> | undefined;

  private constructor(options: ActorSystemOptions) {
    this.#options = options;
    this.#seed = options.seed ?? randomInt(2 ** 32);
    this.#log = options.log ?? silentLog;
    const node = (options.localNode ?? 'app') as NodeId;
    this.local = new NodeRuntime({
      node,
      clock: systemClock,
      random: seededRandom(this.#seed).fork(node),
      log: this.#log,
      limits: options.limits ?? {},
      onDeadLetter: (letter) => this.#listeners.emit('dead-letter', { node, ...shownLetter(letter) }),
      onActorFailed: (failure) => this.#listeners.emit('actor-failed', { node, ...failure }),
      onFrameInvalid: (peer, error) =>
        this.#listeners.emit('frame-invalid', { node, peer, error: errorToData(error) }),
    });
    this.#wiring = new Wiring(this.local);
  }

  /**
   * Starts the nodes and wires each to each.
   * @throws CodedError `ERR_OPTION_INVALID`; `ERR_STOPPED` if a node's thread ended while it came up
   */
  static async start(options: ActorSystemOptions): Promise<ActorSystem> {
    checkOptions(options);
    const system = new ActorSystem(options);
    try {
      const nodes = options.nodes as readonly NodeId[];
      await Promise.all(nodes.map((node) => system.#raise(node, 0)));
      const pairs = nodes.flatMap((node, at) => nodes.slice(0, at).map((peer) => [node, peer] as const));
      for (const [node, peer] of pairs) await system.#wire(node, peer);
    } catch (error) {
      await system.stop();
      throw error;
    }
    return system;
  }

  /** The names of the nodes, up or down, without the local one. */
  get nodes(): readonly NodeId[] {
    return [...this.#handles.keys()];
  }

  /** Whether the thread of `node` is up; true for the local node. */
  isUp(node: string): boolean {
    if (node === this.local.node) return this.#stopping === undefined;
    return this.#handles.get(node as NodeId)?.isUp ?? false;
  }

  /** Calls `listener` with every such event from now on; returns what takes it away again. */
  on<Name extends keyof ActorSystemEvents>(
    name: Name,
    listener: (event: ActorSystemEvents[Name]) => void,
  ): () => void {
    return this.#listeners.on(name, listener);
  }

  /**
   * Starts the actor that the module's default export defines, at `node/name`; resolves when its factory
   * has succeeded. It is started again after a `restart` of its node.
   * @throws CodedError `ERR_OPTION_INVALID` for a bad address, a node that does not exist, a name that is
   *   taken, or a wrong option; `ERR_MODULE_INVALID` with the URL if the module is not such a one;
   *   `ERR_STOPPED` if the node is down; what the factory threw, as `ERR_ACTOR_FAILED`
   */
  async spawn<M = unknown, R = unknown>(
    address: Address,
    moduleUrl: URL | string,
    options: SpawnOptions = {},
  ): Promise<ActorRef<M, R>> {
    const { node, name } = parseAddress(address);
    if (options.mailbox !== undefined) checkMailboxOptions(options.mailbox);
    if (options.restart !== undefined) checkRestartPolicy(options.restart);
    const url = String(moduleUrl);
    if (node === this.local.node) {
      const { default: definition } = await loadModule(url);
      if (!isActorDefinition(definition))
        throw moduleInvalid(url, 'has no default export made by defineActor');
      this.local.spawn(name, definition, options);
      await this.local.started(name);
    } else {
      await this.#handle(node).call((control) => control.spawn(name, url, options));
      this.#placements.set(address, { moduleUrl: url, options });
    }
    return this.local.ref<M, R>(address);
  }

  /** Ends the thread of `node` at once, wherever it is; resolves when it has ended. */
  async kill(node: string): Promise<void> {
    await this.#handle(node).kill();
  }

  /**
   * Starts `node` again, with the next incarnation: ends its thread if it is still up, waits for the end,
   * wires the new one to every other node, and starts again what {@link spawn} had placed there (unless
   * `respawn` is false). A restart that is under way is joined.
   */
  async restart(node: string, { respawn = true }: { readonly respawn?: boolean } = {}): Promise<void> {
    const id = this.#handle(node).node;
    const underWay = this.#restarting.get(id);
    if (underWay !== undefined) return underWay;
    const restarting = this.#restart(id, respawn).finally(() => this.#restarting.delete(id));
    this.#restarting.set(id, restarting);
    return restarting;
  }

  async #restart(node: NodeId, respawn: boolean): Promise<void> {
    if (this.#stopping !== undefined) throw new CodedError('ERR_STOPPED', 'the system has stopped');
    const before = this.#handle(node);
    await before.kill();
    // The end is announced to the others before anything of the new life.
    await this.#announceDown(before, await before.exited);
    // A thread that begins from here on would be nobody's to end.
    if (this.#stopping !== undefined) throw new CodedError('ERR_STOPPED', 'the system has stopped');
    await this.#raise(node, before.incarnation + 1);
    await Promise.all(this.#upNodes().map((peer) => (peer === node ? undefined : this.#wire(node, peer))));
    if (!respawn) return;
    for (const [address, { moduleUrl, options }] of this.#placements) {
      const { node: home, name } = parseAddress(address);
      if (home === node) await this.#handle(node).call((control) => control.spawn(name, moduleUrl, options));
    }
  }

  /**
   * Starts one more node and wires it to every other.
   * @throws CodedError `ERR_OPTION_INVALID` for a name that is taken or is none, or whose former thread has
   *   not ended; `ERR_STOPPED`
   */
  async addNode(node: string): Promise<void> {
    if (this.#stopping !== undefined) throw new CodedError('ERR_STOPPED', 'the system has stopped');
    checkName('node', node);
    if (this.#handles.has(node as NodeId) || node === this.local.node)
      throw optionInvalid('node', node, 'a name that no node has');
    if ([...this.#hanging].some((handle) => handle.node === node))
      throw optionInvalid('node', node, 'the name of a node whose thread has ended');
    // A name that was used before goes on counting its lives, so that nobody takes the new one for the old.
    await this.#raise(node as NodeId, this.#nextIncarnation.get(node as NodeId) ?? 0);
    await Promise.all(
      this.#upNodes().map((peer) => (peer === node ? undefined : this.#wire(node as NodeId, peer))),
    );
  }

  /** Ends the actors of `node` in order, then its thread, and forgets it; takes as long as `stop` may. */
  async removeNode(node: string): Promise<void> {
    const handle = this.#handle(node);
    await this.#stopNode(handle);
    await this.#announceDown(handle, { reason: 'stopped', exitCode: 1 });
    this.#handles.delete(handle.node);
    this.#nextIncarnation.set(handle.node, handle.incarnation + 1);
    for (const address of [...this.#placements.keys()]) {
      if (parseAddress(address).node === node) this.#placements.delete(address);
    }
    for (const [key, { from, to }] of this.#conditions) {
      if (from === node || to === node) this.#conditions.delete(key);
    }
  }

  /** Blocks the thread of `node`, as SIGSTOP would a process; resolves when it stands still. */
  async pause(node: string): Promise<void> {
    await this.#handle(node).pause();
  }

  async resume(node: string): Promise<void> {
    await this.#handle(node).resume();
  }

  /**
   * Changes the conditions of one direction of a link; those not named stay. Survives restarts.
   * @throws CodedError `ERR_OPTION_INVALID` for a node that does not exist, or a condition that no link has
   */
  async setLink({ from, to, ...conditions }: LinkSettings): Promise<void> {
    checkConditions(conditions);
    const sender = this.#knownNode('from', from);
    const receiver = this.#knownNode('to', to);
    if (sender === receiver) throw optionInvalid('link.to', to, `another node than ${from}`);
    const key = `${sender}>${receiver}`;
    const before = this.#conditions.get(key)?.conditions ?? healthy;
    const after = { ...before, ...conditions };
    this.#conditions.set(key, { from: sender, to: receiver, conditions: after });
    await this.#applyConditions(sender, receiver, after);
  }

  /**
   * Cuts every link between nodes of different groups, both ways. Nodes that no group names, the app's
   * own for instance, keep all their links. Cuts made earlier stay.
   */
  async partition(groups: readonly (readonly string[])[]): Promise<void> {
    const cuts: LinkSettings[] = [];
    for (const [at, group] of groups.entries()) {
      const others = groups.filter((_, other) => other !== at).flat();
      for (const from of group) for (const to of others) cuts.push({ from, to, partitioned: true });
    }
    await Promise.all(cuts.map((cut) => this.setLink(cut)));
  }

  /** Makes every link healthy again. */
  async heal(): Promise<void> {
    const sick = [...this.#conditions.values()];
    this.#conditions.clear();
    await Promise.all(sick.map(({ from, to }) => this.#applyConditions(from, to, healthy)));
  }

  /** What a node has to show: its actors, mailbox depths, links and counters. @throws `ERR_STOPPED` */
  async inspect(node: string): Promise<NodeInspection> {
    if (node === this.local.node) return this.local.inspect();
    return this.#handle(node).call((control) => control.inspect());
  }

  /**
   * Ends every actor and every thread. Asks under way fail with `ERR_STOPPED`. Idempotent. A thread that is
   * in a call of the operating system which does not come back is not waited for: see {@link threadsEnded}.
   * A process that comes to its end before that thread does is ended by SIGKILL, as Node would wait for ever.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** The nodes whose threads were to end and have not, because a call of the operating system has not come back. */
  get hanging(): readonly NodeId[] {
    return [...this.#hanging].map((handle) => handle.node);
  }

  /** Resolves when no thread is left that was there when it was called. */
  async threadsEnded(): Promise<void> {
    await Promise.all([...this.#handles.values(), ...this.#hanging].map((handle) => handle.exited));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    await Promise.all([...this.#handles.values()].map((handle) => this.#stopNode(handle)));
    await this.local.stop();
  }

  async #stopNode(handle: NodeHandle): Promise<void> {
    if (await handle.stop(this.#options.stopTimeoutMs ?? stopTimeoutMsDefault)) return;
    this.#hanging.add(handle);
    handle.abandon();
    void handle.exited.then(() => this.#hanging.delete(handle));
  }

  /** Starts the thread of `node` and wires it to the local node. */
  async #raise(node: NodeId, incarnation: number): Promise<void> {
    const { limits = {}, heapMiB, log } = this.#options;
    const handle = new NodeHandle({
      node,
      incarnation,
      seed: this.#seed,
      limits,
      isLogging: log !== undefined,
      ...(heapMiB === undefined ? {} : { heapMiB }),
      onReports: (reports) => {
        for (const report of reports) this.#hear(node, report);
      },
    });
    this.#handles.set(node, handle);
    void handle.exited.then((exit) => this.#announceDown(handle, exit));
    await handle.call((control) => control.ready());
    await this.#wire(node, this.local.node);
    for (const { from, to, conditions } of this.#conditions.values()) {
      if (from === node) await this.#applyConditions(from, to, conditions);
    }
    this.#listeners.emit('node-up', { node, incarnation });
  }

  /** Gives `node` and `peer` the two ends of a new port. A node that ends meanwhile is not an error here. */
  async #wire(node: NodeId, peer: NodeId): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    await Promise.all([this.#attach(node, peer, port1), this.#attach(peer, node, port2)]);
  }

  async #attach(node: NodeId, peer: NodeId, port: MessageChannel['port1']): Promise<void> {
    const incarnation = this.#handles.get(peer)?.incarnation ?? 0;
    if (node === this.local.node) return this.#wiring.attach(peer, port, incarnation);
    const handle = this.#handle(node);
    const attached = handle.attach(peer, port, incarnation).catch((error) => {
      // Perhaps it never left this thread: closed, it tells the other end that nobody is there.
      closePort(port);
      throw error;
    });
    await this.#heard(handle, attached);
  }

  async #applyConditions(from: NodeId, to: NodeId, conditions: LinkConditions): Promise<void> {
    if (from === this.local.node) {
      this.#wiring.setConditions(to, conditions);
    } else if (this.isUp(from)) {
      const handle = this.#handle(from);
      await this.#heard(
        handle,
        handle.call((control) => control.setConditions(to, conditions)),
      );
    }
  }

  readonly #announced = new WeakSet<NodeHandle>();

  /** Tells every node, and who listens, that a thread has ended. Once per life. */
  async #announceDown(handle: NodeHandle, exit: NodeExit): Promise<void> {
    if (this.#announced.has(handle)) return;
    this.#announced.add(handle);
    const { node, incarnation } = handle;
    this.#wiring.ended(node, exit.reason);
    if (this.#stopping !== undefined) return;
    this.#log.warn(`node ${node} is down`, { incarnation, ...exit });
    this.#listeners.emit('node-down', { node, incarnation, ...exit });
    const told = this.#upNodes().map((peer) => {
      const other = this.#handle(peer);
      return this.#heard(
        other,
        other.call((control) => control.peerEnded(node, exit.reason)),
      );
    });
    await Promise.all(told);
  }

  /** Waits for what a worker was told. One whose thread is paused hears of it when it goes on: nobody waits for that. */
  async #heard(handle: NodeHandle, told: Promise<void>): Promise<void> {
    const settled = told.catch((error) => this.#forgive(error));
    if (!handle.isPaused) await settled;
  }

  /** That a node ended while it was being told something is news that has its own way. */
  #forgive(error: unknown): void {
    if (!(error instanceof CodedError) || error.code !== 'ERR_STOPPED') throw error;
  }

  #hear(node: NodeId, report: NodeReport): void {
    switch (report.type) {
      case 'dead-letter':
        this.#listeners.emit('dead-letter', { node, ...report.letter });
        break;
      case 'actor-failed':
        this.#listeners.emit('actor-failed', { node, ...report.failure });
        break;
      case 'frame-invalid':
        this.#listeners.emit('frame-invalid', { node, peer: report.peer, error: report.error });
        break;
      case 'log':
        this.#log[report.level](report.line, { node, ...report.fields });
        break;
      case 'suppressed':
        this.#log.warn(`node ${node}: reports suppressed`, { node, count: report.count });
        break;
      default:
        assertNever(report, 'report');
    }
  }

  #upNodes(): NodeId[] {
    return [...this.#handles.values()].filter((handle) => handle.isUp).map((handle) => handle.node);
  }

  #knownNode(option: string, node: string): NodeId {
    if (node === this.local.node || this.#handles.has(node as NodeId)) return node as NodeId;
    throw optionInvalid(option, node, `one of ${[this.local.node, ...this.nodes].join(', ')}`);
  }

  #handle(node: string): NodeHandle {
    const handle = this.#handles.get(node as NodeId);
    if (handle === undefined) throw optionInvalid('node', node, `one of ${this.nodes.join(', ')}`);
    return handle;
  }
}

/** @throws CodedError `ERR_OPTION_INVALID` */
function checkOptions(options: ActorSystemOptions): void {
  const { nodes, localNode = 'app', seed, heapMiB, stopTimeoutMs } = options;
  if (!Array.isArray(nodes) || nodes.length === 0) {
    throw optionInvalid('nodes', nodes, 'a list of at least one name');
  }
  checkName('localNode', localNode);
  const seen = new Set([localNode]);
  for (const node of nodes) {
    checkName('nodes', node);
    if (seen.has(node))
      throw optionInvalid('nodes', node, 'names that differ from each other and from localNode');
    seen.add(node);
  }
  for (const [option, value] of Object.entries({ seed, heapMiB, stopTimeoutMs })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
      throw optionInvalid(option, value, 'a whole number >= 0');
    }
  }
}
