/**
 * Behaviours: what an actor is, seen by the one who writes it.
 *
 * An actor is a factory that is given a context and returns a behaviour. State lives in the factory's
 * closure and dies with it: a restart calls the factory again.
 */
import type { ActorRef } from './actor-ref.ts';
import type { Address } from './address.ts';
import type { NodeId } from './brand.ts';
import type { Clock, Timer } from './clock.ts';
import type { Log } from './log.ts';
import type { OverflowPolicy } from './mailbox.ts';
import type { Random } from './random.ts';
import type { RestartPolicy } from './supervision.ts';
import type { Schema } from './wire/schema.ts';

/** News from the system. It comes in a lane of its own, ahead of messages, and no mailbox limit drops it. */
export type Signal =
  | {
      readonly type: 'terminated';
      /** The actor that was watched; the watch is over. */
      readonly address: Address;
      /**
       * `stopped` on purpose; `failed` beyond its restarts; `node-down`: the thread of its node has ended, which
       * is known and no guess; `unreachable`: the way to its node is gone, and it may live on.
       */
      readonly reason: 'stopped' | 'failed' | 'node-down' | 'unreachable';
      /** With `node-down`: which life of that node ended (0, then one more with every restart). */
      readonly incarnation?: number;
    }
  /** The actor at `address` refused a tell of this one, its mailbox being full. Said once per congestion. */
  | { readonly type: 'overloaded'; readonly address: Address };

/** What an actor does in one life. One message at a time, in order; nothing of it is called after `stopped`. */
export interface Behavior<M, R> {
  /**
   * Handles one message; what it returns answers an ask. Messages are handled in order of arrival.
   *
   * A promise is an answer that comes later. It does not hold up the mailbox (see `turns` in
   * {@link ActorOptions}): after an `await`, look at the state again.
   *
   * A `CodedError` thrown at an ask is an answer, and the actor lives on. Whatever else is thrown is a
   * failure of the actor, and supervision decides.
   */
  receive(message: M, from: ActorRef): R | Promise<R>;
  /** Told of signals; without it they are ignored. */
  signal?(signal: Signal): void;
  /** Called once when this life of the actor is over, by stop or by failure; lets go of what it holds. */
  stopped?(): void | Promise<void>;
}

/** Timers that die with the actor's life. Their callbacks may not run while the actor does something else. */
export interface ActorTimers {
  after(delayMs: number, run: () => void): Timer;
  /** Calls `run` every `periodMs` (> 0), first after one period; a late call does not make up for lost ones. */
  every(periodMs: number, run: () => void): Timer;
}

/**
 * What an actor is given at each start: itself, its node, and what it may do there. Good for this life only.
 */
export interface ActorContext {
  readonly self: ActorRef;
  readonly node: NodeId;
  /** What was given as `argument` to `spawn`. */
  readonly argument: unknown;
  /**
   * Starts a light actor on this node. It is a child: it stops when this actor stops or restarts.
   * @throws CodedError `ERR_OPTION_INVALID` if the name is not allowed or taken
   */
  spawn<M, R>(name: string, definition: ActorDefinition<M, R>, options?: SpawnOptions): ActorRef<M, R>;
  /** Asks for a `terminated` signal when that actor ends. Watching twice is watching once. */
  watch(ref: ActorRef): void;
  unwatch(ref: ActorRef): void;
  /**
   * Which life of `peer` the link from here leads to; undefined while none leads there, and for this node. A signal
   * may be handled after messages of the next life: beside its own `incarnation` this says whether it is old.
   */
  incarnationOf(peer: NodeId): number | undefined;
  readonly timers: ActorTimers;
  /** Messages that wait in this actor's mailbox now. */
  mailboxDepth(): number;
  readonly log: Log;
  readonly clock: Clock;
  /** A stream of this actor's own, fixed by the node's seed and the actor's name. */
  readonly random: Random;
  /**
   * Sets the message that is being handled aside, to be handled again after {@link unstashAll}; only
   * inside `receive`, before any await. @throws CodedError `ERR_OVERLOADED` beyond the mailbox's capacity.
   */
  stash(): void;
  /** Puts what was stashed back at the head of the mailbox, oldest first. */
  unstashAll(): void;
  /** Ends this actor after the message that is being handled. */
  stop(): void;
  /** A reference to the actor at `node/name`, for this actor to send through. */
  actor<M = unknown, R = unknown>(address: Address): ActorRef<M, R>;
}

/** What holds for every actor of a definition, wherever it is spawned. */
export interface ActorOptions<M> {
  /** Checks every message before `receive` sees it, and hands on what the schema returns. */
  readonly accepts?: Schema<M>;
  /**
   * `interleaved` (default): a promise returned by `receive` does not hold up the next message.
   * `sequential`: the next message, signal or timer waits until it has settled.
   */
  readonly turns?: 'interleaved' | 'sequential';
}

/** What holds for one actor: its argument, its mailbox, and what becomes of it when it fails. */
export interface SpawnOptions {
  /** Handed to the actor as `context.argument`; to another thread it goes by structured clone. */
  readonly argument?: unknown;
  readonly mailbox?: {
    /** Messages that wait at most; 1 or more, default 10,000. Signals are not counted. */
    readonly capacity?: number;
    /** What happens to a message too many; default `reject`. */
    readonly overflow?: OverflowPolicy;
  };
  /** Without it, the first failure ends the actor. */
  readonly restart?: RestartPolicy;
}

/** Begins a life of an actor. What it throws counts as a failure of that life. */
export type ActorFactory<M, R> = (context: ActorContext) => Behavior<M, R> | Promise<Behavior<M, R>>;

const definitionMark = Symbol.for('quorate.actor-definition');

/** An actor as a module exports it. Made by {@link defineActor} only. */
export interface ActorDefinition<M = unknown, R = unknown> {
  readonly [definitionMark]: true;
  readonly factory: ActorFactory<M, R>;
  readonly options: ActorOptions<M>;
}

/**
 * Defines an actor. `factory` runs at every start and restart; messages that come before its promise
 * resolves wait in the mailbox.
 */
export function defineActor<M, R = void>(
  factory: ActorFactory<M, R>,
  options: ActorOptions<M> = {},
): ActorDefinition<M, R> {
  return { [definitionMark]: true, factory, options };
}

/** Whether `value`, perhaps from another copy of this module, was made by {@link defineActor}. */
export function isActorDefinition(value: unknown): value is ActorDefinition {
  return typeof value === 'object' && value !== null && (value as ActorDefinition)[definitionMark] === true;
}
