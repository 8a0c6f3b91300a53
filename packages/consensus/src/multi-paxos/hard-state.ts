/**
 * The hard state: what an acceptor must not forget, as the bytes that go to its disk.
 *
 * The promised ballot binds. A proposer promises its own ballot before it sends it, so the same number
 * also makes its ballots grow over restarts. The chosen watermark is a hint that spares a restarted
 * cluster from proposing again what it had chosen: it may lag, and it never runs ahead of the values
 * that are durable here.
 */
import { CodedError } from '@quorate/core';
import type { Ballot, Slot } from './ballot.ts';

export interface HardState {
  readonly promised: Ballot;
  /** Every slot up to here is chosen, and the values held in them are the chosen ones. */
  readonly chosenUpTo: Slot;
}

const layoutVersion = 1;
const byteLength = 17;

/** Version byte, promised ballot, chosen watermark; both as big-endian unsigned 64-bit integers. */
export function encodeHardState(hardState: HardState): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, layoutVersion);
  view.setBigUint64(1, BigInt(hardState.promised));
  view.setBigUint64(9, BigInt(hardState.chosenUpTo));
  return bytes;
}

/** @throws CodedError `ERR_LOG_CORRUPT` if the bytes were not written by {@link encodeHardState} */
export function decodeHardState(bytes: Uint8Array): HardState {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength !== byteLength || view.getUint8(0) !== layoutVersion) {
    throw new CodedError('ERR_LOG_CORRUPT', `the hard state is not one of Multi-Paxos's`, {
      bytes: bytes.byteLength,
    });
  }
  return { promised: readSafe(view, 1) as Ballot, chosenUpTo: readSafe(view, 9) as Slot };
}

function readSafe(view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at));
  if (Number.isSafeInteger(value)) return value;
  throw new CodedError('ERR_LOG_CORRUPT', `the hard state holds ${value} at byte ${at}`, { value, at });
}
