/** A read is answered from a state that has got as far as its index, and never before. [RaftThesis §6.4] */
import type { ActorRef } from '@quorate/core';
import { expect, test } from 'vitest';
import type { LogIndex } from '../../src/protocol.ts';
import { PendingReads } from '../../src/replica/pending-reads.ts';

const read = (request: number) => ({ asker: { client: {} as ActorRef, request }, queries: [request] });
const at = (index: number): LogIndex => index as LogIndex;

test('a confirmed read waits until the state has applied its index', () => {
  const reads = new PendingReads();
  const [early, late] = [read(1), read(2)];
  reads.confirm(reads.ask(late), at(7));
  reads.confirm(reads.ask(early), at(5));
  expect(reads.due(at(4))).toEqual([]);
  expect(reads.due(at(5))).toEqual([early]);
  expect(reads.due(at(6))).toEqual([]);
  expect(reads.due(at(9))).toEqual([late]);
  expect(reads.due(at(9))).toEqual([]);
});

test('a read that the protocol refused, or that lost its leader, is never answered', () => {
  const reads = new PendingReads();
  const refused = reads.ask(read(1));
  const orphaned = reads.ask(read(2));
  expect(reads.refuse(refused)).toEqual(read(1));
  expect(reads.refuseAll()).toEqual([read(2)]);
  reads.confirm(refused, at(1));
  reads.confirm(orphaned, at(1));
  expect(reads.due(at(9))).toEqual([]);
});

test('a read of any state is due at once, one of a session when the state has what the session has seen', () => {
  const reads = new PendingReads();
  reads.serveFrom(read(1), at(0));
  reads.serveFrom(read(2), at(3));
  expect(reads.due(at(0))).toEqual([read(1)]);
  expect(reads.due(at(3))).toEqual([read(2)]);
});
