/** The codec gives back what it was given, or says what it cannot take; strangers' bytes build plain data only. */
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { expect, test } from 'vitest';
import { decodeValue, encodableText, encodeValue, hasCode, seededRandom } from '../../src/index.ts';
import { packBorrowed } from '../../src/wire/codec.ts';
import { scan } from '../../src/wire/scan.ts';

const frameInvalid = expect.objectContaining({ code: 'ERR_FRAME_INVALID' });
const valueInvalid = expect.objectContaining({ code: 'ERR_VALUE_INVALID' });

/** -0 is documented to arrive as 0. */
const number = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double()).map((value) => value + 0);
const key = fc.string({ unit: 'grapheme' }).filter((text) => text !== '__proto__');
const { value: plainValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom(null, undefined, true, false, Number.NaN, Infinity),
    number,
    fc.string({ unit: 'binary' }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: true }),
  ),
}));

test('any plain value survives the way there and back', () => {
  fc.assert(
    fc.property(plainValue, (value) => void expect(decodeValue(encodeValue(value))).toStrictEqual(value)),
    {
      numRuns: 500,
    },
  );
});

test.each([
  ['a message of the contract', { greet: 'x' }],
  ['an empty object and an empty list', [{}, []]],
  [
    'an object with more keys than 16 bits count',
    Object.fromEntries(Array.from({ length: 70_000 }, (_, at) => [`k${at}`, at])),
  ],
  ['a list longer than 16 bits count', Array.from({ length: 70_000 }, (_, at) => at)],
  ['bytes longer than 16 bits count', [new Uint8Array(70_000).fill(7), 'after']],
  ['text longer than 16 bits count', ['ä'.repeat(70_000), 'after']],
  [
    'every size of whole number',
    [0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER],
  ],
  ['every size of negative number', [-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1]],
  [
    'fields that look like an object’s own',
    { constructor: 'x', toString: 1, hasOwnProperty: false, toJSON: 5 },
  ],
])('%s survives', (_, value) => {
  expect(decodeValue(encodeValue(value))).toStrictEqual(value);
});

test('what is encoded owns its buffer and fills it', () => {
  const first = encodeValue(['first']);
  const second = encodeValue(['second']);
  expect(first.buffer.byteLength).toBe(first.length);
  expect(first.buffer).not.toBe(second.buffer);
  expect(Object.getPrototypeOf(first)).toBe(Uint8Array.prototype);
});

test('bytes in a value are bytes again, as views of what was decoded', () => {
  const encoded = encodeValue([Buffer.from('ab'), new Uint8Array([1])]);
  const [text, one] = decodeValue(encoded) as [Uint8Array, Uint8Array];
  expect(text).toEqual(new Uint8Array([97, 98]));
  expect(one.buffer).toBe(encoded.buffer);
});

test('decoding leaves no mark on the array that was given', () => {
  const encoded = encodeValue({ a: 1 });
  decodeValue(encoded);
  expect(Reflect.ownKeys(encoded)).toEqual(Array.from(encoded.keys(), String));
});

test('a large value does not leave a large pool behind', () => {
  encodeValue(new Uint8Array(2 ** 23));
  expect(packBorrowed('next').buffer.byteLength).toBeLessThan(2 ** 20);
});

class Point {
  readonly x = 1;
}
const cycle: unknown[] = [];
cycle.push(cycle, cycle);
const deep = Array.from({ length: 70 }).reduce((inner) => [inner], 1 as unknown);
const prototypeField = JSON.parse('{"__proto__": {"admin": true}}');

test.each([
  ['a function', { run: () => {} }, 'value.run: a function'],
  ['a symbol', [Symbol('x')], 'value[0]: a symbol'],
  ['a big integer', { n: [1n] }, 'value.n[0]: a bigint'],
  ['a date', new Date(0), 'value: an instance of Date'],
  ['a map', { m: new Map() }, 'value.m: an instance of Map'],
  ['a set', new Set([1]), 'value: an instance of Set'],
  ['a regular expression', /x/, 'value: an instance of RegExp'],
  ['an error', new Error('x'), 'value: an instance of Error'],
  ['a class instance', [[new Point()]], 'value[0][0]: an instance of Point'],
  ['another typed array', new Float64Array(1), 'value: an instance of Float64Array'],
  ['a buffer without a view', new ArrayBuffer(1), 'value: an instance of ArrayBuffer'],
  ['a cycle', cycle, 'nesting deeper than'],
  ['a value nested too deep', deep, 'nesting deeper than'],
  ['a field named __proto__', prototypeField, 'value: a field named __proto__'],
  ['half a surrogate pair', ['\ud800'], 'value[0]: a string with half'],
  ['half a pair as a key', { '\udc00': 1 }, 'a string with half'],
  ['a long text behind a byte order mark', `\ufeff${'x'.repeat(99)}`, 'byte order mark'],
])('%s is refused where it is encoded', (_, value, message) => {
  expect(() => encodeValue(value)).toThrowError(valueInvalid);
  expect(() => encodeValue(value)).toThrowError(message);
});

const nested = (depth: number): Uint8Array => new Uint8Array([...new Array(depth).fill(0x91), 0xc0]);

