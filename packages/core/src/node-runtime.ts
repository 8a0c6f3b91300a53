/**
 * A node's runtime: its actors, its mailbox router, and the turns in which they work.
 *
 * The same class runs inside a worker, in the app's thread, and in the simulator; only the clock, the
 * randomness and the links differ. Nothing here knows of threads.
 *
 * Everything happens in turns. What arrives is put into mailboxes; at the end of the event loop's round
 * (`clock.defer`) one turn works through them, up to a limit so that timers are not starved, and then
 * sends one frame to each peer that was written to.
 */

import { Cell, type CellHost, type CellState, type Letter } from './actor-cell.ts';
import type { ActorRef, AskOptions, Courier } from './actor-ref.ts';
import { BoundRef } from './actor-ref.ts';
import { type Address, addressOf, checkName, nobody, parseAddress } from './address.ts';
import { AskTable } from './ask-table.ts';
import { type ActorDefinition, isActorDefinition, type Signal, type SpawnOptions } from './behavior.ts';
import type { NodeId } from './brand.ts';
import type { Clock } from './clock.ts';
import { CodedError, type ErrorData, errorFromData, errorToData, optionInvalid } from './coded-error.ts';
import { DeathWatch, type Party } from './death-watch.ts';
import type { Link } from './link/link.ts';
import { type Log, silentLog } from './log.ts';
import { checkMailboxOptions } from './mailbox.ts';
import type { Random } from './random.ts';
import { type PeerCounters, Router } from './router/router.ts';
import { checkRestartPolicy } from './supervision.ts';
import { type Envelope, kinds } from './wire/envelope.ts';
import { readErrorData } from './wire/error-data.ts';

/** A message that reached nobody. */
export interface DeadLetter {
  readonly to: Address;
  /** `node/-` if no actor sent it. */
  readonly from: Address;
  /**
   * `no-actor`: nobody lives there. `no-link`: no link leads to its node. `stopped`: it ended with the
   * message waiting. `overloaded`: its mailbox was full. `invalid`: it does not accept such a message.
   */
  readonly reason: 'no-actor' | 'no-link' | 'stopped' | 'overloaded' | 'invalid';
  readonly message: unknown;
}

/** An actor that was given up. */
export interface ActorFailure {
  readonly address: Address;
  readonly restarts: number;
  readonly error: ErrorData;
}

/** What one turn of a node may take before timers and links get theirs. */
export interface NodeLimits {
  /** Messages handled in one turn at most; default 1,024. */
  readonly messagesPerTurn?: number;
  /** A turn ends after so many milliseconds, even below that; default 10. */
  readonly turnMs?: number;
}

/** What a node is made of. Clock and randomness are given, so that a simulator can run one. */
export interface NodeRuntimeOptions {
  readonly node: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: Log;
  readonly onDeadLetter?: (letter: DeadLetter) => void;
  readonly onActorFailed?: (failure: ActorFailure) => void;
  /** A frame of `peer` was refused; it is lost as a whole. */
  readonly onFrameInvalid?: (peer: NodeId, error: CodedError) => void;
  readonly limits?: NodeLimits;
}

/** What goes on in a node at one moment, for people and tests. Numbers count from the start of this life. */
export interface NodeInspection {
  readonly node: NodeId;
  readonly actors: readonly {
    readonly name: string;
    readonly state: CellState;
    readonly mailboxDepth: number;
    readonly displaced: number;
    readonly restarts: number;
  }[];
  readonly peers: readonly ({ readonly peer: NodeId } & Readonly<PeerCounters>)[];
  readonly asksPending: number;
  readonly messagesHandled: number;
  readonly deadLetters: number;
  readonly framesInvalid: number;
}

/** Cells look at the clock once for so many messages: reading it costs as much as handling a small one. */
const messagesPerLook = 64;

/**
 * One node: its actors, their turns, and its links to other nodes. It knows no threads; {@link ActorSystem}
 * runs one in each worker, and one in the app's thread.
 */
