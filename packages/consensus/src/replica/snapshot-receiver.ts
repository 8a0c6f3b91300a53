/**
 * Receives a snapshot chunk by chunk into a file that counts only once it is whole, durable and verified.
 *
 * Each answer names the offset wanted next. A transfer belongs to one sender and one number; a newer
 * offer takes the place of an older one.
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
}

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #reception: Reception | undefined;
  /** While the disk works, messages are dropped: the sender repeats what is not answered. */
  #isBusy = false;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  offered(from: NodeId, offer: SnapshotOffer): void {
    if (this.#isBusy) return;
    const current = this.#reception;
    if (current !== undefined && current.from === from && isSame(current.offer, offer))
      return this.#ask(current);
    if (current !== undefined && current.offer.reign > offer.reign) return;
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
      this.#reception = { from, offer, writer, nextOffset: 0 };
      this.#ask(this.#reception);
    });
  }

  chunk(from: NodeId, transfer: number, offset: number, chunk: Uint8Array): void {
    const current = this.#reception;
    if (this.#isBusy || current === undefined || current.from !== from || current.offer.transfer !== transfer)
      return;
    if (offset !== current.nextOffset) return this.#ask(current);
    this.#work(async () => {
      await current.writer.append(chunk);
      current.nextOffset += chunk.byteLength;
      if (current.nextOffset < current.offer.sizeBytes) return this.#ask(current);
      this.#reception = undefined;
      await current.writer.commit();
      this.#options.received(from, current.offer);
      this.#ask(current);
    });
  }

  async stop(): Promise<void> {
    const current = this.#reception;
    this.#reception = undefined;
    await current?.writer.abort();
  }

  #ask({ from, offer, nextOffset }: Reception): void {
    this.#options.send(from, { type: 'snapshot-progress', transfer: offer.transfer, nextOffset });
  }

  #work(task: () => Promise<void>): void {
    this.#isBusy = true;
    task().then(
      () => {
        this.#isBusy = false;
      },
      (error: unknown) => {
        this.#isBusy = false;
        const current = this.#reception;
        this.#reception = undefined;
        // What is left of the file is removed when the store is opened next.
        current?.writer.abort().catch(() => undefined);
        this.#options.failed(error);
      },
    );
  }
}

function isSame(a: SnapshotOffer, b: SnapshotOffer): boolean {
  const { transfer, last, sizeBytes } = a;
  const isSamePlace = last.index === b.last.index && last.reign === b.last.reign;
  return transfer === b.transfer && sizeBytes === b.sizeBytes && isSamePlace;
}
