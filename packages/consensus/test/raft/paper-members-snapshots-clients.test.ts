/**
 * Membership, compaction and clients, sentence by sentence, as far as they are the protocol's. [Raft §6, §7, §8]
 *
 * Members do not change within an epoch, so joint consensus has no counterpart here: of §6 those sentences apply
 * that speak of servers without a vote. What an epoch owes the next is the replica's. Snapshots travel outside
 * the protocol; of figure 13 the receiver's rules for the whole snapshot apply. Exactly-once is the sessions'.
 */
import { describe, expect, test } from 'vitest';
import { ProtocolCluster } from '../../src/conformance/cluster.ts';
import type { RaftMessage } from '../../src/raft/message.ts';
import { type RaftState, raft } from '../../src/raft/raft.ts';
import { appendOf, LoneServer } from './lone-server.ts';

function leader(past: ConstructorParameters<typeof LoneServer>[0] = {}): LoneServer {
  const server = new LoneServer(past).lead();
  server.acknowledge('b');
  return server.listen();
}

const received = (index: number, reign: number, term = 5) =>
  ({ type: 'snapshot-received', from: 'b', reign: term, leads: true, last: { index, reign } }) as never;

describe('[Raft §6]', () => {
  test('servers that are not in the configuration have no vote, and cannot disrupt it', () => {
    const server = new LoneServer().stand();
    server.receive('x', { type: 'vote-reply', term: 1, granted: true });
    expect(server.status.role).toBe('candidate');
    server.receive('x', { type: 'vote-request', term: 9, lastIndex: 9, lastTerm: 8, gaveWay: 8 });
    server.receive('x', appendOf({ term: 9, prev: [0, 0], terms: [9] }));
    server.receive('x', { type: 'timeout-now', term: 1 });
    expect(server.status).toMatchObject({ role: 'candidate', reign: 1, lastIndex: 0 });
  });

  test('the leader does not count servers outside the configuration towards a majority', () => {
    const server = new LoneServer().lead();
    server.receive('x', { type: 'append-accepted', term: 1, matchIndex: 1 });
    expect(server.status.commitIndex).toBe(0);
  });

  test('servers disregard RequestVote RPCs when they believe a current leader exists', () => {
    const server = new LoneServer();
    server.receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1] }));
    server.sync();
    server.listen().receive('c', { type: 'vote-request', term: 9, lastIndex: 9, lastTerm: 8, gaveWay: 0 });
    expect(server.said).toEqual([]);
    expect(server.status.reign).toBe(1);
  });
});

describe('[Raft §7]', () => {
  test('a snapshot keeps the last included index and term, for the consistency check of the entry after it', () => {
    const server = new LoneServer({ terms: [], term: 2, snapshot: { index: 3, term: 2 } });
    server.receive('b', appendOf({ term: 3, prev: [3, 2], terms: [3] }));
    server.receive('b', appendOf({ term: 3, prev: [5, 2], terms: [3] }));
    expect(server.status.lastIndex).toBe(4);
  });

  test('servers take snapshots independently, covering just the committed entries in their logs', () => {
    const server = new LoneServer({ terms: [1, 1, 1] });
    server.receive('b', appendOf({ term: 1, prev: [3, 1], commit: 2 }));
    expect(() => server.step({ type: 'compacted', index: 3 as never })).toThrow('only what is committed');
    server.step({ type: 'compacted', index: 2 as never });
    expect(server.status).toMatchObject({ snapshotIndex: 2, lastIndex: 3 });
  });

  test('the leader sends a snapshot when it has discarded the next log entry that a follower needs', () => {
    const server = leader();
    server.propose('x', 'y');
    server.sync();
    server.acknowledge('b');
    server.step({ type: 'compacted', index: 3 as never });
    expect(server.done('send-snapshot')).toEqual([]);
    server.receive('c', { type: 'append-rejected', term: 1, prevIndex: 1, hintIndex: 0, hintTerm: 0 });
    server.pass(100);
    expect(server.done('send-snapshot')).toEqual([{ type: 'send-snapshot', to: 'c' }]);
  });

  test('[Raft fig. 13] 1. a snapshot of a stale term is not taken', () => {
    const server = new LoneServer({ term: 6 });
    server.step(received(3, 3, 5));
    expect(server.status).toMatchObject({ snapshotIndex: 0, leader: undefined });
  });

  test('[Raft fig. 13] 6. an entry of the same index and term: retain the entries that follow it', () => {
    const server = new LoneServer({ terms: [1, 1, 2, 2] });
    server.step(received(2, 1));
    expect(server.status).toMatchObject({ snapshotIndex: 2, lastIndex: 4 });
    expect(server.unsynced.at(-1)).toMatchObject({ type: 'install', discardsLog: false });
  });

  test('[Raft fig. 13] 7. else discard the entire log, 8. and reset the state machine', () => {
    const server = new LoneServer({ terms: [1, 1, 1, 1] });
    server.step(received(2, 2));
    expect(server.status).toMatchObject({ snapshotIndex: 2, lastIndex: 2, commitIndex: 2 });
    expect(server.unsynced.at(-1)).toMatchObject({ type: 'install', discardsLog: true });
  });

  test('a snapshot that comes from a server that does not lead is not taken', () => {
    const server = new LoneServer({ terms: [1] });
    server.step({ ...(received(3, 1) as object), leads: false } as never);
    expect(server.status).toMatchObject({ snapshotIndex: 0, leader: undefined });
  });

  test('a retransmitted snapshot, or one of a prefix of what is committed, changes nothing', () => {
    const server = new LoneServer({ terms: [1, 1, 1] });
    server.receive('b', appendOf({ term: 5, prev: [3, 1], commit: 3 }));
    server.sync();
    server.listen().step(received(2, 1));
    expect(server.unsynced).toEqual([]);
    expect(server.heard('append-accepted')).toMatchObject([{ message: { matchIndex: 3 } }]);
  });
});

