/** The epoch that a group begins with. */
import type { NodeId } from '@quorate/core';
import type { LogIndex } from '../../src/protocol.ts';
import type { Epoch } from '../../src/replica/epoch.ts';

export const firstEpoch: Epoch = {
  number: 1,
  algorithm: 'raft',
  acceptQuorum: undefined,
  members: ['a', 'b', 'c'] as NodeId[],
  disks: new Map(),
  base: 0 as LogIndex,
  appointed: undefined,
};
