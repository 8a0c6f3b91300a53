/**
 * The client: the actor through which an app, or the simulator, talks to a cluster.
 *
 * It believes in a leader, asks it, follows hints, asks again, and hands out sessions. It holds nothing
 * that the cluster relies on: a client that dies leaves only a session that will expire.
 */
import {
  type ActorContext,
  type ActorRef,
  type Behavior,
  CodedError,
  encodeValue,
  invariant,
  type NodeId,
  parseAddress,
} from '@quorate/core';
import type { LogIndex } from '../protocol.ts';
import { majoritySize } from '../quorum/majority.ts';
import type { EpochChange, ReplicaStatus } from '../replica/message.ts';
import { decodeClientMessage, encodeReplicaMessage } from '../replica/message-codec.ts';
import { type Errand, Errands } from './errands.ts';
import { LeaderView, type PresentEpoch } from './leader-view.ts';
import { Session } from './session.ts';
import { defaultSessionLimitsOfClient, type SessionLimitsOfClient } from './session-limits.ts';
import {
  type CallOptions,
  expire,
  fail,
  refusalError,
  succeed,
  type WaitingCall,
  waitFor,
} from './waiting-call.ts';

/** What a client is made of. Durations in milliseconds. */
export interface ClientOptions {
  readonly nodes: readonly NodeId[];
  readonly replica: (context: ActorContext, node: NodeId) => ActorRef;
  /** A fresh random string each time. */
  readonly nonce: () => string;
  /** How long an unanswered asking is left alone before it is repeated. */
  readonly patienceMs: number;
  readonly backOffMs: number;
  readonly limits?: SessionLimitsOfClient;
  readonly onStatus?: (status: ReplicaStatus) => void;
  readonly onLeader?: (leader: { readonly node: NodeId; readonly reign: number }) => void;
}

/** How often replicas are asked anew for their news while something waits, or nothing can be had: the first asking may be lost. */
const renewWatchMs = 1_000;

/** Somebody who waits for news: until the deadline, or until the signal is raised, for then nobody wants it any more. */
interface NewsWaiter {
  readonly hasCome: () => boolean;
  readonly tooLate: () => CodedError;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: () => void;
  readonly reject: (error: CodedError) => void;
}

/** The client of one group of replicas: one actor, any number of sessions. Apps have a `Cluster` around it. */
export class Client {
  readonly #context: ActorContext;
  readonly #options: ClientOptions;
  readonly #view: LeaderView;
  readonly #errands: Errands;
  readonly #replicas = new Map<NodeId, ActorRef>();
  /** With calls that were not sent yet. An idle session is held by its user alone, and goes when that lets go. */
  readonly #unsent = new Set<Pick<Session, 'rejectUnsent'>>();
  readonly #newsWaiters = new Set<NewsWaiter>();
  /** Why no quorum can be had, as long as that is so. */
  #failure: CodedError | undefined;
  #announced = '';
  #stopError: CodedError | undefined;

