/**
 * A session: an exactly-once identity, and reads that never go back behind what it has seen.
 *
 * Commands are collected until the end of the turn and leave as batches. A batch is encoded once, is
 * immutable from then on, and is retried byte for byte until it is answered or nobody waits for it.
 */
import { type Clock, CodedError, invariant } from '@quorate/core';
import { encodeBatch, encodeClose, encodeOpen } from '../replica/payload.ts';
import { AbortWatch } from './abort-watch.ts';
import { callBytesMax, isEncodable, refuseSize } from './call-encoding.ts';
import type { Errand, Errands, Standing } from './errands.ts';
import { Queries, type QueryOptions, routeOf } from './queries.ts';
import type { SessionLimitsOfClient } from './session-limits.ts';
import {
  type CallOptions,
  expire,
  fail,
  refusalError,
  settleAll,
  succeed,
  type WaitingCall,
  waitFor,
} from './waiting-call.ts';

export interface SessionParts {
  readonly clock: Clock;
  readonly errands: Errands;
  /** A fresh random string: by it the cluster knows this session from others of its name. */
  readonly nonce: () => string;
  readonly limits: SessionLimitsOfClient;
  /** Why nothing can be served any more, once that is so. */
  readonly failure: () => CodedError | undefined;
  /** Sessions with calls that were not sent yet. A session is in there for that long, and nobody else holds it. */
  readonly unsent: Set<Pick<Session, 'rejectUnsent'>>;
}

interface Batch {
  /** The id of the session that it was encoded for. */
  readonly session: number;
  readonly number: number;
  readonly calls: readonly WaitingCall[];
}

/**
 * An exactly-once identity: whatever becomes of leaders, links and nodes, each command proposed through it takes
 * effect at most once, and its reads never go back behind what it has seen. It opens itself at its first command.
 */
export class Session<Command = unknown, Query = unknown, Result = unknown, Answered = unknown> {
  readonly name: string | undefined;
  readonly #parts: SessionParts;
  #id: number | undefined;
  #isOpening = false;
  /** An opening was sent and has no answer yet: the cluster may know this session though its id is unknown here. */
  #mayBeOpen = false;
  /** Who this is, to the cluster: it knows by it a holder that another one has followed. */
  #nonce: string;
  #lastUsedMs = 0;
  #queue: WaitingCall[] = [];
  /** No command in the queue has an earlier deadline. */
  #queueDeadlineMs = Number.POSITIVE_INFINITY;
  readonly #inFlight = new Map<number, Batch>();
  /** Grows over re-openings too, so that no number in flight is ever given twice. */
  #lastBatch = 0;
  #outstanding = 0;
  #isFlushScheduled = false;
  readonly #queries: Queries;
  readonly #aborts = new AbortWatch((call) => this.#aborted(call));
  #averageCommandBytes = 16;
  #averageResultBytes = 16;
  /** Whoever waits for the end of this session, and whether the cluster was asked for it yet. */
  #ending: { readonly call: WaitingCall; readonly ended: Promise<unknown>; isAsked: boolean } | undefined;

  constructor(name: string | undefined, parts: SessionParts) {
    this.name = name;
    this.#parts = parts;
    this.#nonce = parts.nonce();
    this.#queries = new Queries(parts.errands, parts.limits.batchBytesMax);
  }