describe('[Raft §8]', () => {
  test('a server that is not the leader rejects a request, and knows the most recent leader it has heard from', () => {
    const server = new LoneServer();
    server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 0, round: 1, rests: false });
    server.propose('x');
    expect(server.done('refused')).toEqual([{ type: 'refused', reason: 'not-leader' }]);
    expect(server.done('role')).toMatchObject([{ leader: 'b' }]);
  });

  test('each leader commits a blank no-op entry into the log at the start of its term', () => {
    const server = new LoneServer({ terms: [1] }).lead();
    const [{ message } = { message: undefined }] = server.heard('append');
    expect(message?.entries).toMatchObject([{ index: 2, reign: 2, payload: new Uint8Array(0) }]);
  });

  test('a leader checks that it has not been deposed before it processes a read-only request', () => {
    const server = leader();
    server.step({ type: 'read', read: 1 });
    expect(server.done('read-ready')).toEqual([]);
    server.receive('b', { type: 'heartbeat-reply', term: 4, round: 0 });
    expect(server.done('read-refused')).toEqual([{ type: 'read-refused', read: 1 }]);
  });

  test('by exchanging heartbeat messages with a majority of the cluster before it responds', () => {
    const server = leader();
    server.step({ type: 'read', read: 1 });
    const round = server.heard('heartbeat').at(-1)?.message.round ?? 0;
    server.receive('c', { type: 'heartbeat-reply', term: 1, round });
    expect(server.done('read-ready')).toEqual([{ type: 'read-ready', read: 1, index: 1 }]);
  });
});

describe('[Raft §8] read-only operations', () => {
  test('can be handled without writing anything into the log', () => {
    const server = leader();
    const { lastIndex } = server.status;
    for (let read = 1; read <= 3; read++) {
      server.step({ type: 'read', read });
      const round = server.heard('heartbeat').at(-1)?.message.round ?? 0;
      server.receive('b', { type: 'heartbeat-reply', term: 1, round });
    }
    expect(server.done('read-ready')).toHaveLength(3);
    expect(server.unsynced).toEqual([]);
    expect(server.status.lastIndex).toBe(lastIndex);
  });

  test('must not be answered by a leader that was superseded without knowing: it would return stale data', () => {
    const cluster = new ProtocolCluster<RaftState, RaftMessage>({ protocol: raft, nodes: 3 });
    cluster.elect('n1');
    cluster.run(100);
    cluster.partition(['n1'], ['n2', 'n3']);
    cluster.runUntil(() => cluster.status('n2').role === 'leader' || cluster.status('n3').role === 'leader');
    const [next] = ['n2', 'n3'].filter((id) => cluster.status(id).role === 'leader');
    cluster.propose(next ?? '', 'newer');
    const read = cluster.read('n1');
    cluster.run(2_000);
    expect(cluster.committedTexts(next ?? '')).toEqual(['newer']);
    expect(['refused', undefined]).toContain(cluster.readOutcome(read));
  });

  test('at the start of its term a leader holds all committed entries and does not know which those are: to find out it commits one of its own', () => {
    const server = new LoneServer({ terms: [1, 1, 2] }).lead();
    expect(server.status).toMatchObject({ commitIndex: 0, lastIndex: 4 });
    server.acknowledge('b', 3);
    expect(server.status.commitIndex).toBe(0);
    server.acknowledge('b');
    expect(server.status.commitIndex).toBe(4);
  });

  test('alternatively rely on the heartbeats as a lease, which relies on bounded clock skew', () => {
    const leaseMs = 100;
    const server = new LoneServer({ options: { leaseMs } }).lead();
    server.acknowledge('b');
    server.pass(50);
    const round = server.heard('heartbeat').at(-1)?.message.round ?? 0;
    server.receive('b', { type: 'heartbeat-reply', term: 1, round });
    const heartbeats = server.listen().heard('heartbeat').length;
    server.step({ type: 'read', read: 1, mayUseLease: true });
    expect(server.done('read-ready')).toMatchObject([{ read: 1 }]);
    expect(server.heard('heartbeat')).toHaveLength(heartbeats);
    // It is shorter than any election timeout, and nobody answers any more.
    server.pass(leaseMs);
    server.listen().step({ type: 'read', read: 2, mayUseLease: true });
    expect(server.done('read-ready')).toEqual([]);
  });
});

describe('[RaftThesis §6.4]', () => {
  test('2. the leader saves its current commit index as the readIndex of the request', () => {
    const server = leader();
    server.step({ type: 'read', read: 1 });
    const round = server.heard('heartbeat').at(-1)?.message.round ?? 0;
    // What is committed while the round is under way need not be seen by this read.
    server.propose('later');
    server.sync();
    server.acknowledge('b');
    server.receive('b', { type: 'heartbeat-reply', term: 1, round });
    expect(server.done('read-ready')).toEqual([{ type: 'read-ready', read: 1, index: 1 }]);
  });

  test('1. a leader that has not marked an entry from its current term committed waits until it has', () => {
    const server = new LoneServer().lead();
    server.step({ type: 'read', read: 1 });
    const round = server.heard('heartbeat').at(-1)?.message.round ?? 0;
    server.receive('b', { type: 'heartbeat-reply', term: 1, round });
    expect(server.done('read-ready')).toEqual([]);
  });
});