  constructor(context: ActorContext, options: ClientOptions) {
    this.#context = context;
    this.#options = options;
    this.#view = new LeaderView(options.nodes);
    this.#errands = new Errands({
      clock: context.clock,
      view: this.#view,
      replica: (node) => this.#replica(node),
      firstRequest: 1 + context.random.below(2 ** 32) * 2 ** 20,
      random: context.random,
      patienceMs: options.patienceMs,
      backOffMs: options.backOffMs,
    });
    for (const node of options.nodes) this.watch(node);
    context.timers.every(renewWatchMs, () => {
      this.#tellNewsWaiters();
      const isWaiting = this.#errands.size + this.#newsWaiters.size > 0;
      // Whoever has heard that a majority failed asks nothing of it, and must yet hear when it is back.
      if (isWaiting || this.#failure !== undefined) for (const node of this.#view.nodes) this.watch(node);
    });
  }

  /** What each replica last told of itself. */
  get statuses(): ReadonlyMap<NodeId, ReplicaStatus> {
    return this.#view.statuses();
  }

  get leader(): NodeId | undefined {
    return this.#view.leader;
  }

  /** What the newest epoch heard of is, by the word of one who serves it; undefined before any word came. */
  get epoch(): PresentEpoch | undefined {
    return this.#view.present;
  }

  /**
   * Resolves when a leader of `epoch` or a later one is known.
   * @param signal lets go before the deadline, as those below do, too: within a second, with the same error
   * @throws CodedError ERR_NO_QUORUM at the deadline
   */
  leaderIn(epoch: number, deadlineMs: number, signal?: AbortSignal): Promise<void> {
    return this.#await({
      hasCome: () => this.#isLedIn(epoch),
      tooLate: () => new CodedError('ERR_NO_QUORUM', 'no leader in time', {}),
      deadlineMs,
      signal,
    });
  }

  /**
   * Resolves when `node` has told, in its present life, that it is in the newest epoch that is known, with a voice or
   * without. @throws CodedError ERR_NO_QUORUM at the deadline
   */
  heardIn(node: NodeId, deadlineMs: number, signal?: AbortSignal): Promise<void> {
    return this.#await({
      hasCome: () => this.statuses.get(node)?.epoch === this.#view.epoch,
      tooLate: () => new CodedError('ERR_NO_QUORUM', `${node} did not come along in time`, { node }),
      deadlineMs,
      signal,
    });
  }

  /**
   * Resolves when `epoch` or a later one is led and a majority of its members have entered it. The leader alone
   * is not enough to do without those who leave: an appointed one leads at once, while it may be the only member
   * that holds what the epoch before has acknowledged. @throws CodedError ERR_OUTCOME_UNKNOWN at the deadline
   */
  establishedIn(epoch: number, deadlineMs: number, signal?: AbortSignal): Promise<void> {
    const line = `epoch ${epoch} was decided, and a majority of its members was not seen to enter it in time`;
    return this.#await({
      hasCome: () => this.#isLedIn(epoch) && this.#isEntered(),
      tooLate: () => new CodedError('ERR_OUTCOME_UNKNOWN', line, { epoch }),
      deadlineMs,
      signal,
    });
  }

  #await(waiter: Omit<NewsWaiter, 'resolve' | 'reject'>): Promise<void> {
    if (waiter.hasCome()) return Promise.resolve();
    if (this.#stopError !== undefined) return Promise.reject(this.#stopError);
    return new Promise((resolve, reject) => {
      this.#newsWaiters.add({ ...waiter, resolve, reject });
    });
  }

  #isLedIn(epoch: number): boolean {
    const { leader, epoch: newest } = this.#view;
    return leader !== undefined && newest >= epoch;
  }

  /** Whether a majority of the newest epoch's members is in it. Who only learns there may hold nothing of it yet. */
  #isEntered(): boolean {
    const members = this.epoch?.members ?? [];
    const entered = members.filter((member) => {
      const status = this.statuses.get(member);
      return status?.epoch === this.#view.epoch && status.role !== 'learner';
    });
    return members.length > 0 && entered.length >= majoritySize(members.length);
  }

  #tellNewsWaiters(): void {
    const nowMs = this.#context.clock.nowMs();
    for (const waiter of this.#newsWaiters) {
      const hasCome = waiter.hasCome();
      const isInTime = nowMs < waiter.deadlineMs && waiter.signal?.aborted !== true;
      if (!hasCome && isInTime && this.#stopError === undefined) continue;
      this.#newsWaiters.delete(waiter);
      if (hasCome) waiter.resolve();
      else waiter.reject(this.#stopError ?? waiter.tooLate());
    }
  }

  /**
   * Ends the present epoch; resolves with the number of the next when that has begun.
   *
   * Whether those who join have caught up is for the leader to say, and it is given less time than the caller has, so
   * that its word is here before that: `ERR_NO_QUORUM`, nothing was changed. `ERR_OUTCOME_UNKNOWN` at the deadline
   * means that no word came: the leader that was asked is gone, or has proposed the change and not seen it chosen.
   */
  reconfigure(change: EpochChange, options: CallOptions): Promise<number> {
    return this.#call(options, (call, answered) => ({
      target: 'leader',
      message: (request) => {
        const leftMs = call.deadlineMs - this.#context.clock.nowMs();
        const withinMs = Math.max(1, Math.floor(leftMs - answerTakesMs(leftMs, this.#options.patienceMs)));
        return { type: 'reconfigure', request, withinMs, change };
      },
      answered: (answer) => {
        invariant(answer.type === 'reconfigured', 'a change of epoch is answered by the next epoch');
        answered(answer.epoch);
      },
    })) as Promise<number>;
  }

  /** Has the lead handed to `to`; resolves when it leads. */
  transfer(to: NodeId, options: CallOptions): Promise<void> {
    return this.#call(options, (_, answered) => ({
      target: 'leader',
      message: (request) => ({ type: 'transfer', request, to }),
      answered: () => answered(undefined),
    })) as Promise<void>;
  }

  /** Resolves when a quorum of the present epoch has confirmed its leader. */
  barrier(options: CallOptions): Promise<void> {
    const queries = encodeValue([]);
    const read = { consistency: 'linearizable', isLocal: false, atLeast: 0 as LogIndex, queries } as const;
    return this.#call(options, (_, answered) => ({
      target: 'leader',
      message: (request) => ({ type: 'read', request, ...read }),
      answered: () => answered(undefined),
    })) as Promise<void>;
  }

  #call(
    options: CallOptions,
    errand: (
      call: WaitingCall,
      answered: (value: unknown) => void,
    ) => Pick<Errand, 'target' | 'message' | 'answered'>,
  ): Promise<unknown> {
    return waitFor(undefined, options, this.#context.clock.nowMs(), (call) => {
      if (this.#stopError !== undefined) throw this.#stopError;
      const { signal } = call;
      if (signal !== undefined) {
        const aborted = (): void =>
          fail(call, new CodedError('ERR_OUTCOME_UNKNOWN', 'aborted; it may yet happen', {}));
        signal.addEventListener('abort', aborted, { once: true });
        call.unwatch = () => signal.removeEventListener('abort', aborted);
      }
      this.#errands.start({
        ...errand(call, (value) => succeed(call, value)),
        rejected: (refusal, mayHaveHappened) =>
          fail(call, refusalError(refusal.code, refusal.message, mayHaveHappened)),
        tick: (nowMs, standing) => expire([call], nowMs, standing) !== Number.POSITIVE_INFINITY,
      });
    });
  }

  /** Opened at its first command; a named one takes the place of whoever held the name before. */
  session(name?: string): Session {
    return new Session(name, {
      clock: this.#context.clock,
      errands: this.#errands,
      nonce: this.#options.nonce,
      limits: this.#options.limits ?? defaultSessionLimitsOfClient,
      failure: () => this.#stopError ?? this.#failure,
      unsent: this.#unsent,
    });
  }

  /** Asks the node's replica for its news; to be repeated when the node was started anew. */
  watch(node: NodeId): void {
    this.#replica(node).tell(encodeReplicaMessage({ type: 'watch-status' }));
  }

  /** The thread of `node` has ended. */
  nodeDown(node: NodeId): void {
    this.#view.wentDown(node);
    this.#errands.nodeDown(node);
  }

  /** The node is no more. */
  nodeRemoved(node: NodeId): void {
    this.#view.forget(node);
    this.#replicas.delete(node);
  }

  nodeUp(node: NodeId): void {
    this.#view.cameUp(node);
    this.#failure = this.#whatFailed();
    this.watch(node);
  }

  behavior(): Behavior<unknown, void> {
    return { receive: (wire, from) => this.#receive(wire, from), stopped: () => this.stop() };
  }

  /** Rejects whatever waits: `ERR_STOPPED` if it was not sent, `ERR_OUTCOME_UNKNOWN` if it was. */
  stop(): void {
    const error = new CodedError('ERR_STOPPED', 'the cluster has stopped', {});
    this.#stopError = error;
    this.#tellNewsWaiters();
    this.#errands.rejectAll(error);
    for (const session of this.#unsent) session.rejectUnsent(error);
  }

  #receive(wire: unknown, from: ActorRef): void {
    // Throws at bytes that are no message of ours; they came from inside the process, so that is a bug.
    const message = decodeClientMessage(wire);
    if (message.type !== 'status') {
      return this.#errands.received(message, parseAddress(from.address).node);
    }
    const nodesBefore = this.#view.nodes;
    if (this.#view.heard(message.status)) this.#errands.leaderChanged();
    for (const node of this.#view.nodes) if (!nodesBefore.includes(node)) this.watch(node);
    this.#announce();
    this.#tellNewsWaiters();
    this.#failure = this.#whatFailed();
    if (this.#failure !== undefined) this.#giveUp(this.#failure);
    this.#options.onStatus?.(message.status);
  }

  #giveUp(failure: CodedError): void {
    this.#errands.rejectAll(failure);
    for (const session of this.#unsent) session.rejectUnsent(failure);
  }

  #announce(): void {
    const { leader, reign } = this.#view;
    const news = `${leader}/${reign}`;
    if (leader === undefined || news === this.#announced) return;
    this.#announced = news;
    this.#options.onLeader?.({ node: leader, reign });
  }

  /** With a majority of replicas failed, waiting is of no use: says what they failed of. */
  #whatFailed(): CodedError | undefined {
    const { nodes } = this.#view;
    const failed = [...this.statuses.values()].filter(
      ({ node, role }) => role === 'failed' && nodes.includes(node),
    );
    const first = failed[0]?.failure;
    if (first === undefined || nodes.length - failed.length >= majoritySize(nodes.length)) return undefined;
    const names = failed.map(({ node }) => node).join(', ');
    return new CodedError(first.code, `no quorum: ${names} failed: ${first.message}`, { nodes: names });
  }

  #replica(node: NodeId): ActorRef {
    let ref = this.#replicas.get(node);
    if (ref === undefined) {
      ref = this.#options.replica(this.#context, node);
      this.#replicas.set(node, ref);
    }
    return ref;
  }
}

/** What is kept of the time that is left, for the leader's last word to come: patience, if there is time for it. */
function answerTakesMs(leftMs: number, patienceMs: number): number {
  return Math.min(patienceMs, leftMs / 4);
}
