/**
 * The leader's part in a change of epoch: it waits until those who shall join have caught up, and then proposes
 * the STOP.
 *
 * Nothing here is remembered over a change of leader: the client asks the next one, and what it asks for says
 * from which epoch it starts, so that a change which has happened is not made twice.
 */
import type { ErrorCode, NodeId } from '@quorate/core';
import type { Ask } from '../learner/message.ts';
import { hasCaughtUp, isStillThere } from '../learner/teacher.ts';
import type { LogIndex } from '../protocol.ts';
import { appointLeader, type Epoch, isMeantFor, type NextEpoch } from './epoch.ts';
import type { EpochChange } from './message.ts';
import { type Asker, answer, refuse, reject } from './waiting-clients.ts';

export interface ReconfigurationParts {
  readonly node: NodeId;
  readonly epoch: () => Epoch;
  readonly commitIndex: () => LogIndex;
  readonly appliedIndex: () => LogIndex;
  readonly nowMs: () => number;
  /** A learner that has not asked for so long is not there. */
  readonly learnerSilentMs: number;
  /** Resolves when this node could run the epoch's algorithm; rejects with what keeps it from that. */
  readonly tryAlgorithm: (change: EpochChange) => Promise<unknown>;
  /** From here on the epoch serves no lease, takes no proposals, and is on its way to `next`. */
  readonly propose: (asker: Asker, next: NextEpoch) => void;
}

interface Pending {
  /** In whose name the STOP is proposed, or will be. */
  asker: Asker;
  /** Whoever has asked again since the STOP was proposed: the log answers the one before. */
  askedAgain: Asker | undefined;
  readonly change: EpochChange;
  readonly untilMs: number;
  /** This node could run the algorithm. */
  isRunnable: boolean;
  /** What the STOP says that is in the log. */
  proposed: NextEpoch | undefined;
}

interface LearnerProgress {
  readonly diskId: string;
  readonly isCaughtUp: boolean;
  readonly commitIndex: LogIndex;
  readonly askedAtMs: number;
}

export class Reconfiguration {
  readonly #parts: ReconfigurationParts;
  readonly #learners = new Map<NodeId, LearnerProgress>();
  #pending: Pending | undefined;

  constructor(parts: ReconfigurationParts) {
    this.#parts = parts;
  }

  /** A STOP was proposed, and it is not known yet what became of it. */
  get isSealing(): boolean {
    return this.#pending?.proposed !== undefined;
  }

  /** A client wants `change`. This replica leads. */
  begin(asker: Asker, change: EpochChange, withinMs: number): void {
    const epoch = this.#parts.epoch();
    if (!isMeantFor(epoch, change) || isSameEpoch(epoch, change)) {
      return this.#answerAtOnce(asker, epoch, change);
    }
    const pending = this.#pending;
    if (pending !== undefined) {
      if (!isSameChange(pending.change, change))
        return refuse(asker, 'ERR_OVERLOADED', 'another change of the epoch is under way', undefined);
      return this.#askedAgain(pending, asker);
    }
    const begun: Pending = {
      asker,
      askedAgain: undefined,
      change,
      untilMs: this.#parts.nowMs() + withinMs,
      isRunnable: false,
      proposed: undefined,
    };
    this.#pending = begun;
    // One that is renewed may have learned on another disk until a moment ago: what counts is said from here on.
    for (const node of change.renewed) this.#learners.delete(node);
    this.#parts.tryAlgorithm(change).then(
      () => {
        begun.isRunnable = true;
        this.#proposeIfReady();
      },
      (error: unknown) => {
        if (this.#pending === begun) this.#pending = undefined;
        reject(begun.asker, 'ERR_MODULE_INVALID', error instanceof Error ? error.message : String(error));
      },
    );
  }

  /** A learner has asked for its next page. */
  asked(learner: NodeId, { from, diskId }: Ask): void {
    const known = this.#learners.get(learner);
    const commitIndexAtLastAsking = known?.diskId === diskId ? known.commitIndex : undefined;
    const isCaughtUp =
      commitIndexAtLastAsking !== undefined && hasCaughtUp({ from, commitIndexAtLastAsking });
    const { commitIndex, nowMs } = this.#parts;
    this.#learners.set(learner, { diskId, isCaughtUp, commitIndex: commitIndex(), askedAtMs: nowMs() });
    this.#proposeIfReady();
  }

