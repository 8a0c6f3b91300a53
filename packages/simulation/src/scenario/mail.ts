/**
 * The mail of a scenario: rules that drop, double, delay or hold single messages between two nodes.
 *
 * A frame carries whatever its sender had to say in one turn. When a rule may concern it, it is taken apart
 * and every message travels in a frame of its own.
 */
import { decodeReplicaMessage, type Protocol } from '@quorate/consensus';
import {
  assertNever,
  decodeFrame,
  encodeFrame,
  encodeValue,
  type NodeId,
  optionInvalid,
} from '@quorate/core';
import type { Sorter } from '../simulated-network.ts';
import type { VirtualTime } from '../virtual-time.ts';

/** What scenarios call a message, and what the protocols call it. */
const messageTypes: Readonly<Record<string, readonly string[]>> = {
  canvass: ['pre-vote-request', 'canvass'],
  'canvass-reply': ['pre-vote-reply', 'canvass-reply'],
  candidacy: ['vote-request', 'prepare'],
  grant: ['vote-reply', 'promise'],
  append: ['append', 'accept'],
  accepted: ['append-accepted', 'accepted'],
  rejection: ['append-rejected', 'nack'],
  heartbeat: ['heartbeat'],
  'heartbeat-reply': ['heartbeat-reply'],
  'catch-up': ['catch-up'],
  snapshot: ['snapshot-offer', 'snapshot-chunk'],
  /** What learners ask and are taught, under any protocol. */
  learning: ['learning'],
};

type Pass = (frame: Uint8Array) => void;

export type MailAction =
  | { readonly type: 'drop' }
  | { readonly type: 'hold' }
  /** A copy of the message is kept, to arrive when it is asked for. */
  | { readonly type: 'copy' }
  /** Rules that came later do not concern it. */
  | { readonly type: 'pass' }
  /** The message arrives later. */
  | { readonly type: 'delay'; readonly byMs: number }
  /** A copy of the message arrives later. */
  | { readonly type: 'duplicate'; readonly byMs: number };

export interface MailRule {
  readonly action: MailAction;
  readonly kind: string;
  readonly from: NodeId;
  readonly to: NodeId;
  /** Messages that it still concerns. */
  left: number;
}

export class Mail {
  readonly #time: VirtualTime;
  readonly #protocol: () => Protocol<unknown, unknown>;
  #rules: MailRule[] = [];
  readonly #copies: (() => void)[] = [];
  #held: { readonly rule: MailRule; readonly pass: Pass; readonly frame: Uint8Array }[] = [];

  /** @param protocol what the messages are messages of */
  constructor(time: VirtualTime, protocol: () => Protocol<unknown, unknown>) {
    this.#time = time;
    this.#protocol = protocol;
  }

  /** @throws CodedError ERR_OPTION_INVALID */
  addRule(rule: MailRule): void {
    if (!Object.hasOwn(messageTypes, rule.kind)) {
      throw optionInvalid('message', rule.kind, Object.keys(messageTypes).join(', '));
    }
    this.#rules.push(rule);
  }

  /** Ends all rules; what was held arrives, in the order of its sending. */
  release(): void {
    const held = this.#held;
    this.#rules = [];
    this.#held = [];
    for (const { pass, frame } of held) pass(frame);
  }

  /** Every copy that was kept arrives now. */
  deliverCopies(): void {
    for (const deliver of this.#copies.splice(0)) deliver();
  }

  /** How many messages are held between these two. */
  heldCount(from: NodeId, to: NodeId): number {
    return this.#held.filter(({ rule }) => rule.from === from && rule.to === to).length;
  }

  readonly sort: Sorter = ({ from, to, frame, pass }) => {
    const rules = this.#rules.filter((rule) => rule.from === from && rule.to === to && rule.left > 0);
    if (rules.length === 0) return pass(frame);
    for (const envelope of decodeFrame(frame)) {
      const kind = this.#typeOf(envelope[4]);
      const rule = rules.find((one) => one.left > 0 && messageTypes[one.kind]?.includes(kind));
      const packed = encodeValue(envelope);
      const alone = encodeFrame([packed], packed.byteLength);
      if (rule === undefined) pass(alone);
      else this.#apply(rule, alone, pass);
    }
  };

  #apply(rule: MailRule, frame: Uint8Array, pass: Pass): void {
    const { action } = rule;
    rule.left -= 1;
    switch (action.type) {
      case 'drop':
        return;
      case 'hold':
        this.#held.push({ rule, pass, frame });
        return;
      case 'pass':
        return pass(frame);
      case 'copy':
        this.#copies.push(() => pass(new Uint8Array(frame)));
        return pass(frame);
      case 'delay':
        this.#time.after(action.byMs, () => pass(frame));
        return;
      case 'duplicate':
        this.#time.after(action.byMs, () => pass(new Uint8Array(frame)));
        return pass(frame);
      default:
        assertNever(action, 'action');
    }
  }

  /** What the protocol, or the replica, calls the message in an envelope; '' if it is nothing of theirs. */
  #typeOf(body: unknown): string {
    try {
      const message = decodeReplicaMessage(body);
      if (message.type !== 'protocol') return message.type;
      return (this.#protocol().decodeMessage(message.wire) as { readonly type: string }).type;
    } catch {
      return '';
    }
  }
}
