/** The digest of an app's state machine: asked for, and made something that can be hashed whatever it gave. */
import { CodedError, encodableText, messageOf } from '@quorate/core';
import type { Digest, StateMachine } from '../state-machine.ts';

type Machine = Pick<StateMachine<unknown, unknown, unknown, unknown>, 'digest'>;

/** What the machine's state comes down to; null for a machine without a digest. Never throws. */
export function digestOf(machine: Machine): Digest | null {
  try {
    const digest: unknown = machine.digest?.() ?? null;
    if (typeof digest === 'string') return encodableText(digest);
    return digest === null || isDigest(digest) ? digest : `no digest: ${typeof digest}`;
  } catch (error) {
    // As with `apply`: a throw at one state is a throw at every equal one.
    return encodableText(`threw: ${messageOf(error)}`, 1_000);
  }
}

/**
 * Says at the start, and not by a digest that tells nothing, that it is none.
 * @throws CodedError ERR_MODULE_INVALID
 */
export function requireDigest(machine: Machine): void {
  if (machine.digest === undefined) return;
  let given: string;
  try {
    const digest: unknown = machine.digest();
    if (isDigest(digest)) return;
    given = digest instanceof Promise ? 'gave a promise' : `gave ${digest === null ? 'null' : typeof digest}`;
  } catch (error) {
    given = encodableText(`threw: ${messageOf(error)}`, 1_000);
  }
  throw new CodedError(
    'ERR_MODULE_INVALID',
    `digest() of the state machine must give a number, a string or a Uint8Array; it ${given}`,
    { method: 'digest' },
  );
}

function isDigest(value: unknown): value is Digest {
  return typeof value === 'number' || typeof value === 'string' || value instanceof Uint8Array;
}
