/** A leader whose disk stalls leaves elections to the others, each time for longer. */
import { describe, expect, test } from 'vitest';
import { neverStalled, noteDiskStalled, standBackMs } from '../../src/raft/stand-back.ts';
import { LoneServer } from './lone-server.ts';

/** Its disk does not answer; its followers do, until it steps down. */
function stall(server: LoneServer): void {
  server.propose('x');
  for (let at = 0; at < 40 && server.status.role === 'leader'; at++) {
    server.pass(10);
    server.acknowledge('b');
  }
  expect(server.status.role).toBe('follower');
  server.sync();
}

describe('how long a server stands back', () => {
  test.each([
    [1, 600],
    [2, 1_200],
    [3, 2_400],
    [6, 19_200],
    [7, 19_200],
    [99, 19_200],
  ])('after %i stalls: %i ms, for a timeout of 300', (stalls, ms) => {
    expect(standBackMs(stalls, 300)).toBe(ms);
  });

  test('a disk that was well for longer than the longest wait is taken for mended', () => {
    const standBack = neverStalled();
    noteDiskStalled(standBack, 0, 300);
    noteDiskStalled(standBack, 600, 300);
    expect(standBack).toEqual({ stalls: 2, untilMs: 1_800 });
    noteDiskStalled(standBack, 1_800 + 19_200, 300);
    expect(standBack.stalls).toBe(3);
    noteDiskStalled(standBack, standBack.untilMs + 19_201, 300);
    expect(standBack.stalls).toBe(1);
  });
});

test('it does not stand meanwhile, and does later', () => {
  const server = new LoneServer().lead();
  stall(server);
  server.listen().pass(590);
  expect(server.heard('pre-vote-request')).toEqual([]);
  server.pass(320);
  expect(server.heard('pre-vote-request')).not.toEqual([]);
});

test('the second time it waits longer', () => {
  const server = new LoneServer().lead();
  stall(server);
  server.pass(600);
  server.lead();
  stall(server);
  server.listen().pass(1_190);
  expect(server.heard('pre-vote-request')).toEqual([]);
});

test('it does not stand either when its leader gives way to it', () => {
  const server = new LoneServer().lead();
  stall(server);
  server.receive('b', { type: 'heartbeat', term: 2, commitIndex: 0, round: 1, rests: false });
  server.sync();
  server.listen().receive('b', { type: 'timeout-now', term: 2 });
  server.sync();
  expect(server.heard('vote-request')).toEqual([]);
});

test('alone it leads again as soon as its disk answers', () => {
  const server = new LoneServer({ members: ['a'] });
  server.pass(10);
  server.sync();
  server.propose('x');
  server.pass(310);
  expect(server.status.role).not.toBe('leader');
  server.sync();
  server.pass(320);
  server.sync();
  expect(server.status.role).toBe('leader');
});
