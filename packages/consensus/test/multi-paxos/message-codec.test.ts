import { hasCode } from '@quorate/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MultiPaxosMessage } from '../../src/multi-paxos/message.ts';
import { decodeMessage, encodeMessage } from '../../src/multi-paxos/message-codec.ts';
import { accept, accepted, ballot, bytes, entry, heartbeat, prepare, slot } from './member.ts';

const own = ballot(4, 1);

const messages: readonly MultiPaxosMessage[] = [
  prepare(own, 9),
  prepare(own, 9, ballot(3, 2)),
  {
    type: 'promise',
    ballot: own,
    fromSlot: slot(3),
    nextPage: slot(9),
    chosenUpTo: slot(4),
    accepted: [entry(3, ballot(1, 0), 'x'), { ...entry(7, own, ''), payload: bytes('') }],
  },
  { type: 'promise', ballot: own, fromSlot: slot(3), nextPage: undefined, chosenUpTo: slot(0), accepted: [] },
  { type: 'nack', ballot: own, promised: ballot(5, 0) },
  accept(own, [entry(5, own, 'x'), entry(6, own, 'y')], 4),
  accepted(own, 5, 6),
  heartbeat(own, 4, 17),
  heartbeat(own, 4, 17, true),
  { type: 'hand-over', ballot: own },
  { type: 'heartbeat-reply', ballot: own, round: 17, chosenUpTo: slot(4) },
  { type: 'canvass', canvass: 8, fromSlot: slot(5) },
  { type: 'canvass-reply', canvass: 8, granted: true, promised: own },
  { type: 'catch-up-request', fromSlot: slot(5) },
  { type: 'catch-up', entries: [entry(5, ballot(1, 0), 'x'), entry(6, own, 'y')] },
];

test.each(messages)('$type comes back as it was', (message) => {
  expect(decodeMessage(encodeMessage(message))).toEqual(message);
});

test.each([
  ['nothing', undefined],
  ['an unknown kind', [99, 1]],
  ['a kind as text', ['1', 1, 1]],
  ['a field too many', [1, 33, 1, 0, 1]],
  ['ballot 0', [1, 0, 1, 0]],
  ['a fraction', [1, 33.5, 1, 0]],
  ['slot 0', [1, 33, 0, 0]],
  ['a number beyond the safe ones', [1, 2 ** 53, 1, 0]],
  ['an accept of nothing', [4, 33, 0, 1, []]],
  ['an accept whose last slot is not safe', [4, 33, 0, Number.MAX_SAFE_INTEGER, [[1, bytes('x')]]]],
  ['a payload that is not bytes', [4, 33, 0, 1, [[1, 'x']]]],
  ['accepted backwards', [5, 33, 2, 1]],
  [
    'a report that goes back',
    [
      2,
      33,
      3,
      null,
      0,
      [
        [4, 1, 1, bytes('x')],
        [4, 1, 1, bytes('x')],
      ],
    ],
  ],
  ['a report below what was asked', [2, 33, 3, null, 0, [[2, 1, 1, bytes('x')]]]],
  ['a report above its own ballot', [2, 33, 3, null, 0, [[4, 34, 1, bytes('x')]]]],
  ['a page that does not move on', [2, 33, 3, 4, 0, [[4, 1, 1, bytes('x')]]]],
])('refuses %s as ERR_FRAME_INVALID', (_, wire) => {
  expect(() => decodeMessage(wire)).toThrow(expect.objectContaining({ code: 'ERR_FRAME_INVALID' }));
});

test('whatever arrives is a message or ERR_FRAME_INVALID, and nothing else', () => {
  const field = fc.oneof(fc.integer({ min: -1, max: 40 }), fc.anything(), fc.constant(new Uint8Array(2)));
  const wire = fc.oneof(
    fc.anything(),
    fc
      .tuple(fc.integer({ min: 0, max: 12 }), fc.array(field, { maxLength: 6 }))
      .map(([kind, rest]) => [kind, ...rest]),
    fc
      .tuple(fc.constantFrom(...messages), fc.nat({ max: 5 }), field)
      .map(([message, at, changed]) =>
        encodeMessage(message).map((old, place) => (place === at ? changed : old)),
      ),
  );
  fc.assert(
    fc.property(wire, (value) => {
      try {
        decodeMessage(value);
      } catch (error) {
        expect(hasCode(error, 'ERR_FRAME_INVALID')).toBe(true);
      }
    }),
    { numRuns: 1_000 },
  );
});