  /**
   * Appends `command` and resolves with what `apply` returned, once it is committed, durable on a
   * quorum and applied at the leader. It takes effect exactly once, however often it had to be sent.
   *
   * @param command a MessagePack value of at most 16 MiB encoded; `undefined` arrives as `null`. It is encoded at the
   * end of the turn, and must not change before
   * @throws CodedError
   * - `ERR_COMMAND_FAILED`: `apply` threw. It was applied, and that is its result.
   * - `ERR_OUTCOME_UNKNOWN`: it may yet take effect; with `details.tookEffect` it did, and its result is too large
   *   for a message. Asking again is the caller's choice, for it would be another command.
   * - `ERR_NO_QUORUM`, `ERR_OVERLOADED`, `ERR_ABORTED`, `ERR_SESSION_EXPIRED`, `ERR_STOPPED`, `ERR_OPTION_INVALID`: it
   *   did not take effect and never will.
   * - When a majority of the nodes has failed for good, what they failed of, as `ERR_DISK_FAILED`.
   */
  propose(command: Command, options: CallOptions = {}): Promise<Result> {
    const nowMs = this.#parts.clock.nowMs();
    return waitFor(command, options, nowMs, (call) => this.#enqueue(call)) as Promise<Result>;
  }

  /**
   * Asks the state machine. What the answer has to see, {@link Consistency} says; `linearizable` unless told. A query
   * changes nothing, so its outcome is never unknown.
   *
   * @param query a MessagePack value of at most 16 MiB encoded
   * @throws CodedError
   * - `ERR_COMMAND_FAILED`: `query` threw.
   * - `ERR_NO_QUORUM`: no answer before the deadline; perhaps only the node that was to answer is down.
   * - `ERR_OVERLOADED`: the answer is too large for a message.
   * - `ERR_ABORTED`, `ERR_STOPPED`, `ERR_OPTION_INVALID`; and as with {@link propose} when a majority has failed.
   */
  query(query: Query, options: QueryOptions = {}): Promise<Answered> {
    const { clock, errands } = this.#parts;
    return waitFor(query, options, clock.nowMs(), (call) => {
      const route = routeOf(options, errands.nodes);
      this.#admit(call);
      this.#queries.add(call, route);
      this.#flushLater();
    }) as Promise<Answered>;
  }

  /**
   * Ends the session. What was called before finishes first; whatever is called later is refused with
   * `ERR_SESSION_EXPIRED`. Resolves when the cluster has forgotten the session, its name included. One that is
   * never closed is forgotten when it has been idle for an hour, or when ten thousand others are opened.
   *
   * @throws CodedError `ERR_OUTCOME_UNKNOWN`, `ERR_NO_QUORUM`, `ERR_OVERLOADED`, `ERR_ABORTED`, `ERR_STOPPED`: the
   * cluster may not have forgotten it yet, and closing again asks again; here it is refused all the same
   */
  close(options: CallOptions = {}): Promise<void> {
    const isUnderWay = this.#ending !== undefined && !this.#ending.call.isSettled;
    if (this.#ending !== undefined && (isUnderWay || this.#isGone()))
      return this.#ending.ended as Promise<void>;
    let waiting: WaitingCall | undefined;
    const ended = waitFor(undefined, options, this.#parts.clock.nowMs(), (call) => {
      this.#watch(call);
      waiting = call;
    });
    if (waiting !== undefined) this.#ending = { call: waiting, ended, isAsked: false };
    this.#endIfIdle();
    return ended as Promise<void>;
  }

  /** `await using` closes the session at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Rejects what was not sent yet. What was sent is rejected by its errand. */
  rejectUnsent(error: CodedError): void {
    this.#dropQueue(error);
    this.#queries.drop(error);
    this.#noteUnsent();
  }

  // --- collecting -------------------------------------------------------------------------------

  #enqueue(call: WaitingCall): void {
    this.#admit(call);
    const { outstandingMax } = this.#parts.limits;
    if (this.#outstanding >= outstandingMax) {
      throw new CodedError('ERR_OVERLOADED', `${outstandingMax} commands are outstanding`, {
        outstandingMax,
      });
    }
    this.#outstanding += 1;
    this.#queue.push(call);
    if (call.deadlineMs < this.#queueDeadlineMs) this.#queueDeadlineMs = call.deadlineMs;
    this.#flushLater();
  }

  #admit(call: WaitingCall): void {
    if (this.#ending !== undefined) throw new CodedError('ERR_SESSION_EXPIRED', 'the session is closed', {});
    this.#watch(call);
  }

  #watch(call: WaitingCall): void {
    const failure = this.#parts.failure();
    if (failure !== undefined) throw failure;
    if (call.signal !== undefined) this.#aborts.watch(call, call.signal);
  }

