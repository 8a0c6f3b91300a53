/** Bytes damaged or forged, by the thousand: each is refused with its code, or read for what it says. */
import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { decodeValue, encodeValue, hasCode } from '../../src/index.ts';
import { type Envelope, kinds } from '../../src/wire/envelope.ts';
import { readErrorData } from '../../src/wire/error-data.ts';
import { decodeFrame, encodeFrame, headerBytes } from '../../src/wire/frame.ts';
import { fuzz, fuzzTimeoutMs, mutations } from './fuzzing.ts';
import { referenceDecode } from './reference-decoder.ts';

const timeout = fuzzTimeoutMs;

const errorData = { code: 'ERR_ACTOR_FAILED', message: 'no', details: { actor: 'x' }, stack: 'at x' };
const values: readonly unknown[] = [
  [0, 'replica', 'client', 7, [3, [new Uint8Array(16), 'x'], { add: 1 }]],
  { deep: [[[{ list: Array.from({ length: 40 }, (_, at) => at) }]]], text: 'ä'.repeat(80), mark: '\ufeffx' },
  Array.from({ length: 9 }, (_, at) => ({ key: `k${at}`, value: at / 3, none: undefined })),
  [-1, -33, -129, -40_000, 200, 70_000, 2 ** 40, 0.1, Number.NaN, true, false, null, '€𝄞'],
  Array.from({ length: 60 }).reduce((inner) => [inner], 1 as unknown),
  [new Uint8Array(300), 'y'.repeat(40), 'z'.repeat(300)],
  errorData,
];
const encodedValues = values.map(encodeValue);

const envelopes: readonly (readonly Envelope[])[] = [
  [],
  [[kinds.tell, 'replica', 'client', 0, values[0]]],
  [
    [kinds.ask, 'replica', '-', 7, new Uint8Array([1, 2, 3])],
    [kinds.answer, 'client', 'replica', 7, undefined],
    [kinds.refusal, 'client', 'replica', 8, errorData],
    [kinds.terminated, 'client', 'replica', 0, 'node-down'],
  ],
];
const frames = envelopes.map((messages) => {
  const packed = messages.map(encodeValue);
  return encodeFrame(
    packed,
    packed.reduce((sum, { length }) => sum + length, 0),
  );
});

/** Puts the header right, as a stranger who knows the format could; only the count is left as it is. */
function sealed(frame: Uint8Array): Uint8Array {
  if (frame.length < headerBytes) return frame;
  frame.set([0x51, 0x72, 1, 1]);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  view.setUint32(8, frame.length - headerBytes);
  view.setUint32(4, crc32(frame.subarray(8)));
  return frame;
}

/** What `read` gives, or undefined where it refuses. */
function orRefused(read: () => unknown): { readonly value: unknown } | undefined {
  try {
    return { value: read() };
  } catch (error) {
    if (!hasCode(error, 'ERR_FRAME_INVALID')) throw error;
    return undefined;
  }
}

test('an encoded value that was damaged is read as the reference reads it, or refused as it does', {
  timeout,
}, () => {
  const decode = (bytes: Uint8Array): void => {
    const expected = orRefused(() => referenceDecode(bytes));
    const got = orRefused(() => decodeValue(bytes));
    if ((got === undefined) !== (expected === undefined)) {
      throw new Error(expected === undefined ? 'taken for a value' : 'a good value was refused');
    }
    if (!isDeepStrictEqual(got?.value, expected?.value))
      throw new Error('another value than the reference reads');
    if (got === undefined) decodeValue(bytes);
  };
  const { accepted, refused } = fuzz(encodedValues, decode, 'values');
  expect(Math.min(accepted, refused)).toBeGreaterThan(mutations / 10);
});

test('a frame that was damaged on the way is refused whole', { timeout }, () => {
  const { accepted } = fuzz(
    frames,
    (bytes, original) => {
      const isDamaged = Buffer.compare(bytes, original) !== 0;
      decodeFrame(bytes);
      if (isDamaged) throw new Error('a damaged frame was believed');
    },
    'damaged frames',
  );
  expect(accepted).toBeLessThan(mutations / 5);
});

test('a frame that was forged holds envelopes that are all there, or is refused', { timeout }, () => {
  const { accepted, refused } = fuzz(
    frames,
    (bytes) => {
      const forged = sealed(bytes);
      const read = decodeFrame(forged);
      const expected = referenceDecode(forged.subarray(headerBytes));
      if (!isDeepStrictEqual(read, expected)) throw new Error('other envelopes than the reference reads');
      for (const envelope of read) requireEnvelope(envelope);
    },
    'forged frames',
  );
  expect(Math.min(accepted, refused)).toBeGreaterThan(mutations / 20);
});

test('an error that was damaged is an error as data, or refused', { timeout }, () => {
  const { accepted, refused } = fuzz(
    [encodeValue(errorData)],
    (bytes) => {
      const { code, message, details, stack } = readErrorData(decodeValue(bytes));
      const isRight = [code, message, stack ?? ''].every((part) => typeof part === 'string');
      if (!isRight || typeof details !== 'object' || details === null)
        throw new Error('not an error as data');
    },
    'errors',
  );
  expect(Math.min(accepted, refused)).toBeGreaterThan(mutations / 20);
});

function requireEnvelope([kind, to, from, ask, ...rest]: Envelope): void {
  const isKind = Object.values<number>(kinds).includes(kind);
  const isNamed =
    typeof to === 'string' && typeof from === 'string' && to.length <= 256 && from.length <= 256;
  const isRight = isKind && isNamed && Number.isSafeInteger(ask) && ask >= 0 && rest.length === 1;
  if (!isRight) throw new Error('not an envelope');
}
