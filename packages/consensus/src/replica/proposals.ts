/**
 * Proposals on their way into the log: whose they are, whether they are there already, and who waits for them.
 *
 * While nobody can take them, because an epoch is on its way to the next or the lead on its way to another,
 * they are held for that moment and then go where they can. So a planned change costs clients a pause and
 * no second attempt.
 */
import { invariant, messageOf, type NodeId } from '@quorate/core';
import type { LogIndex, Proposal, RefusalReason } from '../protocol.ts';
import { payloadBytesMax, payloadIdentity } from './payload.ts';
import type { Applied, ReplicatedState } from './replicated-state.ts';
import {
  type Asker,
  answer,
  batchKey,
  closeKey,
  openKey,
  refuse,
  reject,
  stopKey,
  toClient,
  WaitingClients,
} from './waiting-clients.ts';

export interface ProposalsParts {
  readonly node: NodeId;
  readonly state: ReplicatedState;
  readonly wallMs: () => number;
  readonly leads: () => boolean;
  /** Whom to ask instead, if that is known. */
  readonly leaderHint: () => NodeId | undefined;
  /** Whether this is a moment in which proposals wait. */
  readonly isHolding: () => boolean;
  /** Whether the state has come far enough for the log to take more. */
  readonly mayPropose: () => boolean;
  readonly propose: (proposal: Proposal) => void;
  /** The command that ends the epoch was not appended, though this replica leads: not for now. */
  readonly stopRefused: () => void;
  /** Payload bytes that may be held. */
  readonly heldBytesMax: number;
}

interface Held {
  readonly asker: Asker;
  readonly payload: Uint8Array;
}

/** A `propose` input that has no `accepted` or `refused` yet. */
interface Proposing {
  readonly key: string;
  readonly held: Held;
  readonly isStop: boolean;
}

export class Proposals {
  readonly #parts: ProposalsParts;
  readonly #waiting = new WaitingClients();
  /** In their order; undefined where nobody waits. */
  readonly #proposing: (Proposing | undefined)[] = [];
  #held: Held[] = [];
  #heldBytes = 0;

  constructor(parts: ProposalsParts) {
    this.#parts = parts;
  }

  /** A client's payload: proposed, answered, refused or held. */
  receive(asker: Asker, payload: Uint8Array): void {
    if (payload.byteLength > payloadBytesMax) {
      return reject(asker, 'ERR_OPTION_INVALID', `a payload has at most ${payloadBytesMax} bytes`);
    }
    this.#take({ asker, payload });
  }

  /** The command that ends the epoch; this replica leads. */
  proposeStop(asker: Asker, nonce: string, payload: Uint8Array): void {
    const key = stopKey(nonce);
    this.#waiting.expect(key, asker);
    this.#propose(payload, { key, held: { asker, payload }, isStop: true });
  }

  /** A word of this replica's own, of which nobody waits to hear. */
  proposeOwn(payload: Uint8Array): void {
    this.#propose(payload, undefined);
  }

  accepted(index: LogIndex): void {
    const proposal = this.#answered();
    if (proposal !== undefined) this.#waiting.appendedAt(proposal.key, index);
  }

  refused(reason: RefusalReason): void {
    const proposal = this.#answered();
    if (proposal === undefined) return;
    this.#waiting.forget(proposal.key);
    // Held like the others it would wait for itself: they are held until it is in.
    if (proposal.isStop && reason !== 'not-leader') return this.#parts.stopRefused();
    if (reason === 'handing-over') return this.#hold(proposal.held);
    const { asker } = proposal.held;
    if (reason === 'overloaded')
      refuse(asker, 'ERR_OVERLOADED', 'too many bytes are uncommitted', this.#parts.leaderHint());
    else this.#refuseAsFollower(asker);
  }

  /** Answers whoever waits for what was just applied. */
  applied(outcome: Applied, index: LogIndex): void {
    this.#waiting.applied(outcome, index);
  }

  /** The moment is over: what was held is proposed here, or sent to where it can be. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const proposal of held) this.#take(proposal);
  }

  /** What was appended here may or may not come to pass: nobody can say so from here any more. */
  orphan(): void {
    this.#waiting.release(this.#parts.leaderHint());
  }

  #take(held: Held): void {
    const { asker, payload } = held;
    if (this.#parts.isHolding()) return this.#hold(held);
    if (!this.#parts.leads()) return this.#refuseAsFollower(asker);
    const key = this.#keyOf(asker, payload);
    // Known already, or awaited already: in either case there is nothing to append.
    if (key === undefined || !this.#waiting.expect(key, asker)) return;
    if (!this.#parts.mayPropose()) {
      this.#waiting.forget(key);
      return refuse(asker, 'ERR_OVERLOADED', 'too many bytes wait to be applied', undefined);
    }
    this.#propose(payload, { key, held, isStop: false });
  }

  #propose(payload: Uint8Array, proposal: Proposing | undefined): void {
    this.#proposing.push(proposal);
    this.#parts.propose({ timeMs: this.#parts.wallMs(), payload });
  }

  #answered(): Proposing | undefined {
    invariant(this.#proposing.length > 0, 'a protocol answers each propose input once');
    return this.#proposing.shift();
  }

  #hold(held: Held): void {
    if (this.#heldBytes + held.payload.byteLength > this.#parts.heldBytesMax) {
      return refuse(held.asker, 'ERR_OVERLOADED', 'too much waits for the next leader', undefined);
    }
    this.#heldBytes += held.payload.byteLength;
    this.#held.push(held);
  }

  #refuseAsFollower(asker: Asker): void {
    refuse(asker, 'ERR_NOT_LEADER', `${this.#parts.node} does not lead`, this.#parts.leaderHint());
  }

  /** Under which key the client will wait; undefined when it has its answer already. */
  #keyOf(asker: Asker, payload: Uint8Array): string | undefined {
    const { state } = this.#parts;
    try {
      const header = payloadIdentity(payload);
      if ('nonce' in header) return openKey(header.nonce);
      if ('closes' in header) return closeKey(header.closes);
      const verdict = state.sessions.judge(header);
      if (verdict.type !== 'duplicate') return batchKey(header);
      const applied = { type: 'batch', header, results: verdict.results } as const;
      answer(asker, toClient(applied, asker.request, state.appliedIndex));
    } catch (error) {
      reject(asker, 'ERR_FRAME_INVALID', messageOf(error));
    }
    return undefined;
  }
}
