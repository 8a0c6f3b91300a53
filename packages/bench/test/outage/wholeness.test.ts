/** Whether a cluster is whole, by what its nodes tell. */
import type { NodeStatus } from '@quorate/consensus';
import { expect, test } from 'vitest';
import { awaitWhole, leaderOfWhole } from '../../src/outage/wholeness.ts';
import { ManualClock } from '../workload/manual-clock.ts';

const node = (role: NodeStatus['role'], more: Partial<NodeStatus> = {}): NodeStatus => ({
  role,
  term: 3,
  commitIndex: 10,
  appliedIndex: 10,
  mailboxDepth: 0,
  failure: undefined,
  ...more,
});
const whole = { a: node('follower'), b: node('leader'), c: node('follower') };

test('a leader with every other node behind it is whole', () => {
  expect(leaderOfWhole({ leader: 'b', nodes: whole }, 10)).toEqual({ leader: 'b', term: 3 });
});

test.each([
  ['nobody is known to lead', undefined, whole],
  ['the one that is believed to lead does not say so', 'a', whole],
  ['a node is down', 'b', { ...whole, a: node('down') }],
  ['a node stands for election', 'b', { ...whole, a: node('candidate') }],
  ['an old leader has not heard of the new one', 'b', { ...whole, a: node('leader', { term: 2 }) }],
  ['a node is still of another term', 'b', { ...whole, a: node('follower', { term: 2 }) }],
  ['a node is behind', 'b', { ...whole, a: node('follower', { appliedIndex: 9 }) }],
])('not whole: %s', (_, leader, nodes) => {
  expect(leaderOfWhole({ leader, nodes }, 10)).toBeUndefined();
});

test('it is waited for, up to what had been committed when the waiting began', async () => {
  const clock = new ManualClock();
  let nodes: Record<string, NodeStatus> = {
    ...whole,
    b: node('leader', { commitIndex: 12, appliedIndex: 12 }),
  };
  const status = () => ({ algorithm: 'raft', leader: 'b', epoch: 1, nodes });
  let answer: unknown;
  void awaitWhole({ status } as never, { clock, withinMs: 1_000 }).then((found) => {
    answer = found;
  });
  await clock.advanceTo(100);
  expect(answer).toBeUndefined();
  const caughtUp = { commitIndex: 12, appliedIndex: 12 };
  nodes = {
    a: node('follower', caughtUp),
    b: node('leader', { commitIndex: 99, appliedIndex: 99 }),
    c: node('follower', caughtUp),
  };
  await clock.advanceTo(200);
  expect(answer).toEqual({ leader: 'b', term: 3 });
});

test('one that stays broken is told of, with how its nodes stand', async () => {
  const clock = new ManualClock();
  const nodes = { ...whole, c: node('down') };
  const status = () => ({ algorithm: 'raft', leader: 'b', epoch: 1, nodes });
  const waiting = expect(awaitWhole({ status } as never, { clock, withinMs: 50 })).rejects.toMatchObject({
    code: 'ERR_NO_QUORUM',
    message: expect.stringContaining('c is down'),
  });
  await clock.advanceTo(100);
  await waiting;
});