test.each<[string, Uint8Array | number[]]>([
  ['nothing at all', []],
  ['a list that claims 2^32 items in five bytes', [0xdd, 0xff, 0xff, 0xff, 0xff]],
  ['lists that claim more than there is, nested', [0xdd, 0, 0, 1, 0, 0xdd, 0, 0, 1, 0, 0xc0]],
  ['a map that claims 2^32 entries', [0xdf, 0xff, 0xff, 0xff, 0xff]],
  ['text cut short', [0xa5, 0x61]],
  ['bytes cut short', [0xc6, 0, 0, 1, 0, 1]],
  ['a length cut short', [0xdb, 0, 0]],
  ['a number cut short', [0xcb, 0, 0]],
  ['two values', [0xc0, 0xc0]],
  ['five thousand nested lists', nested(5_001)],
  ['one more nested list than allowed', nested(65)],
  ['the unused type', [0xc1]],
  ['an unsigned 64-bit integer', [0xcf, 0, 0, 0, 0, 0, 0, 0, 1]],
  ['a signed 64-bit integer', [0xd3, 0, 0, 0, 0, 0, 0, 0, 1]],
  ['a regular expression', [0xd4, 0x78, 0, 0x92, 0xa1, 0x61, 0xa0]],
  [
    'an error that says it is a constructor',
    [0xd4, 0x65, 0, 0x92, 0xab, ...Buffer.from('constructor'), 0xa0],
  ],
  ['a set', [0xd4, 0x73, 0, 0x90]],
  ['a record definition', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01]],
  ['bundled strings', [0xd6, 0x62, 0, 0, 0, 0, 0xc0]],
  ['a date', [0xd6, 0xff, 0, 0, 0, 0]],
  ['a typed array', [0xc7, 2, 0x74, 1, 9]],
  ['an extension in 16 bits', [0xc8, 0, 1, 0x74, 9]],
  ['a map key that is a number', [0x81, 0x01, 0x01]],
  ['a map key that is a list', [0x81, 0x90, 0x01]],
  ['a map key __proto__', [0x81, 0xa9, ...Buffer.from('__proto__'), 0x80]],
  ['a map key __proto__, written long', [0x81, 0xda, 0, 9, ...Buffer.from('__proto__'), 0x80]],
])('%s is refused before anything is built from it', (_, bytes) => {
  expect(() => decodeValue(new Uint8Array(bytes))).toThrowError(frameInvalid);
});

test('values are counted against the limit', () => {
  const bytes = encodeValue([1, 2, { a: [3] }]);
  expect(scan(bytes, { depthMax: 64, elementsMax: 7 })).toBe(7);
  expect(() => scan(bytes, { depthMax: 64, elementsMax: 6 })).toThrowError(frameInvalid);
});

test('the scan agrees with msgpackr about where a value ends', () => {
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  fc.assert(
    fc.property(plainValue, fc.nat(), (value, cut) => {
      const bytes = new Uint8Array(packr.pack(value));
      expect(() => scan(bytes, { depthMax: 64, elementsMax: 1_000_000 })).not.toThrow();
      const short = bytes.subarray(0, cut % bytes.length);
      expect(() => scan(short, { depthMax: 64, elementsMax: 1_000_000 })).toThrowError(frameInvalid);
    }),
    { numRuns: 300 },
  );
});

test('bytes changed at random give a plain value or a typed error, quickly and without hoarding', () => {
  const random = seededRandom(20);
  const corpus = [
    encodeValue([0, 'replica', 'client', 7, [3, [new Uint8Array(16), 'x'], { add: 1 }]]),
    encodeValue({ deep: [[[{ list: Array.from({ length: 40 }, (_, at) => at) }]]], text: 'ä'.repeat(80) }),
    encodeValue(Array.from({ length: 30 }, (_, at) => ({ key: `k${at}`, value: at / 3, none: undefined }))),
  ];
  const before = process.memoryUsage().rss;
  let refused = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = new Uint8Array(corpus[round % corpus.length] as Uint8Array);
    for (let change = random.below(4); change >= 0; change--)
      bytes[random.below(bytes.length)] = random.below(256);
    try {
      expectPlain(decodeValue(bytes));
    } catch (error) {
      if (!hasCode(error, 'ERR_FRAME_INVALID')) throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(1_000);
  expect(refused).toBeLessThan(20_000);
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
});

function expectPlain(value: unknown): void {
  if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol') {
    throw new Error(`a ${typeof value} came out`);
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== Array.prototype) throw new Error('no plain object');
  for (const item of Object.values(value)) expectPlain(item);
}

test.each([
  ['a text as it is', 'plain \u{1f600}', 'plain \u{1f600}'],
  ['half a character', 'a\ud83d', 'a\ufffd'],
  ['a character that the cut goes through', 'xxxxxxxxx\u{1f600}', 'xxxxxxxxx\ufffd'],
  ['more than is wanted', 'x'.repeat(20), 'x'.repeat(10)],
])('a text of unknown origin is made one that can be encoded: %s', (_, text, encodable) => {
  expect(encodableText(text, 10)).toBe(encodable);
  expect(decodeValue(encodeValue(encodable))).toBe(encodable);
});

test('a long text of unknown origin loses the mark of byte order in front', () => {
  const text = encodableText(`\ufeff\ufeff${'x'.repeat(100)}`);
  expect(decodeValue(encodeValue(text))).toBe('x'.repeat(100));
});
