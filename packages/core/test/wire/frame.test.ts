/** A frame arrives whole and unchanged, or not at all. */
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { hasCode, seededRandom } from '../../src/index.ts';
import { encodeValue } from '../../src/wire/codec.ts';
import { type Envelope, kinds } from '../../src/wire/envelope.ts';
import { decodeFrame, encodeFrame, frameBytesMax, headerBytes } from '../../src/wire/frame.ts';

const envelopes: readonly Envelope[] = [
  [kinds.tell, 'replica', 'client', 0, { greet: 'x' }],
  [kinds.ask, 'replica', '-', 7, new Uint8Array([1, 2, 3])],
  [kinds.answer, 'client', 'replica', 7, undefined],
];

function frameOf(messages: readonly unknown[]): Uint8Array {
  const packed = messages.map(encodeValue);
  return encodeFrame(
    packed,
    packed.reduce((sum, { length }) => sum + length, 0),
  );
}

/** Puts the right length, count and checksum on a body, as a stranger who knows the format could. */
function forged(body: Uint8Array, count: number): Uint8Array {
  const honest = encodeFrame([body], body.length);
  const frame = new Uint8Array(headerBytes + body.length);
  const view = new DataView(frame.buffer);
  frame.set(honest.subarray(0, 4));
  frame.set(body, headerBytes);
  view.setUint32(8, body.length);
  view.setUint32(12, count);
  view.setUint32(4, crc32(frame.subarray(8)));
  return frame;
}

/** CRC-32 bit by bit, as its standard describes it. */
function crc(bytes: Uint8Array): number {
  let register = 0xffffffff;
  for (const byte of bytes) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (register & 1 ? 0xedb88320 : 0);
  }
  return ~register >>> 0;
}

test('envelopes survive the way there and back', () => {
  expect(decodeFrame(frameOf(envelopes))).toStrictEqual(envelopes);
});

test('a frame fills a buffer of its own', () => {
  const frame = frameOf(envelopes);
  expect(frame.byteOffset).toBe(0);
  expect(frame.buffer.byteLength).toBe(frame.length);
});

test('the layout is the one that is documented', () => {
  const frame = frameOf([envelopes[0]]);
  const view = new DataView(frame.buffer);
  expect([...frame.subarray(0, 4)]).toEqual([0x51, 0x72, 1, 1]);
  expect(view.getUint32(4)).toBe(crc(frame.subarray(8)));
  expect(view.getUint32(8)).toBe(frame.length - headerBytes);
  expect(view.getUint32(12)).toBe(1);
});

test.each<[string, (frame: Uint8Array) => Uint8Array]>([
  ['is empty', () => new Uint8Array()],
  ['is shorter than a header', (frame) => frame.slice(0, headerBytes - 1)],
  ['is cut short', (frame) => frame.slice(0, -1)],
  ['has a byte too many', (frame) => new Uint8Array([...frame, 0])],
  ['has another magic', (frame) => frame.with(0, 0)],
  ['is of another version', (frame) => frame.with(2, 2)],
  ['is of another type', (frame) => frame.with(3, 9)],
  [
    'is longer than any may be',
    () => forged(encodeValue([[0, 'a', 'b', 0, new Uint8Array(frameBytesMax)]]), 1),
  ],
  ['is no bytes at all', () => ({ length: 99 }) as Uint8Array],
])('a frame that %s is refused', (_, damage) => {
  expect(() => decodeFrame(damage(frameOf(envelopes)))).toThrowError(
    expect.objectContaining({ code: 'ERR_FRAME_INVALID' }),
  );
});

test('any changed byte is noticed', () => {
  const frame = frameOf(envelopes);
  for (let at = 0; at < frame.length; at++) {
    for (const flip of [1, 0x80, 0xff]) {
      const changed = frame.with(at, (frame[at] as number) ^ flip);
      expect(() => decodeFrame(changed)).toThrowError(expect.objectContaining({ code: 'ERR_FRAME_INVALID' }));
    }
  }
});

test.each<[string, unknown, number]>([
  ['no list', { kind: 1 }, 1],
  ['fewer envelopes than announced', [envelopes[0]], 2],
  ['more envelopes than announced', envelopes, 2],
  ['an envelope that is no list', ['x'], 1],
  ['an envelope with a field too few', [[0, 'a', 'b', 0]], 1],
  ['a kind that does not exist', [[99, 'a', 'b', 0, null]], 1],
  ['a kind that is no number', [['0', 'a', 'b', 0, null]], 1],
  ['a receiver that is no text', [[0, 5, 'b', 0, null]], 1],
  ['a sender of absurd length', [[0, 'a', 'b'.repeat(257), 0, null]], 1],
  ['an ask with a fraction', [[1, 'a', 'b', 0.5, null]], 1],
  ['an ask below zero', [[1, 'a', 'b', -1, null]], 1],
])('a frame with a good checksum and %s is refused', (_, body, count) => {
  expect(() => decodeFrame(forged(encodeValue(body), count))).toThrowError(
    expect.objectContaining({ code: 'ERR_FRAME_INVALID' }),
  );
});

test('a body changed under a good checksum gives envelopes or a typed error', () => {
  const random = seededRandom(4);
  const body = encodeValue(envelopes);
  let refused = 0;
  for (let round = 0; round < 5_000; round++) {
    const changed = body.with(random.below(body.length), random.below(256));
    try {
      for (const envelope of decodeFrame(forged(changed, envelopes.length))) expect(envelope).toHaveLength(5);
    } catch (error) {
      if (!hasCode(error, 'ERR_FRAME_INVALID')) throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(500);
});
