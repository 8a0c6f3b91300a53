/** The rules of an epoch, one by one: when it ends, who votes in the next, who leads it first, what holds beyond it. */
import type { NodeId } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LogIndex, ProtocolStatus, Role } from '../../src/protocol.ts';
import {
  appointLeader,
  decodeNextEpoch,
  type Epoch,
  encodeNextEpoch,
  endsEpoch,
  epochAfter,
  hasToSpeakFirst,
  isEstablished,
  isLastOfEpoch,
  isMeantFor,
  mayServeRead,
  type NextEpoch,
  type Standing,
  standingIn,
} from '../../src/replica/epoch.ts';
import { firstEpoch } from './first-epoch.ts';

const node = (name: string): NodeId => name as NodeId;
const at = (index: number): LogIndex => index as LogIndex;
const second: Epoch = { ...firstEpoch, number: 2, base: at(7), appointed: node('a') };

describe('a STOP', () => {
  test.each([
    [1, false],
    [2, false],
    [3, true],
    [4, false],
  ])('that names epoch %i ends the second: %s', (number, ends) => {
    const { base: _, ...next } = second;
    expect(endsEpoch(second, { ...next, number })).toBe(ends);
  });

  test('makes the epoch that it names, from where it stands', () => {
    const next: NextEpoch = { ...firstEpoch, number: 2, algorithm: 'multi-paxos', appointed: node('b') };
    expect(epochAfter(firstEpoch, next, at(9))).toEqual({ ...next, base: 9 });
  });

  test('that does not follow makes nothing', () => {
    const { base: _, ...next } = second;
    expect(() => epochAfter(second, next, at(9))).toThrow('epoch 2 does not follow 2');
  });

  test('is the last entry of its epoch, and no other is', () => {
    const others = ['batch', 'batch-refused', 'opened', 'nothing'];
    expect(['sealed', ...others].filter((type) => isLastOfEpoch({ type }))).toEqual(['sealed']);
  });
});

test.each([
  [1, false],
  [2, true],
  [3, false],
])('an order meant for epoch %i is carried out in the second: %s', (fromEpoch, is) => {
  expect(isMeantFor(second, { fromEpoch })).toBe(is);
});

describe('who votes', () => {
  const disks = new Map([[node('b'), 'one']]);
  test.each<[string, string, string, Standing, Standing]>([
    ['a member on the disk that the epoch names', 'b', 'one', 'voter', 'voter'],
    ['a learner on the disk that the epoch names', 'b', 'one', 'learner', 'voter'],
    ['a member on another disk', 'b', 'two', 'voter', 'learner'],
    ['a learner on another disk', 'b', 'two', 'learner', 'learner'],
    ['a member whose disk nobody knows, and who has voted', 'a', 'any', 'voter', 'voter'],
    ['a member whose disk nobody knows, and who has only learned', 'a', 'any', 'learner', 'learner'],
    ['a stranger who has voted', 'd', 'any', 'voter', 'learner'],
    ['a stranger who has learned', 'd', 'any', 'learner', 'learner'],
  ])('%s', (_, name, diskId, before, standing) => {
    expect(standingIn({ ...second, disks }, { node: node(name), diskId, before })).toBe(standing);
  });

  test('never two disks under one name, whoever voted before', () => {
    const disk = fc.constantFrom('one', 'two', 'three');
    const known = fc.option(disk, { nil: undefined });
    fc.assert(
      fc.property(known, disk, disk, (named, diskId, otherId) => {
        fc.pre(diskId !== otherId);
        const epoch = { ...second, disks: new Map(named === undefined ? [] : [[node('b'), named]]) };
        // The one was a voter of the epoch before; the other came blank, as a learner.
        const one = standingIn(epoch, { node: node('b'), diskId, before: 'voter' });
        const other = standingIn(epoch, { node: node('b'), diskId: otherId, before: 'learner' });
        expect([one, other]).not.toEqual(['voter', 'voter']);
      }),
    );
  });
});

test.each([
  [5, true],
  [6, true],
  [7, false],
  [8, false],
])('a read confirmed for index %i may be served beyond a STOP at 7: %s', (index, may) => {
  expect(mayServeRead({ index: at(index) }, second)).toBe(may);
});

test.each([
  [6, false],
  [7, false],
  [8, true],
])('an epoch after 7 that has committed %i is established: %s', (commitIndex, is) => {
  expect(isEstablished(second, at(commitIndex))).toBe(is);
});

test.each<[string, Epoch, Role, number, boolean]>([
  ['its leader, when nothing stands in it', second, 'leader', 7, true],
  ['its leader, when something does', second, 'leader', 8, false],
  ['a follower', second, 'follower', 7, false],
  ['the leader of the first epoch, which has none before it', firstEpoch, 'leader', 0, false],
])('who has to speak first: %s', (_, epoch, role, lastIndex, has) => {
  const status = { role, lastIndex: at(lastIndex) } as ProtocolStatus;
  expect(hasToSpeakFirst(epoch, status)).toBe(has);
});

describe('who leads first', () => {
  const members = ['b', 'c', 'd'].map(node);
  test.each<[string, string, string[], string]>([
    ['the present leader, if it stays', 'c', ['a', 'b', 'c'], 'c'],
    ['else a member of the epoch before', 'a', ['a', 'c'], 'c'],
    ['else any', 'a', ['a'], 'b'],
  ])('%s', (_, leader, former, appointed) => {
    expect(appointLeader(members, { leader: node(leader), formerMembers: former.map(node) })).toBe(appointed);
  });

  test('always a member', () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e').map(node), { minLength: 1 });
    fc.assert(
      fc.property(names, names, fc.constantFrom('a', 'b', 'c').map(node), (next, formerMembers, leader) => {
        expect(next).toContain(appointLeader(next, { leader, formerMembers }));
      }),
    );
  });
});

describe('what a STOP says', () => {
  test('comes back as it was said', () => {
    const name = fc.string({ minLength: 1, maxLength: 128 }).map(node);
    const next = fc.record<NextEpoch>({
      number: fc.integer({ min: 1, max: 2 ** 50 }),
      algorithm: fc.string({ maxLength: 300 }),
      acceptQuorum: fc.option(fc.integer({ min: 1, max: 31 }), { nil: undefined }),
      members: fc.uniqueArray(name, { maxLength: 31 }),
      disks: fc
        .array(fc.tuple(name, fc.string({ maxLength: 64 })), { maxLength: 31 })
        .map((pairs) => new Map(pairs)),
      appointed: fc.option(name, { nil: undefined }),
    });
    fc.assert(
      fc.property(next, (said) => {
        expect(decodeNextEpoch(encodeNextEpoch(said), 'x')).toEqual(said);
      }),
    );
  });

  test.each<[string, readonly unknown[]]>([
    ['no number', [0, 'raft', null, [], [], null]],
    ['a quorum of nobody', [2, 'raft', 0, [], [], null]],
    ['a name that is too long', [2, 'raft', null, ['a'.repeat(129)], [], null]],
    ['too little', [2, 'raft']],
  ])('is refused with %s', (_, wire) => {
    expect(() => decodeNextEpoch(wire, 'x')).toThrow(expect.objectContaining({ code: 'ERR_FRAME_INVALID' }));
  });
});
