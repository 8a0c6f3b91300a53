/**
 * What a client believes about who leads, from what replicas tell it and from refusals.
 *
 * A belief can be wrong or old; it only decides whom to ask first. The higher reign wins, and within a
 * reign the word of the leader itself.
 */
import type { NodeId } from '@quorate/core';
import type { ReplicaStatus } from '../replica/message.ts';

/** What clients know of the newest epoch. */
export type PresentEpoch = Pick<ReplicaStatus, 'epoch' | 'algorithm' | 'acceptQuorum' | 'members'>;

export class LeaderView {
  #nodes: readonly NodeId[];
  #present: PresentEpoch | undefined;
  readonly #statuses = new Map<NodeId, ReplicaStatus>();
  readonly #down = new Set<NodeId>();
  #leader: NodeId | undefined;
  #reign = 0;
  #nextAny = 0;

  constructor(nodes: readonly NodeId[]) {
    this.#nodes = nodes;
  }

  get leader(): NodeId | undefined {
    return this.#leader;
  }

  /** The newest epoch heard of; 0 before any. */
  get epoch(): number {
    return this.#present?.epoch ?? 0;
  }

  /** The newest epoch, by the word of one who serves it; undefined before any word came. */
  get present(): PresentEpoch | undefined {
    return this.#present;
  }

  get reign(): number {
    return this.#reign;
  }

  /** Those that can be asked: the voters of the newest epoch heard of. */
  get nodes(): readonly NodeId[] {
    return this.#nodes;
  }

  /** A node that is no more; what it told last says nothing. */
  forget(node: NodeId): void {
    this.#statuses.delete(node);
    this.#down.delete(node);
  }

  statuses(): ReadonlyMap<NodeId, ReplicaStatus> {
    return this.#statuses;
  }

  isDown(node: NodeId): boolean {
    return this.#down.has(node);
  }

  /** @returns whether the leader is another one now */
  heard(status: ReplicaStatus): boolean {
    this.#statuses.set(status.node, status);
    this.#down.delete(status.node);
    const before = this.#leader;
    const { epoch, algorithm, acceptQuorum, members } = status;
    const isNewer = epoch > this.epoch || (epoch === this.epoch && status.reign > this.#reign);
    const isCurrent = epoch === this.epoch && status.reign === this.#reign;
    const claims = status.role === 'leader' ? status.node : status.leader;
    if (isNewer) {
      if (epoch > this.epoch) this.#nodes = members;
      this.#present = { epoch, algorithm, acceptQuorum, members };
      this.#reign = status.reign;
      this.#leader = claims;
    } else if (isCurrent && claims !== undefined) {
      this.#leader = claims;
    } else if (isCurrent && status.node === this.#leader) {
      this.#leader = undefined;
    }
    if (this.#leader !== undefined && this.#down.has(this.#leader)) this.#leader = undefined;
    return this.#leader !== before;
  }

  /** A replica said that it does not lead, and perhaps who does. */
  refusedBy(node: NodeId, hint: NodeId | undefined): void {
    if (this.#leader !== node && this.#leader !== undefined) return;
    this.#leader = hint === node || hint === undefined || this.#down.has(hint) ? undefined : hint;
  }

  /** The thread of the node has ended. */
  wentDown(node: NodeId): void {
    this.#down.add(node);
    if (this.#leader === node) this.#leader = undefined;
  }

  /** The node has begun a new life: what the one before told last says nothing. */
  cameUp(node: NodeId): void {
    this.forget(node);
  }

  /** The nodes in turn, those known to be down left out unless all are. */
  any(): NodeId {
    const up = this.#nodes.filter((node) => !this.#down.has(node));
    const among = up.length === 0 ? this.#nodes : up;
    this.#nextAny += 1;
    return among[this.#nextAny % among.length] as NodeId;
  }
}
