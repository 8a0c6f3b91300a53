/**
 * Sends the newest snapshot to a peer that needs entries which are forgotten here.
 *
 * One chunk is under way at a time; the receiver's answer names the offset it wants next, so a lost or
 * doubled message costs a retry and never a wrong byte, and a receiver that has part of it resumes.
 */
import type { Clock, NodeId } from '@quorate/core';
import { CodedError } from '@quorate/core';
import type { SnapshotMeta, SnapshotReader, SnapshotStore } from '@quorate/storage';
import type { LogIndex, Reign } from '../protocol.ts';
import type { ReplicaMessage, SnapshotOffer } from './message.ts';

const silentRetriesMax = 20;

export interface SnapshotSenderOptions {
  readonly group: number;
  readonly clock: Clock;
  readonly snapshots: SnapshotStore;
  /**
   * Number of the first transfer. No other life of this node may use the same ones: a chunk that comes
   * late from an earlier life must not be taken for part of this one's. Drawn at random.
   */
  readonly firstTransfer: number;
  readonly chunkBytes: number;
  /**
   * Into which epoch the snapshot brings its receiver, and where this replica stands in the snapshot's own: at
   * reign 0 when it does not serve that one any more.
   */
  readonly standingAt: (snapshot: SnapshotMeta) => Pick<SnapshotOffer, 'brings' | 'reign' | 'leads'>;
  /** How long to wait for an answer before the same bytes go again. */
  readonly retryAfterMs: number;
  readonly send: (to: NodeId, message: ReplicaMessage) => void;
  /** Called once for each transfer that `start` began. */
  readonly done: (to: NodeId, delivered: boolean) => void;
}

interface Transfer {
  readonly id: number;
  readonly to: NodeId;
  readonly meta: SnapshotMeta;
  readonly reader: SnapshotReader;
  offset: number;
  resendAtMs: number;
  silentRetries: number;
  isReading: boolean;
}

export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #transfers = new Map<NodeId, Transfer | 'opening'>();
  #nextId: number;

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
    this.#nextId = options.firstTransfer;
  }

  /** Begins a transfer; does nothing while one to this peer is under way. */
  start(to: NodeId): void {
    if (this.#transfers.has(to)) return;
    this.#transfers.set(to, 'opening');
    this.#open(to).catch(() => this.#end(to, false));
  }

  /** The receiver wants to go on from `nextOffset`, or refuses with -1. */
  progress(from: NodeId, id: number, nextOffset: number): void {
    const transfer = this.#transfers.get(from);
    if (transfer === undefined || transfer === 'opening' || transfer.id !== id) return;
    if (nextOffset < 0) return this.#end(from, false);
    if (nextOffset >= transfer.meta.sizeBytes) return this.#end(from, true);
    const isDuplicate = nextOffset === transfer.offset && transfer.isReading;
    if (isDuplicate) return;
    transfer.offset = nextOffset;
    transfer.silentRetries = 0;
    this.#sendChunk(transfer);
  }

  /** Sends again what was not answered, and gives up on a peer that stays silent. */
  tick(nowMs: number): void {
    for (const transfer of this.#transfers.values()) {
      if (transfer === 'opening' || nowMs < transfer.resendAtMs) continue;
      transfer.silentRetries += 1;
      if (transfer.silentRetries > silentRetriesMax) this.#end(transfer.to, false);
      else this.#offer(transfer);
    }
  }

  /** Ends all transfers, as a leader does that is none any more. */
  stop(): void {
    for (const to of [...this.#transfers.keys()]) this.#end(to, false);
  }

  async #open(to: NodeId): Promise<void> {
    const { snapshots, group } = this.#options;
    const meta = snapshots.latest(group);
    if (meta === undefined)
      throw new CodedError('ERR_LOG_CORRUPT', 'the log is compacted but no snapshot is here', {});
    const reader = await snapshots.reader(meta);
    if (this.#transfers.get(to) !== 'opening') return reader.close();
    const transfer: Transfer = {
      id: this.#nextId++,
      to,
      meta,
      reader,
      offset: 0,
      resendAtMs: 0,
      silentRetries: 0,
      isReading: false,
    };
    this.#transfers.set(to, transfer);
    this.#offer(transfer);
  }

  #offer(transfer: Transfer): void {
    const { group, clock, retryAfterMs, standingAt, send } = this.#options;
    const { id, to, meta } = transfer;
    const { epoch } = meta;
    transfer.resendAtMs = clock.nowMs() + retryAfterMs;
    const last = { index: meta.index as LogIndex, reign: meta.reign as Reign };
    const standing = standingAt(meta);
    send(to, {
      type: 'snapshot-offer',
      group,
      epoch,
      transfer: id,
      ...standing,
      last,
      sizeBytes: meta.sizeBytes,
    });
  }

  #sendChunk(transfer: Transfer): void {
    if (transfer.isReading) return;
    transfer.isReading = true;
    const { to, id, offset, reader } = transfer;
    reader.read(offset, this.#options.chunkBytes).then(
      (chunk) => {
        transfer.isReading = false;
        if (this.#transfers.get(to) !== transfer) return;
        transfer.resendAtMs = this.#options.clock.nowMs() + this.#options.retryAfterMs;
        this.#options.send(to, { type: 'snapshot-chunk', transfer: id, offset, chunk });
      },
      () => this.#end(to, false),
    );
  }

  #end(to: NodeId, delivered: boolean): void {
    const transfer = this.#transfers.get(to);
    if (transfer === undefined) return;
    this.#transfers.delete(to);
    // The file is only read: that closing it failed changes nothing for anyone.
    if (transfer !== 'opening') transfer.reader.close().catch(() => undefined);
    this.#options.done(to, delivered);
  }
}
