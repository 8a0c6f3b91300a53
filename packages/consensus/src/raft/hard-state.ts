/**
 * The hard state: term and vote, which a server never forgets. [Raft fig. 2, persistent state]
 *
 * Bytes: version (1), term (8, unsigned, big-endian), then the name voted for in UTF-8; no name, no vote.
 */
import { CodedError, type NodeId } from '@quorate/core';
import type { Term } from './log.ts';

export interface HardState {
  readonly currentTerm: Term;
  readonly votedFor: NodeId | undefined;
}

const version = 1;
const headerBytes = 9;

export function encodeHardState({ currentTerm, votedFor }: HardState): Uint8Array {
  const name = new TextEncoder().encode(votedFor ?? '');
  const bytes = new Uint8Array(headerBytes + name.byteLength);
  bytes[0] = version;
  new DataView(bytes.buffer).setBigUint64(1, BigInt(currentTerm));
  bytes.set(name, headerBytes);
  return bytes;
}

/** @throws CodedError `ERR_LOG_CORRUPT` when the bytes are not a hard state of Raft */
export function decodeHardState(bytes: Uint8Array): HardState {
  if (bytes.byteLength < headerBytes || bytes[0] !== version) throw corrupt('has an unknown form');
  const term = Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(1));
  if (!Number.isSafeInteger(term)) throw corrupt('names a term out of range');
  const name = readUtf8(bytes.subarray(headerBytes));
  if (name !== '' && term === 0) throw corrupt('holds a vote without a term');
  return { currentTerm: term as Term, votedFor: name === '' ? undefined : (name as NodeId) };
}

function readUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw corrupt('names no one', { cause });
  }
}

function corrupt(what: string, options?: ErrorOptions): CodedError {
  return new CodedError('ERR_LOG_CORRUPT', `the hard state ${what}`, {}, options);
}
