/**
 * Receives a snapshot chunk by chunk into a file that counts only once it is whole, durable and verified.
 *
 * Each answer names the offset wanted next. A transfer belongs to one sender and one number. The offer of a
 * newer reign takes its place, and so does another one of the same sender, which has given up the first. Any
 * other offer does only when nothing has come for so long that the sender must be taken for dead: two senders
 * that took each other's place would never get to the end.
 */
import type { NodeId } from '@quorate/core';
import type { SnapshotStore, SnapshotWriter } from '@quorate/storage';
import type { ReplicaMessage, SnapshotOffer } from './message.ts';

export interface SnapshotReceiverOptions {
  readonly snapshots: SnapshotStore;
  readonly send: (to: NodeId, message: ReplicaMessage) => void;
  /** The snapshot is durable here. */
  readonly received: (from: NodeId, offer: SnapshotOffer) => void;
  readonly failed: (error: unknown) => void;
}

interface Reception {
  readonly from: NodeId;
  readonly offer: SnapshotOffer;
  readonly writer: SnapshotWriter;
  nextOffset: number;
  /** Offers of others that were turned away since the last chunk came. */
  turnedAway: number;
}

/** So often others are turned away while nothing comes of a transfer; then it is given up. */
const turnedAwayMax = 10;

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #reception: Reception | undefined;
  /** While the disk works, messages are dropped: the sender repeats what is not answered. */
  #isBusy = false;
  #working: Promise<void> = Promise.resolve();

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  offered(from: NodeId, offer: SnapshotOffer): void {
    if (this.#isBusy) return;
    const current = this.#reception;
    if (current !== undefined && current.from === from && isSame(current.offer, offer))
      return this.#ask(current);
    const isRival = current !== undefined && current.from !== from && !isNewer(offer, current.offer);
    if (isRival && current.turnedAway < turnedAwayMax) {
      current.turnedAway += 1;
      return;
    }
    this.#work(async () => {
      await current?.writer.abort();
      this.#reception = undefined;
      const { index, reign } = offer.last;
      const writer = await this.#options.snapshots.create({
        group: offer.group,
        epoch: offer.epoch,
        index,
        reign,
      });
      this.#reception = { from, offer, writer, nextOffset: 0, turnedAway: 0 };
      this.#ask(this.#reception);
    });
  }

  chunk(from: NodeId, transfer: number, offset: number, chunk: Uint8Array): void {
    const current = this.#reception;
    if (this.#isBusy || current === undefined || current.from !== from || current.offer.transfer !== transfer)
      return;
    if (offset !== current.nextOffset) return this.#ask(current);
    // More than was offered is no part of it. The sender's fault, but our disk.
    if (offset + chunk.byteLength > current.offer.sizeBytes) return;
    this.#work(async () => {
      await current.writer.append(chunk);
      current.nextOffset += chunk.byteLength;
      current.turnedAway = 0;
      if (current.nextOffset < current.offer.sizeBytes) return this.#ask(current);
      await current.writer.commit();
      this.#reception = undefined;
      this.#options.received(from, current.offer);
      this.#ask(current);
    });
  }

  async stop(): Promise<void> {
    // A file is not closed under the hands of whoever writes it: the number of its descriptor may be given anew.
    await this.#working;
    const current = this.#reception;
    this.#reception = undefined;
    await current?.writer.abort();
  }

  #ask({ from, offer, nextOffset }: Reception): void {
    this.#options.send(from, { type: 'snapshot-progress', transfer: offer.transfer, nextOffset });
  }

  #work(task: () => Promise<void>): void {
    this.#isBusy = true;
    this.#working = task()
      .catch(async (error: unknown) => {
        const current = this.#reception;
        this.#reception = undefined;
        // Or a disk that is full would get fuller with every try. What cannot be removed now is removed when the
        // store is opened next.
        await current?.writer.abort().catch(() => undefined);
        this.#options.failed(error);
      })
      .finally(() => {
        this.#isBusy = false;
      });
  }
}

/** A later epoch wins, then a later reign. */
function isNewer(a: SnapshotOffer, b: SnapshotOffer): boolean {
  return a.epoch === b.epoch ? a.reign > b.reign : a.epoch > b.epoch;
}

function isSame(a: SnapshotOffer, b: SnapshotOffer): boolean {
  const { transfer, last, sizeBytes } = a;
  const isSamePlace = last.index === b.last.index && last.reign === b.last.reign;
  return transfer === b.transfer && sizeBytes === b.sizeBytes && isSamePlace;
}
