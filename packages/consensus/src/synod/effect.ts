/**
 * What shall happen outside: the one thing that a rule of the Synod can ask for besides its next state.
 *
 * Durability order is in the type. What promises something stands in `thenSend` of the write that keeps the
 * promise, so no caller can send it first. [PaxosSimple §2.5]: "An acceptor records its intended response
 * in stable storage before actually sending the response."
 */
import type { NodeId } from '@quorate/core';
import type { AcceptorRecord } from './acceptor.ts';
import type { SynodMessage } from './message.ts';
import type { ProposerRecord } from './proposer.ts';

/** A message and whom it is for, the sender included. */
export interface Outgoing<Value> {
  readonly to: NodeId;
  readonly message: SynodMessage<Value>;
}

/** What the caller does for a participant, in the order given. */
export type Effect<Value> =
  /**
   * Make `record` durable in place of the record of the same role, then send. Writes of one process become
   * durable in the order of their effects. A participant that dies in between has promised nothing.
   */
  | {
      readonly type: 'persist';
      readonly record: ProposerRecord | AcceptorRecord<Value>;
      readonly thenSend: readonly Outgoing<Value>[];
    }
  /** Leaves at once: it promises nothing. */
  | ({ readonly type: 'send' } & Outgoing<Value>)
  /** This value, and no other, has been chosen. Told once in a life. */
  | { readonly type: 'learned'; readonly value: Value };

/** What a rule answers: the state after it, which replaces the one before, and what is to be done. */
export interface Step<State, Value> {
  readonly state: State;
  readonly effects: readonly Effect<Value>[];
}
