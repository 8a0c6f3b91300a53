/**
 * The groups of a node under one roof: who of their replicas is awake, and what all of them have to hear.
 *
 * A group at rest costs next to nothing: its replica is given its ticks seldom, and it says nothing. That its
 * leader lives is said by the node, once for all groups; when a node falls silent, or comes back in another life,
 * each replica is told and decides for itself what that means to it.
 */
import { type ActorRef, type Behavior, type Clock, type NodeId, parseAddress } from '@quorate/core';
import { type AliveMessage, decodeAlive, encodeAlive } from './alive-message.ts';
import { type Electing, ElectionTurns } from './election-turns.ts';
import { NodeWatch } from './node-watch.ts';
import type { ReplicaTuning } from './tuning.ts';

/** What the host needs of a replica. */
export interface HostedReplica extends Electing {
  /** Nothing happens by time alone until somebody asks for something. */
  readonly isIdle: boolean;
  readonly hasFailed: boolean;
  /** The epochs that it serves. */
  readonly runs: readonly { readonly epoch: { readonly members: readonly NodeId[] } }[];
  readonly run: { isMember(node: NodeId): boolean };
  receive(wire: unknown, from: ActorRef, fromNode: NodeId): void;
  tick(): void;
  publish(): void;
  peerDown(peer: NodeId): void;
  peerSilent(peer: NodeId): void;
  fail(error: unknown): void;
  stop(): Promise<void>;
}

export interface GroupHostParts {
  readonly node: NodeId;
  readonly clock: Clock;
  readonly tuning: Pick<ReplicaTuning, 'heartbeatMs' | 'electionTimeoutMs' | 'peerDownHints'>;
  /** Whether groups may fall silent, so that nodes have to watch each other. */
  readonly watchesNodes: boolean;
  /** Another number in each life of this node. */
  readonly life: number;
  /** That of group 0 first, and so on. */
  readonly replicas: readonly HostedReplica[];
  /** The actor of another node. */
  readonly nodeActor: (node: NodeId) => ActorRef;
  /** Asks for the signal that says that an actor has ended. */
  readonly watch: (ref: ActorRef) => void;
}

/** So many replicas are given their tick at once; of more that are awake, some now and some the next time. */
const ticksAtOnce = 128;
/** Nobody waits longer than so many ticks of the node: less than a second heartbeat. */
const turnsMax = 8;

export class GroupHost {
  readonly #parts: GroupHostParts;
  readonly #watch: NodeWatch;
  readonly #awake: Set<HostedReplica>;
  readonly #elections: ElectionTurns;
  /** Peers whose end this node will be told of. */
  readonly #watched = new Set<NodeId>();
  /** The life that each peer was last heard in. */
  readonly #lives = new Map<NodeId, number>();
  #peers: ReadonlySet<NodeId> = new Set();
  #aliveDueMs: number;
  #allDueMs: number;

  constructor(parts: GroupHostParts) {
    const nowMs = parts.clock.nowMs();
    this.#parts = parts;
    this.#watch = new NodeWatch(parts.tuning.electionTimeoutMs[0], nowMs);
    this.#awake = new Set(parts.replicas);
    this.#elections = new ElectionTurns(2 * parts.tuning.electionTimeoutMs[1]);
    this.#aliveDueMs = nowMs;
    this.#allDueMs = nowMs;
  }

