/** A read is answered from a state that has got as far as its index, and never before. [RaftThesis §6.4] */
import type { ActorRef, NodeId } from '@quorate/core';
import { expect, test } from 'vitest';
import type { LogIndex } from '../../src/protocol.ts';
import { type ClientRead, PendingReads } from '../../src/replica/pending-reads.ts';
import { firstEpoch } from './first-epoch.ts';

const read = (request: number): ClientRead => ({
  type: 'client',
  asker: { client: {} as ActorRef, request },
  queries: [request],
  mayUseLease: false,
});
const at = (index: number): LogIndex => index as LogIndex;

test('a confirmed read waits until the state has applied its index', () => {
  const reads = new PendingReads(1);
  const [early, late] = [read(1), read(2)];
  reads.confirm(reads.ask(late, 0), at(7));
  reads.confirm(reads.ask(early, 0), at(5));
  expect(reads.due(at(4))).toEqual([]);
  expect(reads.due(at(5))).toEqual([early]);
  expect(reads.due(at(6))).toEqual([]);
  expect(reads.due(at(9))).toEqual([late]);
  expect(reads.due(at(9))).toEqual([]);
});

test('a read that the protocol refused, or that lost its leader, is never answered', () => {
  const reads = new PendingReads(1);
  const refused = reads.ask(read(1), 0);
  const orphaned = reads.ask(read(2), 0);
  expect(reads.refuse(refused)).toEqual(read(1));
  expect(reads.refuseAll()).toEqual([read(2)]);
  reads.confirm(refused, at(1));
  reads.confirm(orphaned, at(1));
  expect(reads.due(at(9))).toEqual([]);
});

test('a read of any state is due at once, one of a session when the state has what the session has seen', () => {
  const reads = new PendingReads(1);
  reads.serveFrom(read(1), at(0), 0);
  reads.serveFrom(read(2), at(3), 0);
  expect(reads.due(at(0))).toEqual([read(1)]);
  expect(reads.due(at(3))).toEqual([read(2)]);
});

test('the end of an epoch voids what was confirmed at or beyond it, and nothing before', () => {
  const reads = new PendingReads(1);
  const next = { ...firstEpoch, number: 2, base: at(6) };
  const [before, beyond, weak] = [read(1), read(2), read(3)];
  reads.confirm(reads.ask(before, 0), at(5));
  reads.confirm(reads.ask(beyond, 0), at(6));
  reads.serveFrom(weak, at(7), 0);
  reads.seal(next);
  expect(reads.unconfirmed().map((waiting) => waiting.read)).toEqual([beyond]);
  expect(reads.due(at(9))).toEqual([before, weak]);
});

test('where epochs were skipped, nothing that was confirmed holds, and all of it is asked anew', () => {
  const reads = new PendingReads(1);
  const [confirmed, weak] = [read(1), read(2)];
  reads.confirm(reads.ask(confirmed, 0), at(5));
  reads.serveFrom(weak, at(6), 0);
  reads.skipped();
  expect(reads.unconfirmed()).toEqual([{ number: 2, read: confirmed }]);
  expect(reads.due(at(9))).toEqual([weak]);
});

test('the answer to a question of a former life confirms nothing in this one', () => {
  const former = new PendingReads(4);
  const answered = former.ask(read(1), 0);
  const present = new PendingReads(900);
  present.ask(read(2), 0);
  expect(present.confirm(answered, at(5))).toBeUndefined();
  expect(present.due(at(9))).toEqual([]);
});

test('a read whose confirmation never comes is let go after a while', () => {
  const reads = new PendingReads(1);
  reads.ask(read(1), 10);
  reads.ask(read(2), 20);
  expect(reads.refuseOlder(20, 0)).toEqual([read(1)]);
  expect(reads.refuseAll()).toEqual([read(2)]);
});

test("a follower's question is answered by its confirmation alone", () => {
  const reads = new PendingReads(1);
  const asked = { type: 'peer', peer: 'b' as NodeId, epoch: 1, read: 9, mayUseLease: false } as const;
  expect(reads.confirm(reads.ask(asked, 0), at(5))).toEqual(asked);
  expect(reads.due(at(9))).toEqual([]);
});
