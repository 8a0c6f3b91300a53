/**
 * A batch as the limit's threads pass it on: a fixed header, then the commands, in one owned buffer.
 *
 * The client fills the buffer once; every replica writes these very bytes to its disk. The header is
 * three little-endian 32-bit words: the batch's number (1 for the first), the number up to which the
 * sender knows batches to be committed, and how many commands follow.
 */
import { Packr, Unpackr } from 'msgpackr';

export const headerBytes = 12;

/** `opaque`: replicas count the commands. `decoded`: replicas unpack them with msgpackr and apply each. */
export type LimitMode = 'opaque' | 'decoded';

export const limitModes: readonly LimitMode[] = ['opaque', 'decoded'];

/** One write to the map: what a decoded command says. An opaque one is the value's bytes alone. */
export type LimitCommand = readonly [key: string, value: string];

export interface BatchHeader {
  readonly number: number;
  readonly committed: number;
  readonly count: number;
}

// Positional arrays and no shared structures, as on Quorate's own wire: the rows compare like with like.
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });

export function readHeader(batch: Buffer): BatchHeader {
  return { number: batch.readUInt32LE(0), committed: batch.readUInt32LE(4), count: batch.readUInt32LE(8) };
}

/** A buffer that nothing else shares, so that it may be transferred to another thread. */
function ownedBuffer(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}

function writeHeader(batch: Buffer, header: BatchHeader): void {
  batch.writeUInt32LE(header.number, 0);
  batch.writeUInt32LE(header.committed, 4);
  batch.writeUInt32LE(header.count, 8);
}

/** The commands' values one after the other, each with its length in front. */
export function encodeOpaque(number: number, commands: readonly LimitCommand[]): Buffer {
  let bytes = headerBytes;
  for (const [, value] of commands) bytes += 4 + value.length;
  const batch = ownedBuffer(bytes);
  writeHeader(batch, { number, committed: 0, count: commands.length });
  let at = headerBytes;
  for (const [, value] of commands) {
    at = batch.writeUInt32LE(value.length, at);
    at += batch.write(value, at, 'latin1');
  }
  return batch;
}

/** The commands as one MessagePack array. */
export function encodeDecodable(number: number, commands: readonly LimitCommand[]): Buffer {
  return packBehindHeader({ number, committed: 0, count: commands.length }, commands);
}

export function decodeCommands(batch: Buffer): readonly LimitCommand[] {
  return unpackr.unpack(batch.subarray(headerBytes)) as readonly LimitCommand[];
}

/** The reply to a batch: its number and count, then, if there are any, the results of its commands. */
export function encodeReply(number: number, count: number, results: readonly number[] | undefined): Buffer {
  const header = { number, committed: number, count };
  if (results !== undefined) return packBehindHeader(header, results);
  const reply = ownedBuffer(headerBytes);
  writeHeader(reply, header);
  return reply;
}

/** Undefined where the reply carries no results. */
export function decodeResults(reply: Buffer): readonly number[] | undefined {
  if (reply.byteLength === headerBytes) return undefined;
  return unpackr.unpack(reply.subarray(headerBytes)) as readonly number[];
}

/** What `pack` returns is a view of a pool that all packers of the thread share: copy, never transfer it. */
function packBehindHeader(header: BatchHeader, body: unknown): Buffer {
  const packed = packr.pack(body);
  const batch = ownedBuffer(headerBytes + packed.byteLength);
  writeHeader(batch, header);
  batch.set(packed, headerBytes);
  return batch;
}
