/**
 * Invariants: what must hold if our own code is right, checked in production too.
 *
 * An invariant is for our bugs, a coded error is for the world. Whoever catches a broken invariant
 * stops: the state behind it can no longer be trusted.
 */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Throws an {@link InvariantError} unless `condition` holds. The message states what should have been true. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
