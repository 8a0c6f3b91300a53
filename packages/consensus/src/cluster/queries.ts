/**
 * The queries of a session: collected until the end of the turn, asked together, and answered from a state that
 * has what the session has seen.
 *
 * A query changes nothing, so asking again is harmless, and its outcome is never unknown.
 */
import { invariant, type NodeId, optionInvalid } from '@quorate/core';
import type { LogIndex } from '../protocol.ts';
import { type Consistency, consistencies } from '../replica/message.ts';
import { callBytesMax, encodeTogether, isEncodable, refuseSize } from './call-encoding.ts';
import type { Answer, Errand, Errands } from './errands.ts';
import { type CallOptions, expire, fail, refusalError, settleAll, type WaitingCall } from './waiting-call.ts';

/** How much a query has to see, and who answers. */
export interface QueryOptions extends CallOptions {
  /** Default `linearizable`. */
  readonly consistency?: Consistency;
  /**
   * Which node answers. A linearizable read at a follower costs its leader a question and nobody a write.
   * Default: the leader for `linearizable` and `lease`, any node for the weaker ones.
   */
  readonly node?: string;
}

/** How a read is asked, and of whom; no node: of whoever is fit for it. */
export interface ReadRoute {
  readonly consistency: Consistency;
  readonly node: NodeId | undefined;
}

/** @throws CodedError ERR_OPTION_INVALID, which names what is allowed */
export function routeOf(options: QueryOptions, nodes: readonly NodeId[]): ReadRoute {
  const consistency = options.consistency ?? 'linearizable';
  if (!consistencies.includes(consistency)) {
    throw optionInvalid('consistency', consistency, consistencies.join(', '));
  }
  const node = nodes.find((known) => known === options.node);
  if (options.node !== undefined && node === undefined) {
    throw optionInvalid('node', options.node, nodes.join(', '));
  }
  return { consistency, node };
}

export class Queries {
  readonly #errands: Errands;
  /** Together in a message, of queries or of their answers; more is sent in halves. */
  readonly #bytesMax: number;
  /** By whom to ask and how, until the end of the turn. */
  readonly #waiting = new Map<string, { readonly route: ReadRoute; readonly calls: WaitingCall[] }>();
  readonly #all = new WeakSet<WaitingCall>();
  #averageAnswerBytes = 16;
  #seen = 0 as LogIndex;

  constructor(errands: Errands, batchBytesMax: number) {
    this.#errands = errands;
    this.#bytesMax = 2 * batchBytesMax;
  }

  /** Whether any was not sent yet. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Whether the call only asks: whatever becomes of it, nothing has changed. */
  has(call: WaitingCall): boolean {
    return this.#all.has(call);
  }

  add(call: WaitingCall, route: ReadRoute): void {
    this.#all.add(call);
    const key = `${route.consistency} ${route.node ?? ''}`;
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, { route, calls: [call] });
    else waiting.calls.push(call);
  }

  /** Everything at or below `index` has been seen by the session. */
  saw(index: LogIndex): void {
    if (index > this.#seen) this.#seen = index;
  }

  /** The turn is over. */
  send(): void {
    for (const { route, calls } of this.#waiting.values()) {
      this.#send(
        route,
        calls.filter((call) => !call.isSettled && isEncodable(call)),
      );
    }
    this.#waiting.clear();
  }

  /** Rejects what was not sent yet. */
  drop(error: Error): void {
    for (const { calls } of this.#waiting.values()) for (const call of calls) fail(call, error);
    this.#waiting.clear();
  }

  #send(route: ReadRoute, calls: readonly WaitingCall[]): void {
    const [only] = calls;
    if (only === undefined) return;
    const queries = encodeTogether(calls);
    const expectedBytes = calls.length * this.#averageAnswerBytes;
    const isTooLarge = queries === undefined || Math.max(queries.byteLength, expectedBytes) > this.#bytesMax;
    if (isTooLarge && calls.length > 1) return this.#sendHalves(route, calls);
    if (queries === undefined || queries.byteLength > callBytesMax) return refuseSize(only);
    this.#errands.start(this.#errand(route, calls, queries));
  }

  #sendHalves(route: ReadRoute, calls: readonly WaitingCall[]): void {
    const half = calls.length >> 1;
    this.#send(route, calls.slice(0, half));
    this.#send(route, calls.slice(half));
  }

  #errand(route: ReadRoute, calls: readonly WaitingCall[], queries: Uint8Array): Errand {
    const { consistency, node } = route;
    const isWeak = consistency === 'session' || consistency === 'eventual';
    const isLocal = node !== undefined;
    const atLeast = this.#seen;
    let earliestMs = 0;
    return {
      target: node ?? (isWeak ? 'any' : 'leader'),
      message: (request) => ({ type: 'read', request, consistency, isLocal, atLeast, queries }),
      answered: (answer: Answer) => {
        invariant(answer.type === 'answers', 'a read is answered by answers');
        if (consistency !== 'eventual') this.saw(answer.index);
        this.#averageAnswerBytes = answer.answers.byteLength / calls.length;
        settleAll(calls, answer.answers);
      },
      rejected: (refusal) => {
        if (refusal.code === 'ERR_OVERLOADED' && calls.length > 1) return this.#sendHalves(route, calls);
        const error = refusalError(refusal.code, refusal.message, false);
        for (const call of calls) fail(call, error);
      },
      tick: (nowMs, { lastRefusal }) => {
        if (nowMs < earliestMs) return true;
        // A read that was not answered changed nothing: there is no unknown outcome.
        earliestMs = expire(calls, nowMs, { mayHappen: false, lastRefusal });
        return earliestMs !== Number.POSITIVE_INFINITY;
      },
    };
  }
}
