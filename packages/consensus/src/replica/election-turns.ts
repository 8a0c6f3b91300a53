/**
 * Which of a node's replicas without a leader are given time to find one: a few, and others as these are done.
 *
 * Elections of many groups at once take each other's time. With some hundred under way on every node, votes come
 * later than the candidates wait for them, everybody stands again, and in the end nobody leads. A few at a time
 * are soon over, and how soon sets the pace, whatever the machine.
 */

/** What is asked of a replica here. */
export interface Electing {
  /** It has a vote, and knows of no leader. */
  readonly isLeaderless: boolean;
}

/** So many elections keep a node busy. */
export const electionsAtOnce = 32;

export class ElectionTurns {
  readonly #patienceMs: number;
  /** Whose turn it is, and until when. */
  readonly #turns = new Map<Electing, number>();
  /** Who has had a turn and found no leader in it. */
  readonly #vain = new WeakSet<Electing>();

  /** @param patienceMs who has found no leader by then makes way for others that have none either */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** Ends the turns of those that are led by now, and of those that have had their time. */
  review(nowMs: number): void {
    for (const [replica, untilMs] of this.#turns) {
      if (nowMs < untilMs && replica.isLeaderless) continue;
      this.#turns.delete(replica);
      if (replica.isLeaderless) this.#vain.add(replica);
    }
  }

  /** Whether the replica is to be given time now: one that has a leader always is. */
  admits(replica: Electing, nowMs: number): boolean {
    if (!replica.isLeaderless) {
      this.#vain.delete(replica);
      return true;
    }
    if (this.#turns.has(replica)) return true;
    // Groups that can have no leader for want of others do not keep those from it that can.
    if (this.#turns.size >= (this.#vain.has(replica) ? electionsAtOnce / 2 : electionsAtOnce)) return false;
    this.#turns.set(replica, nowMs + this.#patienceMs);
    return true;
  }
}
