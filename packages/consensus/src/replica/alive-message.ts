/**
 * What a node says of itself as a whole to the other nodes: that it lives, which life that is, and in which groups
 * nothing is to be expected of it.
 */
import { integer, list, tuple } from '@quorate/core';

export interface AliveMessage {
  /** Another number in each life of the node: whatever an earlier life led, this one does not. */
  readonly life: number;
  /** Groups whose replica has stopped for good, ascending. */
  readonly failedGroups: readonly number[];
}

const kind = 32;
/** As many groups as a node may have. */
export const groupsMax = 4_096;

const schema = tuple(integer(kind, kind), integer(), list(integer(0, groupsMax - 1), groupsMax));

export function encodeAlive({ life, failedGroups }: AliveMessage): unknown[] {
  return [kind, life, failedGroups];
}

/** @throws CodedError ERR_FRAME_INVALID */
export function decodeAlive(wire: unknown): AliveMessage {
  const [, life, failedGroups] = schema(wire, 'message');
  return { life, failedGroups };
}
