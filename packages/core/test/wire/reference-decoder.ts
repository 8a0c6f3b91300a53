/**
 * MessagePack read in the plainest way, as its specification tells it: the naive twin of scan and codec.
 *
 * It knows the types that are allowed and refuses the rest, one value after the other, by recursion.
 */
import { CodedError } from '../../src/index.ts';

/** Text of more bytes loses a byte order mark at its front. */
const markKeptBytes = 64;

export function referenceDecode(bytes: Uint8Array, depthMax = 64): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;

  const take = (size: number): number => {
    if (at + size > bytes.length) throw refusal('cut short');
    at += size;
    return at - size;
  };
  const unsigned = (size: number): number => {
    const from = take(size);
    return size === 1 ? view.getUint8(from) : size === 2 ? view.getUint16(from) : view.getUint32(from);
  };
  const blob = (length: number): Uint8Array => {
    const from = take(length);
    return bytes.subarray(from, from + length);
  };
  const text = (length: number): string =>
    new TextDecoder('utf-8', { ignoreBOM: length <= markKeptBytes }).decode(blob(length));
  const list = (length: number, depth: number): unknown[] => {
    const items: unknown[] = [];
    for (let item = 0; item < length; item++) items.push(value(depth + 1));
    return items;
  };
  const map = (length: number, depth: number): unknown => {
    const fields: Record<string, unknown> = {};
    for (let field = 0; field < length; field++) {
      const key = value(depth + 1);
      if (typeof key !== 'string' || key === '__proto__') throw refusal('key');
      fields[key] = value(depth + 1);
    }
    return fields;
  };
  const value = (depth: number): unknown => {
    const head = unsigned(1);
    const isContainer = (head >= 0x80 && head < 0xa0) || (head >= 0xdc && head <= 0xdf);
    const isEmpty = head === 0x80 || head === 0x90;
    if (isContainer && !isEmpty && depth >= depthMax && lengthAhead(head) > 0) throw refusal('deep');
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head < 0x90) return map(head - 0x80, depth);
    if (head < 0xa0) return list(head - 0x90, depth);
    if (head < 0xc0) return text(head - 0xa0);
    return special(head, depth);
  };
  const lengthAhead = (head: number): number => {
    if (head < 0xa0) return head & 0x0f;
    const size = (head & 1) === 0 ? 2 : 4;
    if (at + size > bytes.length) throw refusal('cut short');
    return size === 2 ? view.getUint16(at) : view.getUint32(at);
  };
  const special = (head: number, depth: number): unknown => {
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return blob(unsigned(2 ** (head - 0xc4)));
      case 0xca:
        return view.getFloat32(take(4));
      case 0xcb:
        return view.getFloat64(take(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return unsigned(2 ** (head - 0xcc));
      case 0xd0:
        return view.getInt8(take(1));
      case 0xd1:
        return view.getInt16(take(2));
      case 0xd2:
        return view.getInt32(take(4));
      case 0xd4:
        if (unsigned(1) === 0 && unsigned(1) === 0) return undefined;
        throw refusal('extension');
      case 0xd9:
      case 0xda:
      case 0xdb:
        return text(unsigned(2 ** (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return list(unsigned(head === 0xdc ? 2 : 4), depth);
      case 0xde:
      case 0xdf:
        return map(unsigned(head === 0xde ? 2 : 4), depth);
      default:
        throw refusal(`type ${head}`);
    }
  };

  const whole = value(0);
  if (at !== bytes.length) throw refusal('bytes after the value');
  return whole;
}

function refusal(what: string): CodedError {
  return new CodedError('ERR_FRAME_INVALID', `reference: ${what}`, {});
}
