/** What a node begins with when its folder is blank: a voice only where there is nothing that it could have missed. */
import type { NodeId } from '@quorate/core';
import { expect, test } from 'vitest';
import type { ClusterIdentity } from '../../src/cluster/cluster-directory.ts';
import { nodeArgument } from '../../src/cluster/node-argument.ts';
import { defaultTuning } from '../../src/index.ts';

const [a, b, c] = ['a', 'b', 'c'] as [NodeId, NodeId, NodeId];
const first: ClusterIdentity = {
  clusterId: 'one',
  epoch: 1,
  algorithm: 'raft',
  groups: 2,
  members: [a, b, c],
  joining: [],
};

test.each<[string, Partial<ClusterIdentity>, boolean]>([
  ['a founding member at the first start', {}, true],
  ['a founding member whose disk hung until now', { disks: { a: 'one', b: 'two' } }, true],
  ['a member that is known by its disk', { epoch: 3, disks: { c: 'three' } }, true],
  ['a member of a later epoch that was never open', { epoch: 2, disks: { a: 'one', b: 'two' } }, false],
  ['a node that joins', { members: [a, b], joining: [c] }, false],
  ['a member that is being replaced', { epoch: 2, joining: [c], disks: { c: 'new' } }, false],
])('%s: has a voice if it is blank: %s', (_, news, hasVoice) => {
  const identity = { ...first, ...news };
  const stateMachine = new URL('file:///machine.mjs');
  const options = { stateMachine, storage: { directory: '/data' }, tuning: defaultTuning };
  const located = new Map([[1, { number: 7, algorithm: 'raft', acceptQuorum: undefined, members: [a, b] }]]);
  const argument = nodeArgument(c, identity, options, located);
  expect(argument.joins).toEqual(hasVoice ? undefined : located);
  expect(argument).toMatchObject({
    directory: '/data/c',
    diskId: identity.disks?.['c'],
    epoch: { number: 1 },
  });
});
