/** The power fails at each write of each node during a change of the epoch: it has happened for all, or for none. */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { type ChangeUnderTest, changeWithCrash } from './crash-in-change.ts';

const members = ['a', 'b', 'd'] as NodeId[];
/** How many writes each node does at least, from the order on: the power fails in each of them. */
type Writes = Readonly<Record<string, number>>;
const ofSwap: Writes = { a: 10, b: 10 };
const ofMembers: Writes = { a: 12, b: 12, c: 8, d: 30 };
const changes: readonly (readonly [string, Writes, ChangeUnderTest])[] = [
  ['raft to multi-paxos', ofSwap, { algorithm: 'raft', change: { algorithm: 'multi-paxos' } }],
  ['multi-paxos to raft', ofSwap, { algorithm: 'multi-paxos', change: { algorithm: 'raft' } }],
  ['d for c, under raft', ofMembers, { algorithm: 'raft', change: { members } }],
  ['d for c, under multi-paxos', ofMembers, { algorithm: 'multi-paxos', change: { members } }],
];

test('they are 160 crashes and more', () => {
  const writes = changes.flatMap(([, ofNodes]) => Object.values(ofNodes));
  expect(writes.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(160);
});

describe.each(changes)('%s', (_, writes, change) => {
  test.each(Object.entries(writes).map(([node, writesMin]) => ({ node, writesMin })))(
    'a crash of $node in any write of the change',
    async ({ node, writesMin }) => {
      let crashes = 0;
      for (; ; crashes++) {
        const write = crashes + 1;
        const { didCrash, failure, answer } = await changeWithCrash(change, { node, write });
        expect({ write, answer, failure }).toEqual({ write, answer, failure: undefined });
        if (!didCrash) break;
      }
      expect(crashes).toBeGreaterThanOrEqual(writesMin);
    },
  );
});
