/**
 * Snapshots on their way from one simulated node to another: whole, after a while, or not at all. What a node
 * holds of one that arrived becomes its state when its protocol says so.
 */
import { invariant, type NodeId } from '@quorate/core';
import type { Entry, Input, LogIndex } from '../protocol.ts';
import type { ProtocolCluster } from './cluster.ts';
import { drawBetween } from './draw.ts';
import type { Due, SnapshotTransfer } from './due.ts';

export class SnapshotTransfers<S, M> {
  readonly #cluster: ProtocolCluster<S, M>;
  readonly #schedule: (delayMs: number, due: Due<M>) => void;
  readonly #received = new Map<NodeId, SnapshotTransfer>();

  constructor(cluster: ProtocolCluster<S, M>, schedule: (delayMs: number, due: Due<M>) => void) {
    this.#cluster = cluster;
    this.#schedule = schedule;
  }

  send(from: NodeId, to: NodeId): void {
    const { incarnation, committed, store } = this.#cluster.node(from);
    const last = store.snapshot;
    invariant(last.index > 0, `${from} has no snapshot to send`);
    const { reign, role } = this.#cluster.status(from);
    const leads = role === 'leader';
    const prefix = committed.slice(0, last.index);
    const { random, network } = this.#cluster;
    const delayMs = drawBetween(random, network.delayMs) * 2;
    this.#schedule(delayMs, { type: 'snapshot', from, incarnation, to, reign, leads, last, prefix });
  }

  deliver(transfer: SnapshotTransfer): void {
    const { random, network } = this.#cluster;
    const { from, to, reign, leads, last } = transfer;
    const receiver = this.#cluster.node(to);
    const isLost = !this.#cluster.isLinked(from, to) || random.chance(network.lossChance);
    const delivered = receiver.state !== undefined && !receiver.paused && !isLost;
    this.#schedule(drawBetween(random, network.delayMs), { type: 'snapshot-sent', transfer, delivered });
    if (!delivered) return;
    this.#received.set(to, transfer);
    this.#cluster.input(to, { type: 'snapshot-received', from, reign, leads, last });
  }

  /** Tells the sender how it ended, if it is still the one that sent. */
  report({ from, to, incarnation }: SnapshotTransfer, delivered: boolean): void {
    const sender = this.#cluster.node(from);
    if (sender.state === undefined || sender.incarnation !== incarnation) return;
    this.#cluster.input(from, { type: 'snapshot-sent', to, delivered } satisfies Input<M>);
  }

  /** What the snapshot that `node` installs holds. */
  prefixFor(node: NodeId, snapshot: { readonly index: LogIndex }): readonly Entry[] {
    const transfer = this.#received.get(node);
    invariant(transfer?.last.index === snapshot.index, `${node} installs the snapshot it received last`);
    return transfer.prefix;
  }
}
