/** The safety properties over epochs: everyone begins an epoch alike, nobody goes back, and each is checked by itself. */
import type { LogIndex, Reign } from '@quorate/consensus';
import type { NodeId } from '@quorate/core';
import { expect, test } from 'vitest';
import { EpochInvariants, type EpochNodeView, type EpochView } from '../src/invariants/by-epoch.ts';

const [a, b, c, d] = ['a', 'b', 'c', 'd'] as NodeId[] as [NodeId, NodeId, NodeId, NodeId];
const first: EpochView = {
  number: 1,
  algorithm: 'raft',
  members: [a, b, c],
  acceptQuorum: undefined,
  base: 0,
  appointed: undefined,
};
const second: EpochView = {
  number: 2,
  algorithm: 'multi-paxos',
  members: [a, b, d],
  acceptQuorum: undefined,
  base: 40,
  appointed: a,
};

function viewIn(epoch: EpochView, node: NodeId, more: Partial<EpochNodeView> = {}): EpochNodeView {
  const none = 0 as LogIndex;
  return {
    node,
    life: 1,
    epoch,
    isPresent: true,
    role: 'follower',
    leader: undefined,
    reign: 1 as Reign,
    promisedReign: 1 as Reign,
    votedFor: undefined,
    commitIndex: none,
    lastIndex: none,
    snapshotIndex: none,
    appliedIndex: 0,
    entriesAbove: () => [],
    ...more,
  };
}

test('all that enter an epoch began it alike, and reigns of two epochs are not compared', () => {
  const epochs = new EpochInvariants();
  const leads = { role: 'leader', votedFor: a } as const;
  expect(epochs.check([viewIn(first, a, leads), viewIn(first, b, { votedFor: a })])).toBeUndefined();
  expect(epochs.check([viewIn(second, b), viewIn({ ...second }, d)])).toBeUndefined();
  expect(epochs.count).toBe(2);
});

test.each<[string, Partial<EpochView>]>([
  ['algorithm', { algorithm: 'raft' }],
  ['members', { members: [a, b, c] }],
  ['base', { base: 41 }],
  ['appointed leader', { appointed: b }],
])('whoever takes an epoch for one with another %s is noticed, however late', (_, otherwise) => {
  const epochs = new EpochInvariants();
  expect(epochs.check([viewIn(second, a), viewIn(second, d)])).toBeUndefined();
  const odd = viewIn({ ...second, ...otherwise }, d);
  expect(epochs.knows(odd)).toBe(false);
  expect(epochs.check([odd])).toContain('d takes epoch 2 for ');
});

test('a node that was in an epoch is in no earlier one again, not even in another life', () => {
  const epochs = new EpochInvariants();
  expect(epochs.check([viewIn(first, a)])).toBeUndefined();
  expect(epochs.check([viewIn(second, a)])).toBeUndefined();
  const back = viewIn(first, a, { life: 2 });
  expect(epochs.knows(back)).toBe(false);
  expect(epochs.check([back])).toBe('a went from epoch 2 back to 1');
});

test('an epoch that a node has left and still serves goes on being checked', () => {
  const epochs = new EpochInvariants();
  expect(epochs.check([viewIn(first, a), viewIn(first, b)])).toBeUndefined();
  expect(epochs.check([viewIn(second, a)])).toBeUndefined();
  const served = viewIn(first, a, { isPresent: false });
  expect(epochs.knows(served)).toBe(true);
  const forgetful = { ...served, promisedReign: 0 as Reign };
  expect(epochs.knows(forgetful)).toBe(false);
  expect(epochs.check([forgetful])).toBe('epoch 1: monotonic: a: promisedReign went from 1 back to 0');
});

test('a node is known as it was seen last, until it was seen in another epoch', () => {
  const epochs = new EpochInvariants();
  expect(epochs.knows(viewIn(first, a))).toBe(false);
  expect(epochs.check([viewIn(first, a)])).toBeUndefined();
  expect(epochs.knows(viewIn(first, a))).toBe(true);
  expect(epochs.knows(viewIn(first, b))).toBe(false);
  expect(epochs.check([viewIn(second, a)])).toBeUndefined();
  expect(epochs.knows(viewIn(first, a))).toBe(false);
});
