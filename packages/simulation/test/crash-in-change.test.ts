/** The power fails at each write of each node during a change of the epoch: it has happened for all, or for none. */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { type ChangeUnderTest, changeWithCrash } from './crash-in-change.ts';

const members = ['a', 'b', 'd'] as NodeId[];
const changes: readonly (readonly [string, readonly string[], ChangeUnderTest])[] = [
  ['raft to multi-paxos', ['a', 'b'], { algorithm: 'raft', change: { algorithm: 'multi-paxos' } }],
  ['multi-paxos to raft', ['a', 'b'], { algorithm: 'multi-paxos', change: { algorithm: 'raft' } }],
  ['d for c, under raft', ['a', 'b', 'c', 'd'], { algorithm: 'raft', change: { members } }],
  ['d for c, under multi-paxos', ['a', 'b', 'c', 'd'], { algorithm: 'multi-paxos', change: { members } }],
];

describe.each(changes)('%s', (_, nodes, change) => {
  test.each(nodes.map((node) => ({ node })))(
    'a crash of $node in any write of the change',
    async ({ node }) => {
      const answers: string[] = [];
      for (let write = 1; ; write++) {
        const { didCrash, failure, answer } = await changeWithCrash(change, { node, write });
        expect({ write, answer, failure }).toEqual({ write, answer, failure: undefined });
        if (!didCrash) break;
        answers.push(String(answer));
      }
      // The charter alone is a write and a sync, and there is a STOP before it.
      expect(answers.length).toBeGreaterThan(3);
    },
  );
});
