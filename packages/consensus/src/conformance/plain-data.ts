/** What may cross a link: a message must not share state with its sender, nor hold what MessagePack cannot. */
import { invariant } from '@quorate/core';

/** Copies arrays of numbers, texts, flags, null and bytes, and refuses the rest. */
export function copyOfPlainData(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOfPlainData);
  if (
    value === null ||
    typeof value === 'number' ||
    typeof value === 'string' ||
    typeof value === 'boolean'
  ) {
    return value;
  }
  invariant(value instanceof Uint8Array, `an encoded message holds plain data, got ${typeof value}`);
  return value;
}
