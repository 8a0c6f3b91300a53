/** Whom a client believes to lead: the higher reign of the newer epoch, and in one reign the leader's own word. */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { LeaderView } from '../../src/cluster/leader-view.ts';
import type { LogIndex, Reign, Role } from '../../src/protocol.ts';
import type { ReplicaStatus } from '../../src/replica/message.ts';

const [a, b, c, d] = ['a', 'b', 'c', 'd'] as [NodeId, NodeId, NodeId, NodeId];

interface Word {
  readonly epoch?: number;
  readonly reign?: number;
  readonly leader?: NodeId;
  readonly role?: Role | 'failed';
  readonly members?: readonly NodeId[];
}

const status = (node: NodeId, word: Word): ReplicaStatus => ({
  node,
  role: word.role ?? (word.leader === node ? 'leader' : 'follower'),
  leader: word.leader,
  epoch: word.epoch ?? 1,
  algorithm: 'raft',
  acceptQuorum: undefined,
  members: word.members ?? [a, b, c],
  reign: (word.reign ?? 1) as Reign,
  commitIndex: 0 as LogIndex,
  appliedIndex: 0 as LogIndex,
  position: 0,
  mailboxDepth: 0,
  failure: undefined,
});

const view = (...heard: [node: NodeId, word: Word][]): LeaderView => {
  const fresh = new LeaderView([a, b, c]);
  for (const [node, word] of heard) fresh.heard(status(node, word));
  return fresh;
};

describe('who leads', () => {
  test.each<[string, [NodeId, Word][], NodeId | undefined]>([
    ['nobody, before any word came', [], undefined],
    ['whoever says so', [[a, { leader: a }]], a],
    ['whom a follower names', [[b, { leader: a }]], a],
    [
      'the leader of the higher reign',
      [
        [a, { leader: a }],
        [b, { reign: 2, leader: b }],
      ],
      b,
    ],
    [
      'not the leader of a lower reign that speaks late',
      [
        [b, { reign: 2, leader: b }],
        [a, { leader: a }],
      ],
      b,
    ],
    [
      'the leader of the newer epoch, though its reign is lower',
      [
        [a, { reign: 9, leader: a }],
        [b, { epoch: 2, reign: 1, leader: b }],
      ],
      b,
    ],
    [
      'nobody, in a higher reign that has no leader yet',
      [
        [a, { leader: a }],
        [b, { reign: 2 }],
      ],
      undefined,
    ],
    [
      'nobody, when the leader has given up',
      [
        [a, { leader: a }],
        [a, {}],
      ],
      undefined,
    ],
    [
      'whoever it was, while followers know nobody',
      [
        [a, { leader: a }],
        [b, {}],
      ],
      a,
    ],
  ])('%s', (_, heard, leader) => {
    expect(view(...heard).leader).toBe(leader);
  });

  test('it is news when the leader is another one, and only then', () => {
    const fresh = new LeaderView([a, b, c]);
    expect(fresh.heard(status(a, { leader: a }))).toBe(true);
    expect(fresh.heard(status(b, { leader: a }))).toBe(false);
    expect(fresh.heard(status(b, { leader: b, reign: 2 }))).toBe(true);
  });
});

describe('a replica that refuses', () => {
  test('is no leader, and its hint is believed', () => {
    const believing = view([a, { leader: a }]);
    believing.refusedBy(a, b);
    expect(believing.leader).toBe(b);
  });

  test.each<[string, NodeId | undefined]>([
    ['without a hint', undefined],
    ['with itself as a hint', a],
  ])('%s leaves nobody', (_, hint) => {
    const believing = view([a, { leader: a }]);
    believing.refusedBy(a, hint);
    expect(believing.leader).toBeUndefined();
  });

  test('says nothing about another that is believed to lead', () => {
    const believing = view([a, { leader: a }]);
    believing.refusedBy(b, c);
    expect(believing.leader).toBe(a);
  });

  test('is not believed when it names one that is down', () => {
    const believing = view([a, { leader: a }]);
    believing.wentDown(b);
    believing.refusedBy(a, b);
    expect(believing.leader).toBeUndefined();
  });
});

describe('a node whose thread has ended', () => {
  test('leads no more, even by the word of others', () => {
    const believing = view([a, { leader: a }]);
    believing.wentDown(a);
    expect(believing.leader).toBeUndefined();
    believing.heard(status(b, { leader: a }));
    expect(believing.leader).toBeUndefined();
  });

  test('is asked only when no other is left', () => {
    const believing = view();
    believing.wentDown(a);
    expect(new Set([1, 2, 3, 4].map(() => believing.any()))).toEqual(new Set([b, c]));
    believing.wentDown(b);
    believing.wentDown(c);
    expect(new Set([1, 2, 3].map(() => believing.any()))).toEqual(new Set([a, b, c]));
  });

  test('is up again by its own word', () => {
    const believing = view();
    believing.wentDown(a);
    believing.heard(status(a, { leader: a }));
    expect(believing.isDown(a)).toBe(false);
    expect(believing.leader).toBe(a);
  });

  test('begins a new life of which nothing is known: what the old one told last is forgotten', () => {
    const believing = view([a, { role: 'failed' }]);
    believing.wentDown(a);
    expect(believing.statuses().get(a)?.role).toBe('failed');
    believing.cameUp(a);
    expect(believing.isDown(a)).toBe(false);
    expect(believing.statuses().has(a)).toBe(false);
  });
});

describe('the epoch', () => {
  test('is none before any word came', () => {
    expect(view().present).toBeUndefined();
    expect(view().epoch).toBe(0);
  });

  test('is the newest that anybody has entered, and its members are those to be asked', () => {
    const believing = view([a, { leader: a }], [b, { epoch: 2, members: [a, b, d] }], [c, { reign: 7 }]);
    expect(believing.present).toEqual({
      epoch: 2,
      algorithm: 'raft',
      acceptQuorum: undefined,
      members: [a, b, d],
    });
    expect(believing.nodes).toEqual([a, b, d]);
  });

  test('stays known when whoever told of it is gone', () => {
    const believing = view([b, { epoch: 2 }]);
    believing.forget(b);
    expect(believing.present?.epoch).toBe(2);
  });
});