  #aborted(call: WaitingCall): void {
    const at = this.#queue.indexOf(call);
    if (at >= 0) {
      this.#queue.splice(at, 1);
      this.#settled(1);
    }
    const maySucceed = at < 0 && !this.#queries.has(call);
    const code = maySucceed ? 'ERR_OUTCOME_UNKNOWN' : 'ERR_ABORTED';
    const message = maySucceed
      ? 'aborted after it was sent; it may yet take effect'
      : 'aborted; it has no effect';
    fail(call, new CodedError(code, message, {}, { cause: call.signal?.reason }));
  }

  #flushLater(): void {
    this.#noteUnsent();
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    this.#parts.clock.defer(() => {
      this.#isFlushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    this.#queries.send();
    const { batchesInFlightMax, batchCommandsMax, batchBytesMax } = this.#parts.limits;
    while (this.#queue.length > 0 && this.#inFlight.size < batchesInFlightMax) {
      if (!this.#isOpen()) return this.#open();
      // Answers take the same way back, so they bound a batch like the commands.
      const callBytes = Math.max(this.#averageCommandBytes, this.#averageResultBytes);
      const fitting = Math.max(1, Math.floor(batchBytesMax / callBytes));
      const calls = this.#queue.splice(0, Math.min(batchCommandsMax, fitting));
      this.#sendBatch(calls);
    }
    this.#noteUnsent();
  }

  #noteUnsent(): void {
    const { unsent } = this.#parts;
    if (this.#queue.length > 0 || this.#queries.isWaiting) unsent.add(this);
    else unsent.delete(this);
  }

  // --- the identity -----------------------------------------------------------------------------

  /** A session that was idle for long may have expired by log time: it is opened anew before it is used. */
  #isOpen(): boolean {
    const idleMs = this.#parts.clock.nowMs() - this.#lastUsedMs;
    if (this.#id !== undefined && this.#inFlight.size === 0 && idleMs > idleBeforeReopenMs)
      this.#id = undefined;
    return this.#id !== undefined;
  }

  #open(): void {
    if (this.#isOpening) return;
    this.#isOpening = true;
    this.#mayBeOpen = true;
    // An opening that nobody waited for to the end may yet be applied: asked under the same nonce, it is
    // the same opening.
    const payload = encodeOpen(this.name, this.#nonce);
    this.#parts.errands.start({
      target: 'leader',
      message: (request) => ({ type: 'propose', request, payload }),
      answered: (answer) => {
        invariant(answer.type === 'opened', 'an opening is answered by a session');
        this.#isOpening = false;
        this.#mayBeOpen = false;
        this.#id = answer.session;
        this.#lastUsedMs = this.#parts.clock.nowMs();
        this.#queries.saw(answer.index);
        this.#flush();
        this.#endIfIdle();
      },
      rejected: (refusal) => {
        this.#isOpening = false;
        const error = refusalError(refusal.code, refusal.message, false);
        // Another holder has the name now. What waits here does not take it back, or it would go to and fro for ever;
        // whoever calls again after being told so does.
        if (refusal.code === 'ERR_SESSION_EXPIRED') {
          this.#mayBeOpen = false;
          this.#nonce = this.#parts.nonce();
        }
        this.#dropQueue(error);
        this.#endIfIdle();
      },
      tick: (nowMs, standing) => this.#tickOpening(nowMs, standing),
    });
  }

  #tickOpening(nowMs: number, standing: Standing): boolean {
    this.#expireQueue(nowMs, standing);
    const isEnding = this.#ending !== undefined && !this.#ending.call.isSettled;
    this.#isOpening = this.#queue.length > 0 || isEnding;
    return this.#isOpening;
  }

  /** Commands that wait in the queue were never sent: whatever keeps them there, they did not happen. */
  #expireQueue(nowMs: number, { lastRefusal }: Standing): void {
    if (this.#ending?.isAsked === false)
      expire([this.#ending.call], nowMs, { mayHappen: false, lastRefusal });
    if (nowMs < this.#queueDeadlineMs) return;
    this.#queueDeadlineMs = expire(this.#queue, nowMs, { mayHappen: false, lastRefusal });
    const before = this.#queue.length;
    this.#queue = this.#queue.filter((call) => !call.isSettled);
    this.#settled(before - this.#queue.length);
    this.#noteUnsent();
  }

  #dropQueue(error: CodedError): void {
    const dropped = this.#queue;
    this.#queue = [];
    for (const call of dropped) fail(call, error);
    this.#noteUnsent();
    this.#settled(dropped.length);
  }

  // --- the end ------------------------------------------------------------------------------------

  /** So many commands are on their way no more. */
  #settled(count: number): void {
    this.#outstanding -= count;
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    const ending = this.#ending;
    if (ending === undefined || ending.isAsked || ending.call.isSettled || this.#outstanding > 0) return;
    const { call } = ending;
    const failure = this.#parts.failure();
    if (failure !== undefined) return fail(call, failure);
    if (this.#isGone()) return succeed(call, undefined);
    // What is not known by its number cannot be closed: the opening is asked to its end first.
    if (this.#id === undefined) return this.#open();
    ending.isAsked = true;
    const payload = encodeClose(this.#id);
    this.#parts.errands.start({
      target: 'leader',
      message: (request) => ({ type: 'propose', request, payload }),
      answered: () => {
        this.#id = undefined;
        succeed(call, undefined);
      },
      rejected: (refusal, mayHaveHappened) =>
        fail(call, refusalError(refusal.code, refusal.message, mayHaveHappened)),
      tick: (nowMs, standing) => expire([call], nowMs, standing) !== Number.POSITIVE_INFINITY,
    });
  }

  /** Nothing was ever asked under it, or the cluster has told that it knows it no more. */
  #isGone(): boolean {
    return this.#id === undefined && !this.#mayBeOpen;
  }

  // --- batches ----------------------------------------------------------------------------------

  #sendBatch(calls: readonly WaitingCall[]): void {
    if (calls.length === 0) return;
    const payload = this.#encode(calls);
    if (payload === undefined) return;
    const { batchBytesMax } = this.#parts.limits;
    this.#averageCommandBytes = Math.max(1, payload.byteLength / calls.length);
    if (payload.byteLength > 2 * batchBytesMax && calls.length > 1) {
      const half = calls.length >> 1;
      this.#sendBatch(calls.slice(0, half));
      return this.#sendBatch(calls.slice(half));
    }
    if (payload.byteLength > callBytesMax) {
      this.#settled(1);
      return refuseSize(calls[0] as WaitingCall);
    }
    this.#lastBatch += 1;
    invariant(this.#id !== undefined, 'a batch belongs to an open session');
    const batch = { session: this.#id, number: this.#lastBatch, calls };
    this.#inFlight.set(batch.number, batch);
    this.#parts.errands.start(this.#errandFor(batch, payload));
  }

  /** Encodes under the next batch number; a command that cannot be encoded is rejected and left out. */
  #encode(calls: readonly WaitingCall[]): Uint8Array | undefined {
    const [oldest] = this.#inFlight.keys();
    const batch = this.#lastBatch + 1;
    invariant(this.#id !== undefined, 'a batch belongs to an open session');
    const header = { session: this.#id, batch, acknowledgedBelow: oldest ?? batch };
    try {
      return encodeBatch(
        header,
        calls.map((call) => call.input ?? null),
      );
    } catch (error) {
      const good = calls.filter(isEncodable);
      this.#settled(calls.length - good.length);
      // Each alone can be encoded, all together are too much for one message.
      if (good.length === calls.length && calls.length === 1) throw error;
      const half = good.length === calls.length ? good.length >> 1 : good.length;
      this.#sendBatch(good.slice(0, half));
      this.#sendBatch(good.slice(half));
      return undefined;
    }
  }

  #errandFor(batch: Batch, payload: Uint8Array): Errand {
    let earliestMs = 0;
    return {
      target: 'leader',
      message: (request) => ({ type: 'propose', request, payload }),
      answered: (answer) => {
        invariant(answer.type === 'results', 'a batch is answered by results');
        this.#queries.saw(answer.index);
        this.#averageResultBytes = answer.results.byteLength / batch.calls.length;
        this.#finished(batch);
        settleAll(batch.calls, answer.results);
      },
      rejected: (refusal, mayHaveHappened) => {
        // The session is gone: whatever was not sent yet goes out under a new one, if no other holder has the name.
        // A batch that was left over from the one before says nothing of the present one.
        if (refusal.code === 'ERR_SESSION_EXPIRED' && batch.session === this.#id) this.#id = undefined;
        this.#finished(batch);
        const error = refusalError(refusal.code, refusal.message, mayHaveHappened);
        for (const call of batch.calls) fail(call, error);
      },
      tick: (nowMs, standing) => {
        this.#expireQueue(nowMs, standing);
        if (nowMs < earliestMs) return true;
        // As long as somebody waits for the batch it is asked again, and then all of it takes effect: whoever
        // leaves earlier cannot know.
        const livesOn = batch.calls.some((call) => !call.isSettled && call.deadlineMs > nowMs);
        earliestMs = expire(batch.calls, nowMs, livesOn ? { ...standing, mayHappen: true } : standing);
        if (livesOn) return true;
        this.#finished(batch);
        return false;
      },
    };
  }

  #finished(batch: Batch): void {
    this.#inFlight.delete(batch.number);
    this.#lastUsedMs = this.#parts.clock.nowMs();
    this.#settled(batch.calls.length);
    if (this.#queue.length > 0) this.#flushLater();
  }
}

/** Well below the hour after which replicas expire an idle session. */
const idleBeforeReopenMs = 10 * 60 * 1_000;
