/**
 * A reference to an actor: the only way to reach one, wherever it lives.
 */
import { addressOf } from './address.ts';
import type { NodeId } from './brand.ts';

/** How long an asker waits, and how it may give up earlier. */
export interface AskOptions {
  /** Milliseconds until the ask gives up; whole or not, > 0, at most 2^31 - 1. There is no ask without a deadline. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * An actor, wherever it lives: what can be told and asked of it. The same reference reaches it after a restart.
 */
export interface ActorRef<M = unknown, R = unknown> {
  /** `node/name`. References do not travel in messages; send the address, and `context.actor(address)` it. */
  readonly address: string;
  /**
   * Sends `message` and forgets it. Delivery is at most once; messages from one actor to another arrive
   * in the order in which they were sent, as long as the link is healthy. What cannot be delivered is
   * reported as a dead letter. To an actor on the same node the message goes by reference, to another
   * node as a copy: treat a message as immutable once it is sent.
   * @throws CodedError `ERR_VALUE_INVALID` if it goes to another node and cannot be encoded
   */
  tell(message: M): void;
  /**
   * Sends `message` and resolves with what the actor's `receive` returns for it.
   * @throws CodedError `ERR_ASK_TIMEOUT` no answer in time: it may have been handled or not;
   *   `ERR_DEAD_LETTER` nobody lives there; `ERR_OVERLOADED` its mailbox is full, it was not handled;
   *   `ERR_ACTOR_FAILED` it threw; `ERR_STOPPED` it, its node or this node stopped, it may have been
   *   handled; `ERR_ABORTED` `signal` was aborted before anything was sent; `ERR_OUTCOME_UNKNOWN`
   *   `signal` was aborted later; `ERR_VALUE_INVALID` the message cannot be encoded; or whatever coded
   *   error the actor threw as its answer.
   */
  ask(message: M, options: AskOptions): Promise<R>;
}

/** What a reference needs of the node it was made on. */
export interface Courier {
  deliverTell(from: string, to: { readonly node: NodeId; readonly name: string }, message: unknown): void;
  deliverAsk(
    from: string,
    to: { readonly node: NodeId; readonly name: string },
    message: unknown,
    options: AskOptions,
  ): Promise<unknown>;
}

/** A reference made for one sender: what is told through it carries that sender's name. */
export class BoundRef implements ActorRef {
  readonly node: NodeId;
  readonly name: string;
  readonly #courier: Courier;
  readonly #sender: string;

  constructor(courier: Courier, sender: string, node: NodeId, name: string) {
    this.#courier = courier;
    this.#sender = sender;
    this.node = node;
    this.name = name;
  }

  get address(): string {
    return addressOf(this.node, this.name);
  }

  tell(message: unknown): void {
    this.#courier.deliverTell(this.#sender, this, message);
  }

  ask(message: unknown, options: AskOptions): Promise<unknown> {
    return this.#courier.deliverAsk(this.#sender, this, message, options);
  }

  toJSON(): string {
    return this.address;
  }
}