  /** The protocol did not take the STOP: the lead is being handed over, or too much is under way. */
  stopRefused(): void {
    if (this.#pending !== undefined) this.#pending.proposed = undefined;
  }

  tick(): void {
    const pending = this.#pending;
    if (pending === undefined || pending.proposed !== undefined) return;
    // Again, if it was refused: that may be over by now.
    if (this.#parts.nowMs() < pending.untilMs) return this.#proposeIfReady();
    this.#pending = undefined;
    const missing = this.#joiners(pending.change).filter((node) => !this.#mayJoin(node));
    const why = missing.length > 0 ? `${missing.join(', ')} did not catch up in time` : 'no quorum in time';
    for (const asker of askersOf(pending))
      reject(asker, 'ERR_NO_QUORUM', `the epoch was not changed: ${why}`);
  }

  /** The epoch has ended, by this STOP or by another, or this replica has nothing to do with it any more. */
  ended(): void {
    this.#end('ERR_NOT_LEADER', this.#pending?.proposed?.appointed);
  }

  /** This replica leads no more. Of a STOP that was proposed the next leader decides. */
  deposed(code: ErrorCode, leader: NodeId | undefined): void {
    this.#end(code, leader);
  }

  /**
   * Everybody is told where to ask: left without an answer they would go on waiting for one. Only whoever waits for a
   * proposed STOP is told by what waits for the log; whoever has asked again since is not known there.
   */
  #end(code: ErrorCode, leader: NodeId | undefined): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#learners.clear();
    if (pending === undefined) return;
    const why = 'the epoch has ended, or its leader was deposed';
    if (pending.proposed === undefined)
      for (const asker of askersOf(pending)) refuse(asker, code, why, leader);
    else if (pending.askedAgain !== undefined) refuse(pending.askedAgain, 'ERR_OUTCOME_UNKNOWN', why, leader);
  }

  /** The same client wants the same change. */
  #askedAgain(pending: Pending, asker: Asker): void {
    // Only the newest asking is answered in the end, so the one before must not look as if it could be. But one in
    // whose name the STOP is in the log may take effect: to refuse it would be a lie.
    if (pending.proposed === undefined) {
      refuse(pending.asker, 'ERR_OVERLOADED', 'asked again meanwhile', undefined);
      pending.asker = asker;
      return;
    }
    if (pending.askedAgain !== undefined)
      refuse(pending.askedAgain, 'ERR_OVERLOADED', 'asked again meanwhile', undefined);
    pending.askedAgain = asker;
  }

  #answerAtOnce(asker: Asker, epoch: Epoch, change: EpochChange): void {
    const { request } = asker;
    // Members have a voice and do not ask: whoever does was not given its voice back by what came instead.
    const isStillOut = change.renewed.some((node) => this.#learners.has(node));
    if (!isStillOut && isSameEpoch(epoch, { ...change, renewed: [] })) {
      const index = this.#parts.appliedIndex();
      return answer(asker, { type: 'reconfigured', request, index, epoch: epoch.number });
    }
    const why = `it was meant for epoch ${change.fromEpoch}, and epoch ${epoch.number} is ${epoch.algorithm} on ${epoch.members.join(', ')}`;
    reject(asker, 'ERR_EPOCH_CHANGED', `another change came first: ${why}`);
  }

  #joiners({ members, renewed }: EpochChange): NodeId[] {
    const present = this.#parts.epoch().members;
    return members.filter((node) => !present.includes(node) || renewed.includes(node));
  }

  #mayJoin(node: NodeId): boolean {
    const { nowMs, learnerSilentMs: silentMsMax } = this.#parts;
    const learner = this.#learners.get(node);
    if (learner === undefined || !learner.isCaughtUp) return false;
    return isStillThere({ silentForMs: nowMs() - learner.askedAtMs, silentMsMax });
  }

  #proposeIfReady(): void {
    const pending = this.#pending;
    if (pending === undefined || pending.proposed !== undefined || !pending.isRunnable) return;
    const { change } = pending;
    const joiners = this.#joiners(change);
    if (!joiners.every((node) => this.#mayJoin(node))) return;
    pending.proposed = this.#next(change, joiners);
    this.#parts.propose(pending.asker, pending.proposed);
  }

  #next(change: EpochChange, joiners: readonly NodeId[]): NextEpoch {
    const { node, epoch } = this.#parts;
    const present = epoch();
    const { algorithm, acceptQuorum, members } = change;
    const disks = new Map([...present.disks].filter(([name]) => members.includes(name)));
    for (const name of joiners) {
      const diskId = this.#learners.get(name)?.diskId;
      if (diskId !== undefined) disks.set(name, diskId);
    }
    const formerMembers = present.members;
    const appointed = appointLeader(members, { leader: node, formerMembers });
    return { number: present.number + 1, algorithm, acceptQuorum, members, disks, appointed };
  }
}

function askersOf({ asker, askedAgain }: Pending): readonly Asker[] {
  return askedAgain === undefined ? [asker] : [asker, askedAgain];
}

/** Whether the epoch is what the change asks for, so that there is nothing to do. */
function isSameEpoch(epoch: Epoch, { algorithm, acceptQuorum, members, renewed }: EpochChange): boolean {
  const isSame = epoch.algorithm === algorithm && epoch.acceptQuorum === acceptQuorum;
  return isSame && epoch.members.join() === members.join() && renewed.length === 0;
}

function isSameChange(one: EpochChange, other: EpochChange): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
