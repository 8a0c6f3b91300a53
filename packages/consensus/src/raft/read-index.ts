/**
 * Linearizable reads without a write to the log. [Raft §8], [RaftThesis §6.4]
 *
 * A leader may serve a read from its commitIndex once it knows two things: that this index covers all
 * that was ever committed, which a commit of its own term shows, and that nobody had replaced it when
 * the read was asked, which a heartbeat round confirms that was sent afterwards. One round serves every
 * read that waited when it was sent; while it is under way, later reads gather for the next.
 */
import type { LogIndex } from '../protocol.ts';
import type { RaftLog, Term } from './log.ts';

/**
 * Until an entry of its own term is committed, a leader does not know what its predecessors committed: it serves no
 * read until then, by a round or by its lease. [Raft §8]
 */
export function hasCommittedInOwnTerm(leader: {
  readonly log: RaftLog;
  readonly commitIndex: LogIndex;
  readonly currentTerm: Term;
}): boolean {
  return leader.log.termAt(leader.commitIndex) === leader.currentTerm;
}

interface Round {
  readonly round: number;
  readonly index: LogIndex;
  readonly reads: readonly number[];
}

export class ReadQueue {
  /** Asked, and not covered by a round yet. */
  #waiting: number[] = [];
  /** Covered by rounds that no majority has answered yet, oldest first. */
  #underWay: Round[] = [];

  ask(read: number): void {
    this.#waiting.push(read);
  }

  /** Whether a round should go out now, rather than with the next heartbeat. */
  get wantsRound(): boolean {
    return this.#waiting.length > 0 && this.#underWay.length === 0;
  }

  /** The round is about to be sent: it covers all that waits, up to the commitIndex of this moment. */
  coverBy(round: number, commitIndex: LogIndex): void {
    if (this.#waiting.length === 0) return;
    this.#underWay.push({ round, index: commitIndex, reads: this.#waiting });
    this.#waiting = [];
  }

  /** A majority has answered `round` or a later one. @returns what may be served now */
  confirm(round: number): readonly Round[] {
    let confirmed = 0;
    while ((this.#underWay[confirmed]?.round ?? Number.POSITIVE_INFINITY) <= round) confirmed += 1;
    return confirmed === 0 ? [] : this.#underWay.splice(0, confirmed);
  }

  /** Every read that has no answer yet. */
  unanswered(): readonly number[] {
    return [...this.#underWay.flatMap(({ reads }) => reads), ...this.#waiting];
  }
}
