/**
 * Two that miss a leader at the same moment: one of them goes first, and none waits for ever.
 *
 * Members are named so that `n2` goes before `n3`; a hint reaches them up to 24 ms apart.
 */
import { seededRandom } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { ProtocolCluster } from '../../src/conformance/cluster.ts';
import { hasPrecedence } from '../../src/raft/election-restriction.ts';
import type { LogPosition, Term } from '../../src/raft/log.ts';
import type { RaftMessage } from '../../src/raft/message.ts';
import { type RaftState, raft } from '../../src/raft/raft.ts';
import { LoneServer } from './lone-server.ts';

const at = (index: number, term: number): LogPosition => ({ index: index as never, term: term as Term });

describe('who goes first of two that ask for the same pre-votes', () => {
  test.each([
    { rival: { candidate: 'n3', term: 4, lastPosition: at(3, 2) }, isFirst: true },
    { rival: { candidate: 'n1', term: 4, lastPosition: at(3, 2) }, isFirst: false },
    { rival: { candidate: 'n3', term: 5, lastPosition: at(3, 2) }, isFirst: false },
    { rival: { candidate: 'n3', term: 4, lastPosition: at(4, 2) }, isFirst: false },
    { rival: { candidate: 'n3', term: 4, lastPosition: at(3, 3) }, isFirst: false },
    // Whose log is worse gets no pre-vote from this server at all: nothing to insist on.
    { rival: { candidate: 'n3', term: 4, lastPosition: at(2, 2) }, isFirst: false },
  ])('n2 in term 4 with log (3, 2), against $rival: $isFirst', ({ rival, isFirst }) => {
    const own = { candidate: 'n2' as never, term: 4 as Term, lastPosition: at(3, 2) };
    const other = { ...rival, candidate: rival.candidate as never, term: rival.term as Term };
    expect(hasPrecedence(own, other)).toBe(isFirst);
    expect(isFirst && hasPrecedence(other, own)).toBe(false);
  });
});

describe('a pre-candidate that is asked for a pre-vote', () => {
  const preVote = (term: number, last: readonly [index: number, term: number]) =>
    ({ type: 'pre-vote-request', term, lastIndex: last[0], lastTerm: last[1] }) as const;
  /** The server `a`, which has just found that it is time to stand. */
  const preCandidate = (): LoneServer => {
    const server = new LoneServer({ terms: [1, 2] });
    while (server.status.role === 'follower') server.pass(10);
    return server.listen();
  };

  test('by one who comes after it does not answer, and asks that one instead', () => {
    const server = preCandidate();
    server.receive('b', preVote(3, [2, 2]));
    expect(server.said).toMatchObject([{ to: 'b', message: preVote(3, [2, 2]) }]);
    expect(server.status).toMatchObject({ role: 'candidate', reign: 2 });
  });

  test('by one with more in its log grants it', () => {
    const server = preCandidate();
    server.receive('b', preVote(3, [3, 2]));
    expect(server.said).toMatchObject([{ to: 'b', message: { type: 'pre-vote-reply', granted: true } }]);
  });

  test('insists for a heartbeat, and then grants: perhaps the other can win where it cannot', () => {
    const server = preCandidate();
    server.pass(40);
    server.listen().receive('b', preVote(3, [2, 2]));
    expect(server.heard('pre-vote-reply')).toEqual([]);
    server.pass(10);
    server.listen().receive('b', preVote(3, [2, 2]));
    expect(server.said).toMatchObject([{ to: 'b', message: { type: 'pre-vote-reply', granted: true } }]);
  });

  test('insists at its first attempt only, until it has followed again', () => {
    const server = preCandidate();
    const { electionDueMs } = server.state;
    while (server.nowMs < electionDueMs) server.pass(10);
    server.listen().receive('b', preVote(3, [2, 2]));
    expect(server.said).toMatchObject([{ to: 'b', message: { type: 'pre-vote-reply', granted: true } }]);
    server.receive('b', { type: 'heartbeat', term: 2, commitIndex: 0, round: 1, rests: false });
    while (server.status.role === 'follower') server.pass(10);
    server.listen().receive('b', preVote(3, [2, 2]));
    expect(server.heard('pre-vote-reply')).toEqual([]);
  });
});

type Cluster = ProtocolCluster<RaftState, RaftMessage>;

/** Nodes that take their time, led by n1. */
function slowCluster(nodes: number, seed: number): Cluster {
  const network = { delayMs: [1, 8] } as const;
  const cluster: Cluster = new ProtocolCluster({ protocol: raft, nodes, seed, network, syncMs: [1, 12] });
  cluster.elect('n1');
  cluster.run(seededRandom(seed).below(50));
  return cluster;
}

/** The leader's thread ends; each of the others hears of it within 25 ms, some before they have read all that it sent. */
function crashWithHints(cluster: Cluster, leader: string, seed: number): void {
  const random = seededRandom(seed).fork('hints');
  cluster.crash(leader);
  const others = cluster.members.filter((member) => cluster.isUp(member));
  const hints = others.map((member) => ({ member, atMs: 1 + random.below(24) }));
  const startMs = cluster.nowMs;
  for (const { member, atMs } of hints.sort((a, b) => a.atMs - b.atMs)) {
    cluster.run(startMs + atMs - cluster.nowMs);
    cluster.input(member, { type: 'peer-down', peer: leader as never });
  }
}

describe('after the leader of three has ended', () => {
  test('whose hints cross elect one of them in one term, every time', () => {
    for (let seed = 1; seed <= 400; seed++) {
      const cluster = slowCluster(3, seed);
      const { reign } = cluster.status('n1');
      crashWithHints(cluster, 'n1', seed);
      expect(
        cluster.runUntil(() => cluster.leader() !== undefined, 120),
        `seed ${seed}`,
      ).toBe(true);
      expect(cluster.status(cluster.leader() ?? '').reign, `seed ${seed}`).toBe(reign + 1);
    }
  });
});

describe('one that goes first and cannot win', () => {
  test('does not keep another from it', () => {
    // Three of five are left, and each of them is needed: n3 alone sees both others.
    for (let seed = 1; seed <= 50; seed++) {
      const cluster = slowCluster(5, seed);
      cluster.crash('n5');
      cluster.cut('n2', 'n4');
      crashWithHints(cluster, 'n1', seed);
      expect(
        cluster.runUntil(() => cluster.leader() === 'n3', 2_000),
        `seed ${seed}`,
      ).toBe(true);
    }
  });
});
