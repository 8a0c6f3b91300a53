/**
 * Envelopes: what nodes say to each other about actors, as positional arrays.
 *
 * `[kind, to, from, ask, body]`. `to` and `from` are names on the receiving and the sending node: the
 * link says which nodes these are, so nobody can write in another node's name. `ask` is a number that
 * the asking node chose, 0 for none.
 */
import { schemaViolation } from './schema.ts';

export const kinds = {
  tell: 0,
  ask: 1,
  /** The answer to `ask`. */
  answer: 2,
  /** `ask` failed; the body is an error as data. */
  refusal: 3,
  /** `from` wants to know when `to` ends. */
  watch: 4,
  unwatch: 5,
  /** `from`, which `to` watches, has ended; the body says why. */
  terminated: 6,
  /** `from` refused a tell of `to`: its mailbox is full. */
  overloaded: 7,
} as const;

/** One message between two nodes, as it stands in a frame. */
export type Envelope = readonly [kind: number, to: string, from: string, ask: number, body: unknown];

const kindMax = Math.max(...Object.values(kinds));

/** Room for a name, with some to spare for names that a later version may allow. */
const nameUnitsMax = 256;

/**
 * Reads a decoded frame body. Written out by hand instead of with `tuple()`: it runs for every message,
 * and must not copy what it reads.
 * @throws CodedError `ERR_FRAME_INVALID`
 */
export function readEnvelopes(value: unknown, count: number): readonly Envelope[] {
  if (!Array.isArray(value) || value.length !== count) {
    throw schemaViolation('frame', `an array of ${count} envelopes`, value);
  }
  for (let at = 0; at < count; at++) {
    const envelope: unknown = value[at];
    if (!Array.isArray(envelope) || envelope.length !== 5) {
      throw schemaViolation(`frame[${at}]`, 'an envelope of 5 fields', envelope);
    }
    const [kind, to, from, ask] = envelope as unknown[];
    if (!Number.isInteger(kind) || (kind as number) < 0 || (kind as number) > kindMax) {
      throw schemaViolation(`frame[${at}].kind`, `a whole number in 0..${kindMax}`, kind);
    }
    if (typeof to !== 'string' || to.length > nameUnitsMax) {
      throw schemaViolation(`frame[${at}].to`, 'a name', to);
    }
    if (typeof from !== 'string' || from.length > nameUnitsMax) {
      throw schemaViolation(`frame[${at}].from`, 'a name', from);
    }
    if (!Number.isSafeInteger(ask) || (ask as number) < 0) {
      throw schemaViolation(`frame[${at}].ask`, 'a whole number', ask);
    }
  }
  return value as Envelope[];
}