  /** The actor around one replica. */
  behaviorOf(replica: HostedReplica): Behavior<unknown, void> {
    return {
      receive: (wire, from) => {
        const { node } = parseAddress(from.address);
        if (node !== this.#parts.node && replica.run.isMember(node)) this.#heard(node);
        this.#awake.add(replica);
        guarded(replica, () => replica.receive(wire, from, node));
      },
      stopped: () => replica.stop(),
    };
  }

  /** A word of another node's actor. @throws CodedError ERR_FRAME_INVALID */
  receive(wire: unknown, from: ActorRef): void {
    const { node } = parseAddress(from.address);
    const { life, failedGroups } = decodeAlive(wire);
    if (!this.#peers.has(node)) return;
    this.#heard(node);
    const lifeBefore = this.#lives.get(node);
    this.#lives.set(node, life);
    if (lifeBefore !== undefined && lifeBefore !== life) this.#peerSilent(node, this.#parts.replicas);
    const { replicas } = this.#parts;
    if (failedGroups.length === 0) return;
    const failed = new Set(failedGroups);
    this.#peerSilent(
      node,
      replicas.filter((_, group) => failed.has(group)),
    );
  }

  /** To be called several times within a heartbeat. */
  tick(): void {
    const { clock, replicas, watchesNodes, tuning } = this.#parts;
    const nowMs = clock.nowMs();
    if (nowMs >= this.#allDueMs) {
      // Whatever a replica at rest may have to do after all, it does a little later.
      this.#allDueMs = nowMs + tuning.electionTimeoutMs[1];
      for (const replica of replicas) this.#awake.add(replica);
      this.#peers = this.#findPeers();
      this.#watch.watchOver(this.#peers, nowMs);
    }
    if (watchesNodes) this.#keepWatch(nowMs);
    for (const replica of this.#takeTurns(nowMs)) {
      guarded(replica, () => replica.tick());
      if (replica.isIdle) guarded(replica, () => replica.publish());
      else this.#awake.add(replica);
    }
  }

  /** Takes those whose turn it is from among the awake: all of them, while they are few. */
  #takeTurns(nowMs: number): readonly HostedReplica[] {
    const count = Math.max(ticksAtOnce, Math.ceil(this.#awake.size / turnsMax));
    const taken: HostedReplica[] = [];
    this.#elections.review(nowMs);
    for (const replica of this.#awake) {
      if (taken.length === count) break;
      if (!this.#elections.admits(replica, nowMs)) continue;
      taken.push(replica);
      this.#awake.delete(replica);
    }
    return taken;
  }

  /** Lets whoever listens know how far the replicas that are awake have got. */
  publish(): void {
    for (const replica of this.#awake) guarded(replica, () => replica.publish());
  }

  /** This node is not told of the end of `peer` any more, unless it is heard again. */
  watchEnded(peer: NodeId): void {
    this.#watched.delete(peer);
  }

  /**
   * The thread of `peer` has ended, in its life number `ended`; `present` is the one that can be reached now, if any.
   *
   * The hint voids the loyalty that a lease counts on, which is safe for the life that ended and no other. News that
   * is handled late, after the peer has come back and perhaps leads again, says no more than that it was away.
   */
  threadEnded(
    peer: NodeId,
    { ended, present }: { readonly ended: number; readonly present: number | undefined },
  ): void {
    if (present !== undefined && present > ended) return this.#peerSilent(peer, this.#parts.replicas);
    for (const replica of this.#parts.replicas) {
      this.#awake.add(replica);
      guarded(replica, () => replica.peerDown(peer));
    }
  }

  /** What the groups share is broken. */
  fail(error: unknown): void {
    for (const replica of this.#parts.replicas) replica.fail(error);
  }

  #heard(peer: NodeId): void {
    const { clock, tuning, nodeActor, watch } = this.#parts;
    this.#watch.heard(peer, clock.nowMs());
    if (!tuning.peerDownHints || this.#watched.has(peer)) return;
    this.#watched.add(peer);
    watch(nodeActor(peer));
  }

  #keepWatch(nowMs: number): void {
    for (const peer of this.#watch.silent(nowMs)) this.#peerSilent(peer, this.#parts.replicas);
    if (nowMs < this.#aliveDueMs) return;
    this.#aliveDueMs = nowMs + this.#parts.tuning.heartbeatMs;
    const alive = encodeAlive(this.#aliveMessage());
    for (const peer of this.#peers) this.#parts.nodeActor(peer).tell(alive);
  }

  #aliveMessage(): AliveMessage {
    const { life, replicas } = this.#parts;
    const failedGroups = [...replicas.keys()].filter((group) => replicas[group]?.hasFailed === true);
    return { life, failedGroups };
  }

  #peerSilent(peer: NodeId, replicas: readonly HostedReplica[]): void {
    for (const replica of replicas) {
      guarded(replica, () => replica.peerSilent(peer));
      if (!replica.isIdle) this.#awake.add(replica);
    }
  }

  #findPeers(): ReadonlySet<NodeId> {
    const peers = new Set<NodeId>();
    for (const { runs } of this.#parts.replicas) {
      for (const { epoch } of runs) for (const member of epoch.members) peers.add(member);
    }
    peers.delete(this.#parts.node);
    return peers;
  }
}

/** Whatever is thrown here is a bug. The actor would end without a word; the replica says why it stopped. */
function guarded(replica: HostedReplica, run: () => void): void {
  try {
    run();
  } catch (error) {
    replica.fail(error);
  }
}