export class NodeRuntime implements Courier, CellHost {
  readonly node: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly #options: NodeRuntimeOptions;
  readonly #cells = new Map<string, Cell>();
  readonly #asks: AskTable;
  readonly #deathWatch = new DeathWatch();
  readonly #router: Router;
  #ready: Cell[] = [];
  /** Actors that have ended and still let go of what they held. */
  readonly #closing = new Set<Promise<void>>();
  #isTurnDue = false;
  #isStopped = false;
  #messagesHandled = 0;
  #deadLetters = 0;
  #framesInvalid = 0;

  constructor(options: NodeRuntimeOptions) {
    checkName('node', options.node);
    this.#options = options;
    this.node = options.node;
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log ?? silentLog;
    this.#asks = new AskTable(options.clock);
    this.#router = new Router({
      onEnvelope: (peer, envelope) => this.#open(peer, envelope),
      onPosted: () => this.#turnSoon(),
      onFrameInvalid: (peer, error) => {
        this.#framesInvalid++;
        this.log.warn(`frame of ${peer} refused`, { error: errorToData(error) });
        options.onFrameInvalid?.(peer, error);
      },
    });
  }

  /**
   * `link` now leads to `peer`, which is in its life number `incarnation`. A link that led there before
   * is detached first.
   */
  attachLink(peer: NodeId, link: Link, incarnation = 0): void {
    checkName('peer', peer);
    // A node's next life begins when the one before has ended; within one life it is only the way that changes.
    const isNextLife = incarnation > (this.#router.incarnationOf(peer) ?? incarnation);
    this.#detach(peer, 'replaced by a new link', isNextLife ? 'node-down' : 'unreachable');
    this.#router.attach(peer, link, incarnation);
  }

  /**
   * No way leads to `peer` any more, and nobody knows what has become of it: watchers of its actors get
   * `terminated` with reason `unreachable`, asks under way to it fail with `ERR_STOPPED`. Does nothing if no
   * link leads there.
   */
  detachLink(peer: NodeId, reason: string): void {
    this.#detach(peer, reason, 'unreachable');
  }

  /** Like {@link detachLink}, and it is known that the thread of `peer` has ended: the reason is `node-down`. */
  peerEnded(peer: NodeId, reason: string): void {
    this.#detach(peer, reason, 'node-down');
  }

  #detach(peer: NodeId, reason: string, fate: 'node-down' | 'unreachable'): void {
    const incarnation = this.#router.detach(peer);
    if (incarnation === undefined) return;
    this.log.info(`link to ${peer} detached`, { reason, fate });
    const end = fate === 'node-down' ? ({ reason: fate, incarnation } as const) : { reason: fate };
    for (const { name, watcher } of this.#deathWatch.takeWatched(peer)) {
      this.#cells.get(watcher)?.signal({ type: 'terminated', address: addressOf(peer, name), ...end });
    }
    this.#asks.failAll(peer, (address) => {
      const line = `ask of ${address}: its node is gone (${reason})`;
      return new CodedError('ERR_STOPPED', line, { node: peer, incarnation });
    });
  }

  /** A frame of `peer` arrived. Never throws for what is in it. Bytes in messages stay views of `frame`. */
  receiveFrame(peer: NodeId, frame: Uint8Array): void {
    if (!this.#isStopped) this.#router.receive(peer, frame);
  }

  /**
   * Starts an actor under `name`; its factory has been called when this returns.
   * @throws CodedError `ERR_OPTION_INVALID` if the name is not allowed or taken, or an option is wrong;
   *   `ERR_MODULE_INVALID` if `definition` is not one; `ERR_STOPPED`
   */
  spawn<M, R>(name: string, definition: ActorDefinition<M, R>, options: SpawnOptions = {}): ActorRef<M, R> {
    this.spawnUnder(undefined, name, definition as ActorDefinition, options);
    return this.ref<M, R>(addressOf(this.node, name));
  }

  /** Resolves when the factory of `name` has succeeded, rejects if the actor ended before or is unknown. */
  async started(name: string): Promise<void> {
    const cell = this.#cells.get(name);
    if (cell === undefined) throw this.#nobodyAt(addressOf(this.node, name));
    await cell.started;
  }

  /** A reference for code that is no actor. @throws CodedError `ERR_OPTION_INVALID` for a bad address */
  ref<M = unknown, R = unknown>(address: Address): ActorRef<M, R> {
    const { node, name } = parseAddress(address);
    return this.refFrom(nobody, node, name) as ActorRef<never, never>;
  }

  inspect(): NodeInspection {
    return {
      node: this.node,
      actors: [...this.#cells.values()].map(({ name, state, mailbox, restarts }) => ({
        name,
        state,
        mailboxDepth: mailbox.depth,
        displaced: mailbox.displaced,
        restarts,
      })),
      peers: this.#router.peers().map((peer) => ({ peer, ...(this.#router.counters(peer) as PeerCounters) })),
      asksPending: this.#asks.size,
      messagesHandled: this.#messagesHandled,
      deadLetters: this.#deadLetters,
      framesInvalid: this.#framesInvalid,
    };
  }

  /** Ends every actor, waits for what they let go of, and closes the links. Asks fail with `ERR_STOPPED`. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    for (const cell of [...this.#cells.values()]) cell.end('stopped', undefined);
    this.#isStopped = true;
    this.#asks.failAll(undefined, (address) => {
      return new CodedError('ERR_STOPPED', `ask of ${address}: node ${this.node} has stopped`);
    });
    this.#router.flush();
    for (const peer of this.#router.peers()) this.#router.detach(peer);
    await Promise.all(this.#closing);
  }

  // What references need of a node (Courier).

  deliverTell(from: string, to: Party, message: unknown): void {
    if (to.node === this.node) {
      this.#deliver(to.name, { fromNode: this.node, fromName: from, ask: 0, message });
    } else if (this.#isStopped || !this.#router.post(to.node, [kinds.tell, to.name, from, 0, message])) {
      this.#bury({ to, fromNode: this.node, fromName: from, reason: 'no-link', message });
    }
  }

  deliverAsk(from: string, to: Party, message: unknown, options: AskOptions): Promise<unknown> {
    const address = addressOf(to.node, to.name);
    if (this.#isStopped) {
      return Promise.reject(
        new CodedError('ERR_STOPPED', `ask of ${address}: node ${this.node} has stopped`),
      );
    }
    return this.#asks.open({ node: to.node, address }, options, (ask) => {
      if (to.node === this.node) {
        this.#deliver(to.name, { fromNode: this.node, fromName: from, ask, message });
      } else if (!this.#router.post(to.node, [kinds.ask, to.name, from, ask, message])) {
        throw new CodedError('ERR_DEAD_LETTER', `${address}: no link leads to its node`, { address });
      }
    });
  }

  // What cells need of a node (CellHost).

  refFrom(sender: string, node: NodeId, name: string): ActorRef {
    return new BoundRef(this, sender, node, name);
  }

  spawnUnder(
    parent: Cell | undefined,
    name: string,
    definition: ActorDefinition,
    options: SpawnOptions,
  ): Cell {
    checkName('name', name);
    if (this.#isStopped) throw new CodedError('ERR_STOPPED', `spawn ${name}: node ${this.node} has stopped`);
    if (!isActorDefinition(definition)) {
      throw new CodedError('ERR_MODULE_INVALID', `spawn ${name}: not made by defineActor`);
    }
    if (this.#cells.has(name)) throw optionInvalid('name', name, `a name not in use on node ${this.node}`);
    if (options.mailbox !== undefined) checkMailboxOptions(options.mailbox);
    if (options.restart !== undefined) checkRestartPolicy(options.restart);
    const cell = new Cell(this, name, definition, options, parent);
    this.#cells.set(name, cell);
    parent?.children.add(cell);
    cell.start();
    return cell;
  }

  ready(cell: Cell): void {
    if (cell.isQueued || this.#isStopped) return;
    cell.isQueued = true;
    this.#ready.push(cell);
    this.#turnSoon();
  }

  answer(letter: Letter, from: string, value: unknown): void {
    if (letter.fromNode === this.node) {
      this.#asks.answer(letter.ask, this.node, value);
      return;
    }
    try {
      this.#router.post(letter.fromNode, [kinds.answer, letter.fromName, from, letter.ask, value]);
    } catch (error) {
      this.refuse(letter, from, errorToData(error));
    }
  }

  refuse(letter: Letter, from: string, error: ErrorData): void {
    if (letter.fromNode === this.node) {
      this.#asks.fail(letter.ask, this.node, errorFromData(error));
      return;
    }
    try {
      this.#router.post(letter.fromNode, [kinds.refusal, letter.fromName, from, letter.ask, error]);
    } catch {
      // Its details cannot be encoded; its code and message can.
      const plain = { code: error.code, message: error.message, details: {} };
      this.#router.post(letter.fromNode, [kinds.refusal, letter.fromName, from, letter.ask, plain]);
    }
  }

  lost(letter: Letter, to: string, reason: 'stopped' | 'invalid'): void {
    this.#bury({ ...letter, to: { node: this.node, name: to }, reason });
  }

  ended(cell: Cell, reason: 'stopped' | 'failed', error: unknown): void {
    this.#cells.delete(cell.name);
    const { closed } = cell;
    this.#closing.add(closed);
    void closed.then(() => this.#closing.delete(closed));
    for (const watcher of this.#deathWatch.takeWatchers(cell.name)) this.#tellEnd(watcher, cell.name, reason);
    if (reason === 'stopped') return;
    const address = addressOf(this.node, cell.name);
    this.#options.onActorFailed?.({ address, restarts: cell.restarts, error: errorToData(error) });
  }

  watch(watcher: string, target: Party): void {
    if (target.node === this.node) {
      if (this.#cells.has(target.name))
        this.#deathWatch.addWatcher(target.name, { node: this.node, name: watcher });
      else this.#tellEnd({ node: this.node, name: watcher }, target.name, 'stopped');
      return;
    }
    this.#deathWatch.addWatched(target, watcher);
    if (this.#router.post(target.node, [kinds.watch, target.name, watcher, 0, null])) return;
    this.#deathWatch.removeWatched(target, watcher);
    const address = addressOf(target.node, target.name);
    this.#cells.get(watcher)?.signal({ type: 'terminated', address, reason: 'unreachable' });
  }

  unwatch(watcher: string, target: Party): void {
    if (target.node === this.node) {
      this.#deathWatch.removeWatcher(target.name, { node: this.node, name: watcher });
    } else if (this.#deathWatch.removeWatched(target, watcher)) {
      this.#router.post(target.node, [kinds.unwatch, target.name, watcher, 0, null]);
    }
  }

  incarnationOf(peer: NodeId): number | undefined {
    return this.#router.incarnationOf(peer);
  }

  #turnSoon(): void {
    if (this.#isTurnDue || this.#isStopped) return;
    this.#isTurnDue = true;
    this.clock.defer(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnDue = false;
    if (this.#isStopped) return;
    const { messagesPerTurn = 1_024, turnMs = 10 } = this.#options.limits ?? {};
    const untilMs = this.clock.nowMs() + turnMs;
    let left = messagesPerTurn;
    while (this.#ready.length > 0 && left > 0) {
      const round = this.#ready;
      this.#ready = [];
      for (const cell of round) left -= this.#workOn(cell, left);
      if (this.clock.nowMs() > untilMs) break;
    }
    this.#router.flush();
    if (this.#ready.length > 0) this.#turnSoon();
  }

  /** Lets one cell work, for not so long that the others would notice. Returns how much it did. */
  #workOn(cell: Cell, atMost: number): number {
    const share = Math.min(atMost, messagesPerLook);
    let done = 0;
    while (done < share && cell.work()) done++;
    this.#messagesHandled += done;
    cell.isQueued = cell.hasWork;
    if (cell.isQueued) this.#ready.push(cell);
    return done;
  }

  /** Takes an envelope of `peer` out of its frame. */
  #open(peer: NodeId, [kind, to, from, ask, body]: Envelope): void {
    switch (kind) {
      case kinds.tell:
      case kinds.ask:
        this.#deliver(to, {
          fromNode: peer,
          fromName: from,
          ask: kind === kinds.ask ? ask : 0,
          message: body,
        });
        break;
      case kinds.answer:
        this.#asks.answer(ask, peer, body);
        break;
      case kinds.refusal:
        this.#asks.fail(ask, peer, errorFromData(readErrorData(body)));
        break;
      case kinds.watch:
        if (this.#cells.has(to)) this.#deathWatch.addWatcher(to, { node: peer, name: from });
        else this.#tellEnd({ node: peer, name: from }, to, 'stopped');
        break;
      case kinds.unwatch:
        this.#deathWatch.removeWatcher(to, { node: peer, name: from });
        break;
      case kinds.terminated: {
        this.#deathWatch.removeWatched({ node: peer, name: from }, to);
        const reason = body === 'failed' ? 'failed' : 'stopped';
        this.#cells.get(to)?.signal({ type: 'terminated', address: addressOf(peer, from), reason });
        break;
      }
      case kinds.overloaded:
        this.#cells.get(to)?.signal({ type: 'overloaded', address: addressOf(peer, from) });
        break;
      default:
        throw new CodedError('ERR_FRAME_INVALID', `envelope of kind ${kind}`);
    }
  }

  #deliver(name: string, letter: Letter): void {
    const cell = this.#cells.get(name);
    if (cell === undefined) {
      const to = { node: this.node, name };
      if (letter.ask !== 0)
        this.refuse(letter, name, errorToData(this.#nobodyAt(addressOf(this.node, name))));
      else this.#bury({ ...letter, to, reason: 'no-actor' });
      return;
    }
    const displaced = cell.mailbox.offer(letter);
    if (displaced !== undefined) this.#overflow(cell, displaced);
    this.ready(cell);
  }

  /** `letter` lost its place in the mailbox of `cell`. */
  #overflow(cell: Cell, letter: Letter): void {
    const { capacity, overflow } = cell.mailbox;
    if (letter.ask !== 0) {
      const line = `${addressOf(this.node, cell.name)}: its mailbox holds ${capacity} messages`;
      this.refuse(letter, cell.name, errorToData(new CodedError('ERR_OVERLOADED', line, { capacity })));
      return;
    }
    this.#bury({ ...letter, to: { node: this.node, name: cell.name }, reason: 'overloaded' });
    if (overflow !== 'reject' || letter.fromName === nobody) return;
    const sender = addressOf(letter.fromNode, letter.fromName);
    if (cell.toldOverloaded.has(sender)) return;
    cell.toldOverloaded.add(sender);
    if (letter.fromNode === this.node) {
      const address = addressOf(this.node, cell.name);
      this.#cells.get(letter.fromName)?.signal({ type: 'overloaded', address });
    } else {
      this.#router.post(letter.fromNode, [kinds.overloaded, letter.fromName, cell.name, 0, null]);
    }
  }

  #tellEnd(watcher: Party, name: string, reason: 'stopped' | 'failed'): void {
    if (watcher.node === this.node) {
      const signal: Signal = { type: 'terminated', address: addressOf(this.node, name), reason };
      this.#cells.get(watcher.name)?.signal(signal);
    } else {
      this.#router.post(watcher.node, [kinds.terminated, watcher.name, name, 0, reason]);
    }
  }

  #nobodyAt(address: Address): CodedError {
    return new CodedError('ERR_DEAD_LETTER', `nobody lives at ${address}`, { address });
  }

  #bury(letter: Omit<DeadLetter, 'to' | 'from'> & { to: Party; fromNode: NodeId; fromName: string }): void {
    this.#deadLetters++;
    const { to, fromNode, fromName, reason, message } = letter;
    const from = addressOf(fromNode, fromName);
    this.#options.onDeadLetter?.({ to: addressOf(to.node, to.name), from, reason, message });
  }
}
