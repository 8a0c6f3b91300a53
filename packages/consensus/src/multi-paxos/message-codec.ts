/**
 * The messages as positional arrays, and the check of every field when they come back.
 *
 * Values that a message lists without a gap carry no slot, those under its own ballot no ballot.
 */
import { assertNever, bytes, flag, integer, list, optional, schemaViolation, tuple } from '@quorate/core';
import type { Entry } from '../protocol.ts';
import type { Ballot, Slot } from './ballot.ts';
import type { Accept, CatchUp, MultiPaxosMessage, Promised } from './message.ts';

/** Entries in one message, however small they are. */
export const entriesPerMessageMax = 4_096;

/** Far above what a log takes in one entry; keeps a forged length from being believed. */
const payloadBytesMax = 2 ** 28;

/** The first field of each message. Numbers are never reused. */
const kinds = {
  prepare: 1,
  promise: 2,
  nack: 3,
  accept: 4,
  accepted: 5,
  heartbeat: 6,
  'heartbeat-reply': 7,
  canvass: 8,
  'canvass-reply': 9,
  'catch-up-request': 10,
  'catch-up': 11,
  'hand-over': 12,
} as const satisfies Record<MultiPaxosMessage['type'], number>;

export function encodeMessage(message: MultiPaxosMessage): readonly unknown[] {
  const kind = kinds[message.type];
  switch (message.type) {
    case 'prepare':
      return [kind, message.ballot, message.fromSlot, message.gaveWay];
    case 'promise':
      return [
        kind,
        message.ballot,
        message.fromSlot,
        message.nextPage ?? null,
        message.chosenUpTo,
        message.accepted.map((entry) => [entry.index, entry.reign, entry.timeMs, entry.payload]),
      ];
    case 'nack':
      return [kind, message.ballot, message.promised];
    case 'accept':
      return [
        kind,
        message.ballot,
        message.chosenUpTo,
        message.entries[0]?.index ?? null,
        message.entries.map((entry) => [entry.timeMs, entry.payload]),
      ];
    case 'accepted':
      return [kind, message.ballot, message.first, message.last];
    case 'heartbeat':
      return [kind, message.ballot, message.round, message.chosenUpTo, message.rests];
    case 'heartbeat-reply':
      return [kind, message.ballot, message.round, message.chosenUpTo];
    case 'canvass':
      return [kind, message.canvass, message.fromSlot];
    case 'canvass-reply':
      return [kind, message.canvass, message.granted, message.promised];
    case 'catch-up-request':
      return [kind, message.fromSlot];
    case 'catch-up':
      return [
        kind,
        message.entries[0]?.index ?? null,
        message.entries.map((entry) => [entry.reign, entry.timeMs, entry.payload]),
      ];
    case 'hand-over':
      return [kind, message.ballot];
    default:
      return assertNever(message, 'a Multi-Paxos message');
  }
}

const kindField = integer();
const ballot = integer<Ballot>(1);
const promisedBallot = integer<Ballot>();
const slot = integer<Slot>(1);
const watermark = integer<Slot>();
const count = integer();
const timeMs = integer();
const payload = bytes(payloadBytesMax);

const prepareFields = tuple(kindField, ballot, slot, promisedBallot);
const promiseFields = tuple(
  kindField,
  ballot,
  slot,
  optional(slot),
  watermark,
  list(tuple(slot, ballot, timeMs, payload), entriesPerMessageMax),
);
const nackFields = tuple(kindField, ballot, promisedBallot);
const acceptFields = tuple(
  kindField,
  ballot,
  watermark,
  slot,
  list(tuple(timeMs, payload), entriesPerMessageMax),
);
const acceptedFields = tuple(kindField, ballot, slot, slot);
const heartbeatFields = tuple(kindField, ballot, count, watermark, flag);
const heartbeatReplyFields = tuple(kindField, ballot, count, watermark);
const canvassFields = tuple(kindField, count, slot);
const canvassReplyFields = tuple(kindField, count, flag, promisedBallot);
const catchUpRequestFields = tuple(kindField, slot);
const handOverFields = tuple(kindField, ballot);
const catchUpFields = tuple(kindField, slot, list(tuple(ballot, timeMs, payload), entriesPerMessageMax));

type Decoder = (wire: unknown) => MultiPaxosMessage;

