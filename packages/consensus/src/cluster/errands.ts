/**
 * Errands: what a client wants of the cluster, asked again until it is answered or nobody waits any more.
 *
 * Asking again is safe by construction: a batch is immutable and known by its number, an opening by its
 * nonce, a read changes nothing. What an errand keeps count of is whether some asking may still take
 * effect: that is the difference between "it did not happen" and "it may have".
 */
import {
  type ActorRef,
  type Clock,
  type CodedError,
  type ErrorCode,
  invariant,
  type NodeId,
  type Random,
  type Timer,
} from '@quorate/core';
import type { ClientMessage, ReplicaMessage } from '../replica/message.ts';
import { encodeReplicaMessage } from '../replica/message-codec.ts';
import type { LeaderView } from './leader-view.ts';

type Refusal = ClientMessage & { readonly type: 'refused' };
export type Answer = Exclude<ClientMessage, Refusal | { readonly type: 'status' }>;

export interface Errand {
  /** `leader`: only a leader can answer. `any`: every replica can. Otherwise the one node that shall. */
  readonly target: 'leader' | 'any' | NodeId;
  message(request: number): ReplicaMessage;
  answered(answer: Answer): void;
  /** Asking again is of no use. `mayHaveHappened`: an earlier asking may have taken effect. */
  rejected(refusal: Refusal, mayHaveHappened: boolean): void;
  /**
   * Lets go of whoever has waited long enough. @returns whether anybody still waits
   */
  tick(nowMs: number, standing: Standing): boolean;
}

/** What is known of an errand that has no answer yet. */
export interface Standing {
  /** Some asking was not refused: it may yet take effect. */
  readonly mayHappen: boolean;
  readonly lastRefusal: ErrorCode | undefined;
}

interface Running {
  readonly errand: Errand;
  /** Askings that were neither answered nor refused, and whom they went to. */
  readonly asked: Map<number, NodeId>;
  /** An asking was accepted and then orphaned by a change of leader. */
  mayHappen: boolean;
  target: NodeId | undefined;
  askAgainAtMs: number;
  refusals: number;
  lastRefusal: ErrorCode | undefined;
}

export interface ErrandsOptions {
  readonly clock: Clock;
  readonly view: LeaderView;
  readonly replica: (node: NodeId) => ActorRef;
  /**
   * Number of the first request. No earlier client at this address may have used the same ones: replicas
   * handle each number once. Drawn at random.
   */
  readonly firstRequest: number;
  readonly random: Random;
  /** How long to wait for an answer before asking again. */
  readonly patienceMs: number;
  /** Pause after a refusal that gave no better address. */
  readonly backOffMs: number;
}

const tickMs = 10;

export class Errands {
  readonly #options: ErrandsOptions;
  readonly #running = new Set<Running>();
  readonly #byRequest = new Map<number, Running>();
  #nextRequest: number;
  #timer: Timer | undefined;

  constructor(options: ErrandsOptions) {
    this.#options = options;
    this.#nextRequest = options.firstRequest;
  }

  get size(): number {
    return this.#running.size;
  }

  /** Those that can be asked. */
  get nodes(): readonly NodeId[] {
    return this.#options.view.nodes;
  }

  start(errand: Errand): void {
    const running: Running = {
      errand,
      asked: new Map(),
      mayHappen: false,
      target: undefined,
      askAgainAtMs: this.#options.clock.nowMs() + this.#options.backOffMs,
      refusals: 0,
      lastRefusal: undefined,
    };
    this.#running.add(running);
    this.#askIfPossible(running);
    this.#schedule();
  }

  /** A replica's answer. One that nobody waits for any more is ignored. */
  received(message: Answer | Refusal, from: NodeId): void {
    const running = this.#byRequest.get(message.request);
    if (running === undefined) return;
    this.#byRequest.delete(message.request);
    running.asked.delete(message.request);
    if (message.type !== 'refused') {
      this.#end(running);
      return running.errand.answered(message);
    }
    if (message.isFinal) {
      this.#end(running);
      return running.errand.rejected(message, standingOf(running).mayHappen);
    }
    this.#refused(running, message, from);
  }

