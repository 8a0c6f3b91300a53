/**
 * What a log entry's payload says: a batch of commands of one session, the opening or the close of a session, the
 * STOP that ends an epoch, or the word that the next has begun.
 *
 * The client encodes a batch once; the leader, the log and the followers carry those bytes unread, and
 * each replica decodes them when it applies them. The fixed header stands outside MessagePack, so that
 * a leader can see whose batch it is without touching the commands.
 *
 * ```text
 * batch: | kind=1 u8 | session f64 | batch f64 | acknowledgedBelow f64 | commands: MessagePack array |
 * open:  | kind=2 u8 | MessagePack [name or null, nonce] |
 * stop:  | kind=3 u8 | MessagePack [next epoch, nonce] |
 * begun: | kind=4 u8 |
 * close: | kind=5 u8 | MessagePack [session] |
 * ```
 */
import {
  anything,
  CodedError,
  decodeValue,
  encodeValue,
  integer,
  invariant,
  optional,
  text,
  tuple,
} from '@quorate/core';
import { decodeNextEpoch, encodeNextEpoch, type NextEpoch } from './epoch.ts';

const kindBatch = 1;
const kindOpen = 2;
const kindStop = 3;
const kindBegun = 4;
const kindClose = 5;
const batchHeaderBytes = 1 + 3 * 8;

/**
 * What a leader takes into its log, at most: an entry must fit one message to a follower, with room for
 * what surrounds it, or nobody could ever replicate it.
 */
export const payloadBytesMax = 32 * 2 ** 20;

/** Names one batch for ever: it is immutable from its first sending and is retried byte for byte. */
export interface BatchHeader {
  readonly session: number;
  /** Grows by one with each batch of the session; the first is 1. */
  readonly batch: number;
  /** The client holds the outcome of every batch below this one and will not ask for it again. */
  readonly acknowledgedBelow: number;
}

export type Payload =
  | ({ readonly type: 'batch'; readonly commands: readonly unknown[] } & BatchHeader)
  | { readonly type: 'open'; readonly name: string | undefined; readonly nonce: string }
  | { readonly type: 'close'; readonly session: number }
  | { readonly type: 'stop'; readonly next: NextEpoch; readonly nonce: string }
  | { readonly type: 'begun' };

export function encodeBatch(header: BatchHeader, commands: readonly unknown[]): Uint8Array {
  const body = encodeValue(commands);
  const payload = new Uint8Array(batchHeaderBytes + body.byteLength);
  const view = new DataView(payload.buffer);
  view.setUint8(0, kindBatch);
  view.setFloat64(1, header.session);
  view.setFloat64(9, header.batch);
  view.setFloat64(17, header.acknowledgedBelow);
  payload.set(body, batchHeaderBytes);
  return payload;
}

export function encodeOpen(name: string | undefined, nonce: string): Uint8Array {
  return withKind(kindOpen, [name ?? null, nonce]);
}

/** The session of this id is used no more: whatever of it is still on its way is refused from then on. */
export function encodeClose(session: number): Uint8Array {
  return withKind(kindClose, [session]);
}

/** The command that ends the present epoch and begins `next`. */
export function encodeStop(next: NextEpoch, nonce: string): Uint8Array {
  // One that no replica can read would be chosen and end nothing, and its leader would wait for ever.
  invariant(nonce.length <= nonceLengthMax, 'a STOP can be read by those who apply it');
  return withKind(kindStop, [encodeNextEpoch(next), nonce]);
}

/** Changes nothing. That it is chosen shows that a quorum of the epoch's members serve it. */
export function encodeBegun(): Uint8Array {
  return Uint8Array.of(kindBegun);
}

function withKind(kind: number, value: unknown): Uint8Array {
  const body = encodeValue(value);
  const payload = new Uint8Array(1 + body.byteLength);
  payload[0] = kind;
  payload.set(body, 1);
  return payload;
}

function readBatchHeader(payload: Uint8Array): BatchHeader {
  if (payload.byteLength < batchHeaderBytes || payload[0] !== kindBatch)
    throw malformed('not a command batch');
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const header = {
    session: view.getFloat64(1),
    batch: view.getFloat64(9),
    acknowledgedBelow: view.getFloat64(17),
  };
  if (!isCount(header.session) || !isCount(header.batch) || !isCount(header.acknowledgedBelow)) {
    throw malformed('session, batch and acknowledgedBelow are whole numbers >= 1');
  }
  if (header.acknowledgedBelow > header.batch)
    throw malformed('a batch cannot be acknowledged before it is sent');
  return header;
}

/**
 * What a client's payload will be known by when it is applied, read without decoding commands. What ends or
 * begins an epoch is no payload of clients.
 * @throws CodedError ERR_FRAME_INVALID
 */
export function payloadIdentity(
  payload: Uint8Array,
): BatchHeader | { readonly nonce: string } | { readonly closes: number } {
  if (payload[0] === kindClose) return { closes: closeSchema(decodeValue(payload.subarray(1)), 'close')[0] };
  if (payload[0] !== kindOpen) return readBatchHeader(payload);
  const [, nonce] = openSchema(decodeValue(payload.subarray(1)), 'open');
  return { nonce };
}

/** Decodes a whole payload. @throws CodedError ERR_FRAME_INVALID */
export function decodePayload(payload: Uint8Array): Payload {
  switch (payload[0]) {
    case kindBatch: {
      const header = readBatchHeader(payload);
      const commands = decodeValue(payload.subarray(batchHeaderBytes));
      if (!Array.isArray(commands)) throw malformed('a batch carries an array of commands');
      return { type: 'batch', ...header, commands };
    }
    case kindOpen: {
      const [name, nonce] = openSchema(decodeValue(payload.subarray(1)), 'open');
      return { type: 'open', name, nonce };
    }
    case kindClose: {
      const [session] = closeSchema(decodeValue(payload.subarray(1)), 'close');
      return { type: 'close', session };
    }
    case kindStop: {
      const [next, nonce] = stopSchema(decodeValue(payload.subarray(1)), 'stop');
      return { type: 'stop', next: decodeNextEpoch(next, 'stop.next'), nonce };
    }
    case kindBegun:
      if (payload.byteLength !== 1) throw malformed('that an epoch has begun is said in one byte');
      return { type: 'begun' };
    default:
      throw malformed(`unknown kind ${payload[0]}`);
  }
}

export const sessionNameLengthMax = 256;
const nonceLengthMax = 64;
const closeSchema = tuple(integer(1));
const stopSchema = tuple(anything, text(nonceLengthMax));
const openSchema = tuple(optional(text(sessionNameLengthMax)), text(nonceLengthMax));

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

function malformed(why: string): CodedError {
  return new CodedError('ERR_FRAME_INVALID', `payload: ${why}`, {});
}
