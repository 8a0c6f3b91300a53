/**
 * Addresses: where an actor lives, written `node/name`.
 *
 * Both halves are plain names, so that an address can stand in a file name, a log line or a command line
 * without quoting, and so that nothing sent by a peer can be mistaken for a path.
 */
import type { NodeId } from './brand.ts';
import { optionInvalid } from './coded-error.ts';

/** `node/name`. */
export type Address = string;

/** Longest name of a node or an actor, in characters. */
export const nameLengthMax = 128;

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._:@~+-]*$/;

/** Stands where a message has no actor behind it: sent by the app's own code. Nobody can be spawned under it. */
export const nobody = '-';

/** Whether `name` may name a node or an actor. */
export function isName(name: unknown): name is string {
  return typeof name === 'string' && name.length <= nameLengthMax && namePattern.test(name);
}

/** @throws CodedError `ERR_OPTION_INVALID`, naming `option`, unless `name` may name a node or an actor. */
export function checkName(option: string, name: unknown): string {
  if (isName(name)) return name;
  const allowed = `1 to ${nameLengthMax} letters, digits and . _ : @ ~ + -, starting with a letter or digit`;
  throw optionInvalid(option, name, allowed);
}

/** The address of the actor `name` on `node`. Checks nothing: see {@link checkName}. */
export function addressOf(node: NodeId, name: string): Address {
  return `${node}/${name}`;
}

/** @throws CodedError `ERR_OPTION_INVALID` unless `address` is `node/name` with two plain names. */
export function parseAddress(address: string): { readonly node: NodeId; readonly name: string } {
  const slash = typeof address === 'string' ? address.indexOf('/') : -1;
  if (slash < 0) throw optionInvalid('address', address, "'node/name'");
  const node = checkName('address, its node', address.slice(0, slash)) as NodeId;
  const name = address.slice(slash + 1);
  return { node, name: name === nobody ? nobody : checkName('address, its name', name) };
}