  /** Someone leads: what waits for a leader, or for an answer of another one, is asked there at once. */
  leaderChanged(): void {
    const { view } = this.#options;
    for (const running of this.#running) {
      if (running.errand.target === 'leader' && running.target !== view.leader) this.#askIfPossible(running);
    }
  }

  /** The thread of `node` has ended: what was asked there may have happened, and will not be answered. */
  nodeDown(node: NodeId): void {
    for (const running of this.#running) {
      for (const [request, asked] of running.asked) {
        if (asked !== node) continue;
        running.asked.delete(request);
        this.#byRequest.delete(request);
        running.mayHappen = true;
      }
      if (running.target !== node) continue;
      running.target = undefined;
      this.#askIfPossible(running);
    }
  }

  /** Ends all errands: no answer is to be hoped for. */
  rejectAll(error: CodedError): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { code, message } = error;
    for (const running of [...this.#running]) {
      this.#end(running);
      const refusal = {
        type: 'refused',
        request: 0,
        code,
        message,
        leader: undefined,
        isFinal: true,
      } as const;
      running.errand.rejected(refusal, standingOf(running).mayHappen);
    }
  }

  #refused(running: Running, refusal: Refusal, from: NodeId): void {
    const { clock, view, backOffMs, random } = this.#options;
    running.lastRefusal = refusal.code;
    running.refusals += 1;
    if (refusal.code === 'ERR_OUTCOME_UNKNOWN') running.mayHappen = true;
    if (refusal.code !== 'ERR_OVERLOADED') view.refusedBy(from, refusal.leader);
    running.target = undefined;
    const grown = Math.min(backOffMs * 2 ** Math.min(running.refusals, 5), this.#options.patienceMs);
    // Half of it by chance: whoever was refused together does not come back together.
    running.askAgainAtMs = clock.nowMs() + (grown * (1 + random.next())) / 2;
    // The first hint is followed at once; after that replicas may be sending us in circles.
    if (refusal.code !== 'ERR_OVERLOADED' && running.refusals <= 2) this.#askIfPossible(running);
  }

  #askIfPossible(running: Running): void {
    const { view } = this.#options;
    const { target: wanted } = running.errand;
    const target = wanted === 'leader' ? view.leader : wanted === 'any' ? view.any() : wanted;
    if (target !== undefined) this.#ask(running, target);
  }

  /** With no leader known, one replica after the other is tried: news of a leader may have been lost. */
  #askAnyway(running: Running): void {
    const { view } = this.#options;
    const { target } = running.errand;
    const isOneNode = target !== 'any' && target !== 'leader';
    this.#ask(running, isOneNode ? target : target === 'any' ? view.any() : (view.leader ?? view.any()));
  }

  #ask(running: Running, target: NodeId): void {
    const request = this.#nextRequest;
    this.#nextRequest += 1;
    running.target = target;
    running.askAgainAtMs = this.#options.clock.nowMs() + this.#options.patienceMs;
    running.asked.set(request, target);
    this.#byRequest.set(request, running);
    this.#options.replica(target).tell(encodeReplicaMessage(running.errand.message(request)));
  }

  #tick(): void {
    this.#timer = undefined;
    const nowMs = this.#options.clock.nowMs();
    for (const running of this.#running) {
      if (!running.errand.tick(nowMs, standingOf(running))) this.#end(running);
      else if (nowMs >= running.askAgainAtMs) this.#askAnyway(running);
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#running.size === 0) return;
    this.#timer = this.#options.clock.after(tickMs, () => this.#tick());
  }

  #end(running: Running): void {
    const wasRunning = this.#running.delete(running);
    invariant(wasRunning, 'an errand ends once');
    for (const request of running.asked.keys()) this.#byRequest.delete(request);
  }
}

function standingOf({ asked, mayHappen, lastRefusal }: Running): Standing {
  return { mayHappen: mayHappen || asked.size > 0, lastRefusal };
}
