/**
 * The exchange of snapshots with other replicas: which one helps a peer, and what a received one is good for.
 *
 * One of the present epoch goes to the protocol, which knows whether it may take the place of the log. One of a
 * later epoch brings this replica there, over everything in between.
 */
import type { Clock, NodeId } from '@quorate/core';
import type { SnapshotMeta, SnapshotStore } from '@quorate/storage';
import type { Reign } from '../protocol.ts';
import type { Epoch } from './epoch.ts';
import type { Epochs } from './epochs.ts';
import type { ReplicaMessage, SnapshotOffer } from './message.ts';
import type { SnapshotKeeper } from './snapshot-keeper.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { SnapshotSender } from './snapshot-sender.ts';

export interface SnapshotExchangeParts {
  readonly group: number;
  readonly clock: Clock;
  readonly snapshots: SnapshotStore;
  readonly keeper: SnapshotKeeper;
  readonly epochs: () => Epochs;
  /** See `SnapshotSenderOptions`. */
  readonly firstTransfer: number;
  readonly chunkBytes: number;
  readonly retryAfterMs: number;
  readonly send: (to: NodeId, message: ReplicaMessage) => void;
  /** A durable snapshot of a later epoch shall take the place of the state. */
  readonly skipTo: (offer: SnapshotOffer) => void;
  readonly warn: (message: string, error: unknown) => void;
}

export class SnapshotExchange {
  readonly #parts: SnapshotExchangeParts;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  /** Peers that no snapshot here could help yet, and where they are. */
  readonly #waiting = new Map<NodeId, number>();

  constructor(parts: SnapshotExchangeParts) {
    this.#parts = parts;
    const { group, clock, snapshots, firstTransfer, chunkBytes, retryAfterMs, send, epochs } = parts;
    this.#sender = new SnapshotSender({
      group,
      clock,
      snapshots,
      firstTransfer,
      chunkBytes,
      retryAfterMs,
      standingAt: (snapshot) => {
        const status = epochs().runOf(snapshot.epoch)?.status();
        const brings = epochBroughtBy(snapshot, epochs().run.epoch);
        return { brings, reign: status?.reign ?? (0 as Reign), leads: status?.role === 'leader' };
      },
      send,
      done: (to, delivered) => epochs().snapshotSent(to, delivered),
    });
    this.#receiver = new SnapshotReceiver({
      snapshots,
      send,
      received: (from, offer) => this.#received(from, offer),
      failed: (error) => parts.warn('a snapshot could not be received', error),
    });
  }

  /** The newest one, if it is of an epoch that helps `to`; else one is taken, and `to` will ask again. */
  sendTo(to: NodeId, epochOfPeer: number): void {
    const { group, snapshots, keeper } = this.#parts;
    const epochs = this.#parts.epochs();
    const newest = snapshots.latest(group);
    const present = epochs.run.epoch;
    const isOfPresent = newest !== undefined && epochBroughtBy(newest, present) === present.number;
    const isOfPeers = newest?.epoch === epochOfPeer && epochs.runOf(epochOfPeer) !== undefined;
    if (isOfPresent || isOfPeers) return this.#sender.start(to);
    this.#waiting.set(to, epochOfPeer);
    keeper.want();
    epochs.snapshotSent(to, false);
  }

  /** There is a newer snapshot: perhaps the one that somebody waits for. */
  taken(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [to, epochOfPeer] of waiting) this.sendTo(to, epochOfPeer);
  }

  offered(from: NodeId, offer: SnapshotOffer): void {
    const { run, isMoving } = this.#parts.epochs();
    if (isMoving || offer.brings < run.epoch.number) return;
    if (offer.brings > run.epoch.number || offer.last.index > run.status().commitIndex)
      return this.#receiver.offered(from, offer);
    // Everything in it is here already: the protocol can say so without seeing a byte of it.
    this.#received(from, offer);
    const { transfer, sizeBytes } = offer;
    this.#parts.send(from, { type: 'snapshot-progress', transfer, nextOffset: sizeBytes });
  }

  chunk(from: NodeId, { transfer, offset, chunk }: ReplicaMessage & { type: 'snapshot-chunk' }): void {
    this.#receiver.chunk(from, transfer, offset, chunk);
  }

  progress(from: NodeId, { transfer, nextOffset }: ReplicaMessage & { type: 'snapshot-progress' }): void {
    this.#sender.progress(from, transfer, nextOffset);
  }

  tick(): void {
    this.#sender.tick(this.#parts.clock.nowMs());
  }

  /** What a leader began to send ends with its rule. */
  stopSending(): void {
    this.#sender.stop();
  }

  async stop(): Promise<void> {
    await this.#receiver.stop();
  }

  #received(from: NodeId, offer: SnapshotOffer): void {
    const { run, isMoving } = this.#parts.epochs();
    if (isMoving || offer.brings < run.epoch.number) return;
    const { reign, leads, last } = offer;
    // One of an earlier epoch that leads into this one helps only a newcomer who has nothing of this one.
    const leadsHere = offer.epoch < run.epoch.number && last.index > run.status().commitIndex;
    if (offer.brings > run.epoch.number || leadsHere) return this.#parts.skipTo(offer);
    if (offer.epoch < run.epoch.number) return;
    run.input({ type: 'snapshot-received', from, reign, leads, last });
  }
}

/** A snapshot taken where an epoch ends holds the STOP: whoever installs it is in the next. */
function epochBroughtBy({ epoch, index }: SnapshotMeta, present: Epoch): number {
  const isAtStop = epoch === present.number - 1 && index === present.base;
  return isAtStop ? present.number : epoch;
}
