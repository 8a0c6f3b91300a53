/**
 * The watch that a node keeps over the others: whom it has not heard for an election timeout. One for all of its
 * groups, so that a group with nothing to say need not say that its leader lives.
 *
 * Whatever comes from a node is a sign of life, and nodes say that they live when they have nothing else to say.
 * A node that was itself stopped for a while has heard nobody, and that says nothing about the others.
 */
import type { NodeId } from '@quorate/core';

export class NodeWatch {
  readonly #silentAfterMs: number;
  /** When each was last heard, or last told of. */
  readonly #heardMs = new Map<NodeId, number>();
  #lookedMs: number;

  /** @param silentAfterMs how long a node may say nothing */
  constructor(silentAfterMs: number, nowMs: number) {
    this.#silentAfterMs = silentAfterMs;
    this.#lookedMs = nowMs;
  }

  /** Whom to watch from now on. Who is new gets the time that everyone has. */
  watchOver(peers: ReadonlySet<NodeId>, nowMs: number): void {
    for (const peer of this.#heardMs.keys()) if (!peers.has(peer)) this.#heardMs.delete(peer);
    for (const peer of peers) if (!this.#heardMs.has(peer)) this.#heardMs.set(peer, nowMs);
  }

  heard(peer: NodeId, nowMs: number): void {
    if (this.#heardMs.has(peer)) this.#heardMs.set(peer, nowMs);
  }

  /** Those who have been silent for as long since they were last heard or told of; to be asked often. */
  silent(nowMs: number): NodeId[] {
    const sinceLookedMs = nowMs - this.#lookedMs;
    this.#lookedMs = nowMs;
    const silent: NodeId[] = [];
    for (const [peer, heardMs] of this.#heardMs) {
      // Most of a silence that fell into our own absence may be waiting to be read.
      if (sinceLookedMs >= this.#silentAfterMs / 2) this.#heardMs.set(peer, nowMs);
      else if (nowMs - heardMs >= this.#silentAfterMs) {
        this.#heardMs.set(peer, nowMs);
        silent.push(peer);
      }
    }
    return silent;
  }
}
