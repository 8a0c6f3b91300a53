/** Outcomes: what became of each command of a batch, or each query, in the bytes that travel to the client. */
import { decodeValue, encodableText, encodeValue, messageOf } from '@quorate/core';

/** Values and, for items that threw, `[at, message]` pairs. */
export type Outcomes = readonly [
  values: readonly unknown[],
  failures: readonly (readonly [number, string])[] | null,
];

/** Runs each item by itself: what one throws is its outcome, and the next goes on. */
export function runAll(items: readonly unknown[], run: (item: unknown) => unknown): Outcomes {
  const values = new Array<unknown>(items.length);
  let failures: [number, string][] | null = null;
  for (let at = 0; at < items.length; at++) {
    try {
      const value = run(items[at]);
      refusePromise(value);
      values[at] = value === undefined ? null : value;
    } catch (error) {
      values[at] = null;
      failures ??= [];
      failures.push([at, shortMessageOf(error)]);
    }
  }
  return [values, failures];
}

/**
 * A value that what is run next cannot change any more: a machine may return an object that it keeps, and each
 * command is answered by what its own application gave.
 */
export function asItIs(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  try {
    return decodeValue(encodeValue(value));
  } catch {
    // What cannot be encoded becomes a failure in any case, whatever happens to it.
    return value;
  }
}

/** Encoded outcomes of one batch, at most: they must fit one message on their way to the client. */
const outcomesBytesMax = 32 * 2 ** 20;

/**
 * A value that MessagePack cannot carry is a failure like any other.
 * @returns undefined when the outcomes are too large for one message
 */
export function encodeOutcomes(outcomes: Outcomes): Uint8Array | undefined {
  return encodeBounded(outcomes) ?? encodeBounded(withoutUnencodable(outcomes));
}

function encodeBounded(outcomes: Outcomes): Uint8Array | undefined {
  try {
    const encoded = encodeValue(outcomes);
    return encoded.byteLength <= outcomesBytesMax ? encoded : undefined;
  } catch {
    return undefined;
  }
}

function withoutUnencodable([values, failures]: Outcomes): Outcomes {
  const allFailures = [...(failures ?? [])];
  const kept = values.map((value, at) => {
    try {
      encodeValue(value);
      return value;
    } catch (error) {
      allFailures.push([at, `the result is no MessagePack value: ${shortMessageOf(error)}`]);
      return null;
    }
  });
  return [kept, allFailures];
}

/** All were carried out, and none of the results can be told: in place of the values stands how many there were. */
export function tooLarge(count: number): Uint8Array {
  return encodeValue([count, null]);
}

/** What is told of a throw: enough to find it, bounded. */
function shortMessageOf(error: unknown): string {
  return encodableText(messageOf(error), 1_000);
}

/** A promise is no result: by the time it resolves, other commands have been applied. */
function refusePromise(value: unknown): void {
  if (!(value instanceof Promise)) return;
  // Nobody will wait for it; rejected and unhandled it would end the thread.
  value.catch(() => undefined);
  throw new TypeError('apply and query must return their result, not a promise: they cannot be async');
}
