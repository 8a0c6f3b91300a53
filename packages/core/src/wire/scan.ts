/**
 * The scan: one walk over encoded bytes that proves them harmless before anything is built from them.
 *
 * MessagePack decoders believe what they read: five bytes may claim a hundred million elements, a few
 * thousand may nest until the stack ends, and the extension types of ours would compile records and make
 * regular expressions. The scan touches each value's head once, allocates nothing, and lets through only
 * what {@link encodeValue} makes: nil, booleans, numbers up to 64-bit floats, strings, bytes, arrays and
 * maps with string keys. Doing the same inside a decoder of our own was the other road; this one keeps
 * msgpackr's speed, for a few nanoseconds a value.
 */
import { CodedError } from '../coded-error.ts';

export interface ScanLimits {
  /** Arrays and maps inside each other. */
  readonly depthMax: number;
  /** Values in total, map keys included. */
  readonly elementsMax: number;
}

/** Deepest nesting that any scan follows; an encoder that stays below it is always understood. */
export const depthMax = 64;

/** How many values are still missing at each level. Scratch space: a scan never awaits or re-enters. */
const missing = new Float64Array(depthMax + 2);
/** 1 where that level is a map. */
const isMap = new Uint8Array(depthMax + 2);

/** The bytes of the one key that would name an object's prototype. */
const prototypeKey = new TextEncoder().encode('__proto__');

/**
 * Checks that `bytes` hold exactly one value, whole, inside `limits`.
 * @returns how many values it is made of
 * @throws CodedError `ERR_FRAME_INVALID`, with what is wrong and the offset
 */
export function scan(bytes: Uint8Array, limits: ScanLimits): number {
  let at = 0;
  let depth = 0;
  let elements = 0;
  missing[0] = 1;
  isMap[0] = 0;
  const end = bytes.length;
  while (true) {
    while (missing[depth] === 0) {
      if (depth === 0) {
        if (at > end) throw invalid('bytes end inside a value', end);
        if (at < end) throw invalid('bytes after the value', at);
        return elements;
      }
      depth--;
    }
    if (at >= end) throw invalid('bytes end inside a value', at);
    if (++elements > limits.elementsMax) throw invalid(`more than ${limits.elementsMax} values`, at);
    const left = missing[depth] as number;
    missing[depth] = left - 1;
    const head = bytes[at] as number;
    if (isMap[depth] === 1 && (left & 1) === 0) checkKey(bytes, at, head);
    const count = itemsOf(bytes, at, head);
    if (count < 0) {
      // Beyond the end, it is found out by what is missing or left over.
      at -= count;
      continue;
    }
    at += head < 0xa0 ? 1 : (head & 1) === 0 ? 3 : 5;
    if (count === 0) continue;
    if (++depth > limits.depthMax) throw invalid(`deeper than ${limits.depthMax}`, at);
    missing[depth] = count;
    isMap[depth] = head < 0x90 || head > 0xdd ? 1 : 0;
  }
}

/** Minus the length of a plain value in bytes, head included; or how many values a container holds. */
function itemsOf(bytes: Uint8Array, at: number, head: number): number {
  if (head < 0x80 || head >= 0xe0) return -1;
  if (head < 0x90) return (head & 0x0f) * 2;
  if (head < 0xa0) return head & 0x0f;
  if (head < 0xc0) return -(1 + (head & 0x1f));
  switch (head) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return -1;
    case 0xc4: // bytes and strings, length in 8 bits
    case 0xd9:
      return -(2 + unsigned(bytes, at + 1, 1));
    case 0xc5: // in 16 bits
    case 0xda:
      return -(3 + unsigned(bytes, at + 1, 2));
    case 0xc6: // in 32 bits
    case 0xdb:
      return -(5 + unsigned(bytes, at + 1, 4));
    case 0xcc: // whole numbers and floats
    case 0xd0:
      return -2;
    case 0xcd:
    case 0xd1:
      return -3;
    case 0xca:
    case 0xce:
    case 0xd2:
      return -5;
    case 0xcb:
      return -9;
    case 0xd4: // the one extension: `undefined`, as msgpackr writes it
      if (bytes[at + 1] === 0 && bytes[at + 2] === 0) return -3;
      throw invalid('an extension type', at);
    case 0xdc:
      return unsigned(bytes, at + 1, 2);
    case 0xdd:
      return unsigned(bytes, at + 1, 4);
    case 0xde:
      return unsigned(bytes, at + 1, 2) * 2;
    case 0xdf:
      return unsigned(bytes, at + 1, 4) * 2;
    default: // 64-bit integers, the unused 0xc1, every other extension
      throw invalid(`type 0x${head.toString(16)}`, at);
  }
}

/** Bytes beyond the end count as zero: the caller finds out by the length. */
function unsigned(bytes: Uint8Array, at: number, size: 1 | 2 | 4): number {
  let value = 0;
  for (let next = at; next < at + size; next++) value = value * 256 + (bytes[next] ?? 0);
  return value;
}

function checkKey(bytes: Uint8Array, at: number, head: number): void {
  const isShort = head >= 0xa0 && head < 0xc0;
  if (!isShort && (head < 0xd9 || head > 0xdb)) throw invalid('a map key that is not a string', at);
  const lengthBytes = isShort ? 0 : 1 << (head - 0xd9);
  const length = isShort ? head & 0x1f : unsigned(bytes, at + 1, lengthBytes as 1 | 2 | 4);
  if (length !== prototypeKey.length) return;
  const start = at + 1 + lengthBytes;
  if (prototypeKey.every((byte, offset) => bytes[start + offset] === byte)) {
    throw invalid('a map key __proto__', at);
  }
}

function invalid(what: string, at: number): CodedError {
  return new CodedError('ERR_FRAME_INVALID', `encoded value: ${what}, at byte ${at}`, { what, at });
}
