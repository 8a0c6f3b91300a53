/** The end of every switch over a union: unreachable while the compiler sees all cases handled. */
import { InvariantError } from './invariant.ts';

/** @throws InvariantError always: reached only when a value escaped its type. */
export function assertNever(value: never, what: string): never {
  throw new InvariantError(`${what}: no case for ${JSON.stringify(value)}`);
}