const decoders: ReadonlyMap<number, Decoder> = new Map<number, Decoder>([
  [
    kinds.prepare,
    (wire) => {
      const [, ballot, fromSlot, gaveWay] = prepareFields(wire, 'prepare');
      return { type: 'prepare', ballot, fromSlot, gaveWay };
    },
  ],
  [kinds.promise, decodePromise],
  [
    kinds.nack,
    (wire) => {
      const [, ballot, promised] = nackFields(wire, 'nack');
      return { type: 'nack', ballot, promised };
    },
  ],
  [kinds.accept, decodeAccept],
  [
    kinds.accepted,
    (wire) => {
      const [, ballot, first, last] = acceptedFields(wire, 'accepted');
      if (last < first) throw schemaViolation('accepted[3]', `a slot from ${first} on`, last);
      return { type: 'accepted', ballot, first, last };
    },
  ],
  [
    kinds.heartbeat,
    (wire) => {
      const [, ballot, round, chosenUpTo, rests] = heartbeatFields(wire, 'heartbeat');
      return { type: 'heartbeat', ballot, round, chosenUpTo, rests };
    },
  ],
  [
    kinds['heartbeat-reply'],
    (wire) => {
      const [, ballot, round, chosenUpTo] = heartbeatReplyFields(wire, 'heartbeat-reply');
      return { type: 'heartbeat-reply', ballot, round, chosenUpTo };
    },
  ],
  [
    kinds.canvass,
    (wire) => {
      const [, canvass, fromSlot] = canvassFields(wire, 'canvass');
      return { type: 'canvass', canvass, fromSlot };
    },
  ],
  [
    kinds['canvass-reply'],
    (wire) => {
      const [, canvass, granted, promised] = canvassReplyFields(wire, 'canvass-reply');
      return { type: 'canvass-reply', canvass, granted, promised };
    },
  ],
  [
    kinds['catch-up-request'],
    (wire) => {
      const [, fromSlot] = catchUpRequestFields(wire, 'catch-up-request');
      return { type: 'catch-up-request', fromSlot };
    },
  ],
  [kinds['catch-up'], decodeCatchUp],
  [
    kinds['hand-over'],
    (wire) => {
      const [, ballot] = handOverFields(wire, 'hand-over');
      return { type: 'hand-over', ballot };
    },
  ],
]);

/** @throws CodedError `ERR_FRAME_INVALID`, and nothing else */
export function decodeMessage(wire: unknown): MultiPaxosMessage {
  const kind: unknown = Array.isArray(wire) ? wire[0] : undefined;
  const decode = typeof kind === 'number' ? decoders.get(kind) : undefined;
  if (decode === undefined) throw schemaViolation('message', 'a Multi-Paxos message', wire);
  return decode(wire);
}

function decodePromise(wire: unknown): Promised {
  const [, ballot, fromSlot, nextPage, chosenUpTo, values] = promiseFields(wire, 'promise');
  let above = fromSlot - 1;
  const accepted = values.map(([index, reign, timeMs, payload], at): Entry => {
    if (index <= above) throw schemaViolation(`promise[5][${at}]`, `a slot above ${above}`, index);
    if (reign > ballot) throw schemaViolation(`promise[5][${at}]`, `a ballot up to ${ballot}`, reign);
    above = index;
    return { index, reign, timeMs, payload };
  });
  if (nextPage !== undefined && nextPage <= above) {
    throw schemaViolation('promise[3]', `a slot above ${above}`, nextPage);
  }
  return { type: 'promise', ballot, fromSlot, nextPage, chosenUpTo, accepted };
}

function decodeAccept(wire: unknown): Accept {
  const [, ballot, chosenUpTo, first, values] = acceptFields(wire, 'accept');
  const entries = numbered('accept', first, values, ([timeMs, payload], index): Entry => {
    return { index, reign: ballot, timeMs, payload };
  });
  return { type: 'accept', ballot, chosenUpTo, entries };
}

function decodeCatchUp(wire: unknown): CatchUp {
  const [, first, values] = catchUpFields(wire, 'catch-up');
  const entries = numbered('catch-up', first, values, ([reign, timeMs, payload], index): Entry => {
    return { index, reign, timeMs, payload };
  });
  return { type: 'catch-up', entries };
}

/** Values that stand in slots without a gap, from `first` on. */
function numbered<T>(
  path: string,
  first: Slot,
  values: readonly T[],
  entryAt: (value: T, slot: Slot) => Entry,
): Entry[] {
  if (values.length === 0) throw schemaViolation(path, 'at least one value', values);
  slot(first + values.length, `${path}: the slot after the last`);
  return values.map((value, at) => entryAt(value, (first + at) as Slot));
}
