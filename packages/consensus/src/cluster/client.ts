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
  type NodeId,
  parseAddress,
} from '@quorate/core';
import { majoritySize } from '../quorum/majority.ts';
import { decodeClientMessage, encodeReplicaMessage, type ReplicaStatus } from '../replica/message.ts';
import { Errands } from './errands.ts';
import { LeaderView } from './leader-view.ts';
import { defaultSessionLimitsOfClient, Session, type SessionLimitsOfClient } from './session.ts';

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

/** How often replicas are asked anew for their news while something waits: the first asking may be lost. */
const renewWatchMs = 1_000;

export class Client {
  readonly #context: ActorContext;
  readonly #options: ClientOptions;
  readonly #view: LeaderView;
  readonly #errands: Errands;
  readonly #replicas = new Map<NodeId, ActorRef>();
  readonly #sessions = new Set<Session>();
  /** Why no quorum can be had, as long as that is so. */
  #failure: CodedError | undefined;
  #announced = '';
  #stopError: CodedError | undefined;

  constructor(context: ActorContext, options: ClientOptions) {
    this.#context = context;
    this.#options = options;
    this.#view = new LeaderView(options.nodes);
    for (const node of options.nodes) this.#replicas.set(node, options.replica(context, node));
    this.#errands = new Errands({
      clock: context.clock,
      view: this.#view,
      replica: (node) => this.#replica(node),
      firstRequest: 1 + context.random.below(2 ** 32) * 2 ** 20,
      patienceMs: options.patienceMs,
      backOffMs: options.backOffMs,
    });
    for (const node of options.nodes) this.watch(node);
    context.timers.every(renewWatchMs, () => {
      if (this.#errands.size > 0) for (const node of options.nodes) this.watch(node);
    });
  }

  /** What each replica last told of itself. */
  get statuses(): ReadonlyMap<NodeId, ReplicaStatus> {
    return this.#view.statuses();
  }

  get leader(): NodeId | undefined {
    return this.#view.leader;
  }

  /** Opened at its first command; a named one takes the place of whoever held the name before. */
  session(name?: string): Session {
    const session = new Session(name, {
      clock: this.#context.clock,
      errands: this.#errands,
      nonce: this.#options.nonce,
      limits: this.#options.limits ?? defaultSessionLimitsOfClient,
      failure: () => this.#failure,
    });
    if (this.#stopError === undefined) this.#sessions.add(session);
    else session.stop(this.#stopError);
    return session;
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

  nodeUp(node: NodeId): void {
    this.#view.cameUp(node);
    this.watch(node);
  }

  behavior(): Behavior<unknown, void> {
    return { receive: (wire, from) => this.#receive(wire, from), stopped: () => this.stop() };
  }

  /** Rejects whatever waits: `ERR_STOPPED` if it was not sent, `ERR_OUTCOME_UNKNOWN` if it was. */
  stop(): void {
    const error = new CodedError('ERR_STOPPED', 'the cluster has stopped', {});
    this.#stopError = error;
    this.#errands.rejectAll(error);
    for (const session of this.#sessions) session.stop(error);
    this.#sessions.clear();
  }

  #receive(wire: unknown, from: ActorRef): void {
    // Throws at bytes that are no message of ours; they came from inside the process, so that is a bug.
    const message = decodeClientMessage(wire);
    if (message.type !== 'status') {
      return this.#errands.received(message, parseAddress(from.address).node);
    }
    if (this.#view.heard(message.status)) this.#errands.leaderChanged();
    this.#announce();
    this.#failure = this.#whatFailed();
    if (this.#failure !== undefined) this.#giveUp(this.#failure);
    this.#options.onStatus?.(message.status);
  }

  #giveUp(failure: CodedError): void {
    this.#errands.rejectAll(failure);
    for (const session of this.#sessions) session.rejectUnsent(failure);
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
    const failed = [...this.statuses.values()].filter(({ role }) => role === 'failed');
    const { nodes } = this.#options;
    const first = failed[0]?.failure;
    if (first === undefined || nodes.length - failed.length >= majoritySize(nodes.length)) return undefined;
    const names = failed.map(({ node }) => node).join(', ');
    return new CodedError(first.code, `no quorum: ${names} failed: ${first.message}`, { nodes: names });
  }

  #replica(node: NodeId): ActorRef {
    const ref = this.#replicas.get(node);
    if (ref === undefined) throw new CodedError('ERR_DEAD_LETTER', `no node is named ${node}`, { node });
    return ref;
  }
}
