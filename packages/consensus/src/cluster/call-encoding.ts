/** What calls become on their way out: bytes, if MessagePack can carry them and they fit one message. */
import { CodedError, encodeValue, messageOf } from '@quorate/core';
import { fail, type WaitingCall } from './waiting-call.ts';

/** Rejects a call whose input MessagePack cannot carry. @returns whether it can */
export function isEncodable(call: WaitingCall): boolean {
  try {
    encodeValue(call.input ?? null);
    return true;
  } catch (error) {
    fail(
      call,
      new CodedError('ERR_OPTION_INVALID', `no MessagePack value: ${messageOf(error)}`, {}, { cause: error }),
    );
    return false;
  }
}

/** Encoded size of one command or query, at most: it must fit one message with room for what surrounds it. */
export const callBytesMax = 16 * 2 ** 20;

export function refuseSize(call: WaitingCall): void {
  const allowed = `at most ${callBytesMax} bytes encoded`;
  fail(
    call,
    new CodedError('ERR_OPTION_INVALID', `the command or query is too large; allowed: ${allowed}`, {
      allowed,
    }),
  );
}

/** Undefined when it is too much for one message. */
export function encodeTogether(calls: readonly WaitingCall[]): Uint8Array | undefined {
  try {
    return encodeValue(calls.map((call) => call.input ?? null));
  } catch {
    return undefined;
  }
}
