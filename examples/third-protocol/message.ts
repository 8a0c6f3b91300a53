/**
 * The two messages of the fixed-leader protocol, and how they cross a link: positional arrays, every field
 * checked when they come back.
 */
import type { Entry, LogIndex, Reign } from '@quorate/consensus';
import { bytes, integer, list, schemaViolation, tuple } from '@quorate/core';

/** Leader to follower. Without entries it is a heartbeat. */
export interface Append {
  readonly type: 'append';
  readonly reign: Reign;
  /** Where `entries` begin, or would. */
  readonly first: LogIndex;
  readonly entries: readonly Entry[];
  readonly commitIndex: LogIndex;
  /** The newest round that the leader has begun, for reads to be confirmed by. */
  readonly round: number;
}

/** Follower to leader: everything up to `upTo` is durable here. */
export interface Ack {
  readonly type: 'ack';
  readonly reign: Reign;
  readonly upTo: LogIndex;
  readonly round: number;
}

export type Message = Append | Ack;

const entriesMax = 4_096;
const kind = integer();
const count = integer();
const reign = integer<Reign>(1);
const index = integer<LogIndex>(1);
const anyIndex = integer<LogIndex>();
const entry = tuple(reign, integer(), bytes(2 ** 28));
const appendFields = tuple(kind, reign, index, anyIndex, count, list(entry, entriesMax));
const ackFields = tuple(kind, reign, anyIndex, count);

export function encodeMessage(message: Message): readonly unknown[] {
  if (message.type === 'ack') return [2, message.reign, message.upTo, message.round];
  const { reign, first, commitIndex, round } = message;
  const entries = message.entries.map((each) => [each.reign, each.timeMs, each.payload]);
  return [1, reign, first, commitIndex, round, entries];
}

/** @throws CodedError ERR_FRAME_INVALID, and nothing else */
export function decodeMessage(wire: unknown): Message {
  const which: unknown = Array.isArray(wire) ? wire[0] : undefined;
  if (which === 2) {
    const [, reign, upTo, round] = ackFields(wire, 'ack');
    return { type: 'ack', reign, upTo, round };
  }
  if (which !== 1) throw schemaViolation('message', 'a message of the fixed leader', wire);
  const [, reign, first, commitIndex, round, values] = appendFields(wire, 'append');
  index(first + values.length, 'append: the index after the last');
  const entries = values.map(([reign, timeMs, payload], at) => {
    return { index: (first + at) as LogIndex, reign, timeMs, payload };
  });
  return { type: 'append', reign, first, entries, commitIndex, round };
}
