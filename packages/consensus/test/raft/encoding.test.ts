import { hasCode } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeHardState, encodeHardState } from '../../src/raft/hard-state.ts';
import type { RaftMessage } from '../../src/raft/message.ts';
import { decodeMessage, encodeMessage } from '../../src/raft/message-codec.ts';
import { appendOf, type Untyped } from './lone-server.ts';

const messages: readonly Untyped<RaftMessage>[] = [
  { type: 'pre-vote-request', term: 3, lastIndex: 7, lastTerm: 2 },
  { type: 'pre-vote-reply', term: 3, granted: true },
  { type: 'vote-request', term: 3, lastIndex: 0, lastTerm: 0, gaveWay: 2 },
  { type: 'timeout-now', term: 3 },
  { type: 'vote-reply', term: 3, granted: false },
  appendOf({ term: 3, prev: [2, 1], terms: [1, 2, 3], commit: 1 }),
  appendOf({ term: 3, prev: [2, 1] }),
  { type: 'append-accepted', term: 3, matchIndex: 9 },
  { type: 'append-rejected', term: 3, prevIndex: 9, hintIndex: 4, hintTerm: 2 },
  { type: 'heartbeat', term: 3, commitIndex: 9, round: 4, rests: false },
  { type: 'heartbeat-reply', term: 3, round: 0 },
];

describe('messages', () => {
  test.each(messages)('$type comes back as it went', (message) => {
    expect(decodeMessage(encodeMessage(message as unknown as RaftMessage))).toEqual(message);
  });

  const broken = [undefined, null, -1, 1.5, 2 ** 53, '1', true, [], {}, new Uint8Array(1), 1n];

  test.each(messages)('$type is refused when any field is missing, added or of another kind', (message) => {
    const wire = encodeMessage(message as unknown as RaftMessage);
    for (let field = 0; field < wire.length; field++) {
      for (const value of broken) {
        const changed = wire.with(field, value);
        if (typeof value === typeof wire[field] && typeof value !== 'number') continue;
        expect(() => decodeMessage(changed), `field ${field} = ${String(value)}`).toThrow(
          expect.objectContaining({ code: 'ERR_FRAME_INVALID' }),
        );
      }
    }
    expect(() => decodeMessage([...wire, 0])).toThrow();
    expect(() => decodeMessage(wire.slice(0, -1))).toThrow();
  });

  test.each([
    {
      why: 'terms that decrease',
      wire: [
        5,
        3,
        0,
        0,
        0,
        [
          [2, 0, new Uint8Array(1)],
          [1, 0, new Uint8Array(1)],
        ],
      ],
    },
    { why: 'a term below that of the position before', wire: [5, 3, 4, 2, 0, [[1, 0, new Uint8Array(1)]]] },
    { why: 'a term above that of the leader', wire: [5, 3, 0, 0, 0, [[4, 0, new Uint8Array(1)]]] },
    { why: 'a time that is no number', wire: [5, 3, 0, 0, 0, [[3, Number.NaN, new Uint8Array(1)]]] },
    { why: 'a payload that is no bytes', wire: [5, 3, 0, 0, 0, [[3, 0, 'text']]] },
    { why: 'a candidacy in the term of its last entry', wire: [3, 3, 4, 3, 0] },
    { why: 'a leader that gave way in the term of the candidacy', wire: [3, 3, 4, 2, 3] },
    { why: 'an unknown type', wire: [11, 3] },
  ])('$why: refused', ({ wire }) => {
    expect(() => decodeMessage(wire)).toThrow(expect.objectContaining({ code: 'ERR_FRAME_INVALID' }));
  });

  test('whatever comes, it is a message or a coded error', () => {
    const anyWire = fc.oneof(
      fc.anything(),
      fc.tuple(fc.nat({ max: 10 }), fc.anything()).map(([type, rest]) => [type, rest]),
      fc.array(fc.oneof(fc.nat({ max: 9 }), fc.boolean(), fc.array(fc.anything())), { maxLength: 7 }),
    );
    fc.assert(
      fc.property(anyWire, (wire) => {
        try {
          decodeMessage(wire);
        } catch (error) {
          if (!hasCode(error, 'ERR_FRAME_INVALID')) throw error;
        }
      }),
    );
  });
});

describe('the hard state', () => {
  test('comes back as it went', () => {
    const name = fc.option(fc.string({ minLength: 1, unit: 'grapheme' }), { nil: undefined });
    fc.assert(
      fc.property(fc.maxSafeNat(), name, (term, votedFor) => {
        const state = { currentTerm: term + 1 - (term % 2), votedFor } as never;
        expect(decodeHardState(encodeHardState(state))).toEqual(state);
      }),
    );
  });

  test.each([
    { why: 'nothing', bytes: [] },
    { why: 'too short', bytes: [1, 0, 0, 0, 0, 0, 0, 0] },
    { why: 'another version', bytes: [2, 0, 0, 0, 0, 0, 0, 0, 1] },
    { why: 'a term out of range', bytes: [1, 255, 0, 0, 0, 0, 0, 0, 1] },
    { why: 'a vote without a term', bytes: [1, 0, 0, 0, 0, 0, 0, 0, 0, 97] },
    { why: 'a name that is no text', bytes: [1, 0, 0, 0, 0, 0, 0, 0, 1, 255] },
  ])('$why: refused as corrupt', ({ bytes }) => {
    expect(() => decodeHardState(new Uint8Array(bytes))).toThrow(
      expect.objectContaining({ code: 'ERR_LOG_CORRUPT' }),
    );
  });
});
