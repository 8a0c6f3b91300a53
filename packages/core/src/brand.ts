/**
 * Brands keep integers and strings of different meaning apart: an index is not a term, a node is not a path.
 *
 * A brand exists for the compiler only; at run time the value is the plain number or string.
 */
declare const brand: unique symbol;

/** A `T` that is not to be mixed up with another: `Brand<number, 'Term'>` is no `Brand<number, 'Index'>`. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** The name of a node, unique in its system: the part of an address before the slash. */
export type NodeId = Brand<string, 'NodeId'>;
