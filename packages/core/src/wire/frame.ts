/**
 * Frames: a header, checked before anything else is believed, and a body of envelopes.
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 2 | magic, `Qr` |
 * | 2 | 1 | version, 1 |
 * | 3 | 1 | type, 1: envelopes |
 * | 4 | 4 | CRC-32 of everything after this field |
 * | 8 | 4 | length of the body in bytes |
 * | 12 | 4 | envelopes in the body |
 * | 16 | | the body: one MessagePack array of envelopes |
 *
 * Numbers are big-endian. Each envelope is packed when it is sent, so that what its sender does to the
 * message afterwards changes nothing; put one after the other behind an array head, they are one array.
 */
import { crc32 } from 'node:zlib';
import { CodedError } from '../coded-error.ts';
import { invariant } from '../invariant.ts';
import { decodeValue } from './codec.ts';
import { type Envelope, readEnvelopes } from './envelope.ts';
import { depthMax } from './scan.ts';

const magic = 0x5172;
const version = 1;
const typeEnvelopes = 1;
export const headerBytes = 16;
const arrayHeadBytes = 5;

/** A frame's body is closed before it grows beyond this; one larger message goes alone. */
export const frameBytesSoftMax = 4 * 2 ** 20;
/** No single message may be larger, encoded. Large states travel in slices. */
export const messageBytesMax = 64 * 2 ** 20;
/** No frame can be larger: what claims to be is refused unread. */
export const frameBytesMax = headerBytes + arrayHeadBytes + messageBytesMax + frameBytesSoftMax;
/** Values in one frame: bounds the memory that decoding can take, at some tens of bytes a value. */
const frameElementsMax = 2 ** 22 + 1;
/** Values in one message, its envelope included: what is sent is always understood. */
export const messageElementsMax = frameElementsMax - 1;

/** One frame of `envelopes`, packed ones, in an owned and exactly sized buffer. */
export function encodeFrame(envelopes: readonly Uint8Array[], envelopeBytes: number): Uint8Array {
  const bodyBytes = arrayHeadBytes + envelopeBytes;
  const frame = new Uint8Array(headerBytes + bodyBytes);
  const view = new DataView(frame.buffer);
  view.setUint16(0, magic);
  frame[2] = version;
  frame[3] = typeEnvelopes;
  view.setUint32(8, bodyBytes);
  view.setUint32(12, envelopes.length);
  frame[headerBytes] = 0xdd;
  view.setUint32(headerBytes + 1, envelopes.length);
  let at = headerBytes + arrayHeadBytes;
  for (const envelope of envelopes) {
    frame.set(envelope, at);
    at += envelope.length;
  }
  invariant(at === frame.length, 'a frame is exactly as long as its envelopes');
  view.setUint32(4, crc32(frame.subarray(8)));
  return frame;
}

/**
 * The envelopes of `frame`; bytes inside their bodies are views of it.
 * @throws CodedError `ERR_FRAME_INVALID`
 */
export function decodeFrame(frame: Uint8Array): readonly Envelope[] {
  if (!(frame instanceof Uint8Array)) throw invalid('not bytes');
  if (frame.length < headerBytes) throw invalid(`${frame.length} bytes, shorter than a header`);
  if (frame.length > frameBytesMax) throw invalid(`${frame.length} bytes, longer than ${frameBytesMax}`);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint16(0) !== magic) throw invalid('wrong magic');
  if (frame[2] !== version) throw invalid(`version ${frame[2]}, not ${version}`);
  if (frame[3] !== typeEnvelopes) throw invalid(`type ${frame[3]}, not ${typeEnvelopes}`);
  const bodyBytes = view.getUint32(8);
  if (bodyBytes !== frame.length - headerBytes)
    throw invalid('length in the header is not that of the frame');
  if (view.getUint32(4) !== crc32(frame.subarray(8))) throw invalid('checksum does not match');
  const body = decodeValue(frame.subarray(headerBytes), { depthMax, elementsMax: frameElementsMax });
  return readEnvelopes(body, view.getUint32(12));
}

function invalid(what: string): CodedError {
  return new CodedError('ERR_FRAME_INVALID', `frame: ${what}`, { what });
}
