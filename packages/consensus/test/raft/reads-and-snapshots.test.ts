import { describe, expect, test } from 'vitest';
import { appendOf, LoneServer } from './lone-server.ts';

type Past = ConstructorParameters<typeof LoneServer>[0];

function leader(past: Past = {}): LoneServer {
  const server = new LoneServer(past).lead();
  server.acknowledge('b');
  return server.listen();
}

function answerRound(server: LoneServer, peer: string): void {
  const [last] = server.heard('heartbeat').slice(-1);
  server.receive(peer, {
    type: 'heartbeat-reply',
    term: server.status.reign,
    round: last?.message.round ?? 0,
  });
}

describe('linearizable reads', () => {
  test('[Raft §8] a read waits for a round of heartbeats that a majority answers', () => {
    const server = leader({ members: ['a', 'b', 'c', 'd', 'e'] });
    server.acknowledge('c');
    server.listen().step({ type: 'read', read: 1 });
    answerRound(server, 'b');
    answerRound(server, 'b');
    expect(server.effects).toEqual([]);
    answerRound(server, 'c');
    expect(server.done('read-ready')).toEqual([{ type: 'read-ready', read: 1, index: 1 }]);
  });

  test('[Raft §8] a new leader serves no read before it has committed an entry of its own term', () => {
    const server = new LoneServer({ terms: [1, 1] }).lead();
    server.step({ type: 'read', read: 1 });
    answerRound(server, 'b');
    answerRound(server, 'c');
    expect(server.done('read-ready')).toEqual([]);
    server.listen().acknowledge('b');
    answerRound(server, 'c');
    expect(server.done('read-ready')).toEqual([{ type: 'read-ready', read: 1, index: 3 }]);
  });

  test('[RaftThesis §6.4] an answer to a round that was sent before the read does not confirm it', () => {
    const server = leader();
    server.pass(50);
    const [before] = server.heard('heartbeat');
    server.step({ type: 'read', read: 1 });
    server.receive('b', { type: 'heartbeat-reply', term: 1, round: before?.message.round ?? 0 });
    expect(server.done('read-ready')).toEqual([]);
  });

  test('[RaftThesis §6.4] one round serves every read that waited when it was sent', () => {
    const server = leader();
    server.step({ type: 'read', read: 1 });
    const first = server.heard('heartbeat').length;
    for (const read of [2, 3, 4]) server.step({ type: 'read', read });
    expect(server.heard('heartbeat')).toHaveLength(first);
    answerRound(server, 'b');
    expect(server.done('read-ready').map(({ read }) => read)).toEqual([1]);
    expect(server.heard('heartbeat')).toHaveLength(2 * first);
    answerRound(server, 'c');
    expect(server.done('read-ready').map(({ read }) => read)).toEqual([1, 2, 3, 4]);
  });

  test('a lost round is made good by the next heartbeat', () => {
    const server = leader();
    server.step({ type: 'read', read: 1 });
    server.listen().pass(50);
    answerRound(server, 'c');
    expect(server.done('read-ready')).toHaveLength(1);
  });

  test('the index of a read covers what was committed when it was asked', () => {
    const server = leader();
    server.propose('x');
    server.sync();
    server.acknowledge('c');
    server.step({ type: 'read', read: 1 });
    answerRound(server, 'b');
    expect(server.done('read-ready')).toMatchObject([{ index: 2 }]);
  });

  test('a leader that is deposed refuses what it has not answered', () => {
    const server = leader();
    server.step({ type: 'read', read: 1 });
    server.step({ type: 'read', read: 2 });
    server.receive('b', { type: 'heartbeat-reply', term: 7, round: 0 });
    expect(server.done('read-refused').map(({ read }) => read)).toEqual([1, 2]);
  });

  test('who does not lead refuses a read', () => {
    const server = new LoneServer();
    server.step({ type: 'read', read: 1 });
    expect(server.effects).toEqual([{ type: 'read-refused', read: 1 }]);
  });

  test('alone, a leader confirms itself', () => {
    const server = new LoneServer({ members: ['a'] });
    server.pass(10);
    server.sync();
    server.step({ type: 'read', read: 1 });
    expect(server.done('read-ready')).toEqual([{ type: 'read-ready', read: 1, index: 1 }]);
  });
});

describe('installing a snapshot', () => {
  const received = (index: number, reign: number, from = 'b', term = 5) =>
    ({ type: 'snapshot-received', from, reign: term, leads: true, last: { index, reign } }) as never;

  test('[Raft §7] it replaces a log that it does not match', () => {
    const server = new LoneServer({ terms: [1, 1, 2] });
    server.step(received(3, 3));
    expect(server.unsynced).toMatchObject([
      { type: 'persist', entries: [] },
      { type: 'install', snapshot: { index: 3, reign: 3 }, discardsLog: true },
    ]);
    expect(server.status).toMatchObject({ leader: 'b', commitIndex: 3, lastIndex: 3, snapshotIndex: 3 });
    server.sync();
    expect(server.heard('append-accepted')).toMatchObject([{ to: 'b', message: { term: 5, matchIndex: 3 } }]);
  });

  test('from someone who does not lead it changes nothing: a bystander only meant well', () => {
    const server = new LoneServer({ terms: [1, 1, 2] });
    server.step({ ...(received(3, 3) as object), leads: false } as never);
    expect(server.unsynced).toEqual([]);
    expect(server.status).toMatchObject({ leader: undefined, commitIndex: 0, lastIndex: 3 });
  });

  test('[Raft §7] entries that follow a snapshot of a prefix are retained', () => {
    const server = new LoneServer({ terms: [1, 1, 2, 2] });
    server.step(received(3, 2));
    expect(server.unsynced.at(-1)).toMatchObject({ type: 'install', discardsLog: false });
    expect(server.status).toMatchObject({ commitIndex: 3, lastIndex: 4, snapshotIndex: 3 });
    expect(server.terms).toEqual([2]);
  });

  test('[Raft §7] it beats a log that is shorter', () => {
    const server = new LoneServer({ terms: [1] });
    server.step(received(30, 4));
    expect(server.status).toMatchObject({ commitIndex: 30, lastIndex: 30 });
    server.sync();
    server.receive('b', appendOf({ term: 5, prev: [30, 4], terms: [5], commit: 31 }));
    expect(server.done('committed')).toMatchObject([{ entries: [{ index: 31 }] }]);
  });

  test('[Raft §7] one of a stale term is ignored', () => {
    const server = new LoneServer({ term: 6 });
    server.step(received(3, 3));
    expect(server.status).toMatchObject({ leader: undefined, commitIndex: 0 });
    expect([...server.said, ...server.unsynced]).toEqual([]);
  });

  test('one that is older than what is committed is acknowledged, and changes nothing', () => {
    const server = new LoneServer({ terms: [1, 1, 1] });
    server.receive('b', { type: 'heartbeat', term: 5, commitIndex: 3, round: 1, rests: false });
    server.sync();
    server.listen().step(received(2, 1));
    expect(server.terms).toEqual([1, 1, 1]);
    expect(server.unsynced).toEqual([]);
    expect(server.said).toMatchObject([{ message: { type: 'append-accepted', matchIndex: 3 } }]);
  });

  test('a snapshot is traffic from the leader', () => {
    const server = new LoneServer().stand();
    server.step(received(3, 1, 'c', 1));
    expect(server.status).toMatchObject({ role: 'follower', leader: 'c', reign: 1 });
  });

  test('an append from below the snapshot is compared where the log begins', () => {
    const server = new LoneServer({ snapshot: { index: 5, term: 2 }, terms: [2] });
    server.receive('b', appendOf({ term: 3, prev: [3, 1], terms: [1, 2, 2, 3], commit: 7 }));
    server.sync();
    expect(server.terms).toEqual([2, 3]);
    expect(server.heard('append-accepted')).toMatchObject([{ message: { matchIndex: 7 } }]);
    expect(server.status.commitIndex).toBe(7);
    server.listen().receive('b', appendOf({ term: 3, prev: [1, 1], terms: [1] }));
    expect(server.heard('append-accepted')).toMatchObject([{ message: { matchIndex: 5 } }]);
  });
});

describe('sending a snapshot', () => {
  /** A leader whose log begins after index 5, and of whom `c` lacks everything. */
  function behind(): LoneServer {
    const server = new LoneServer({ snapshot: { index: 5, term: 2 }, terms: [2] }).lead();
    server.acknowledge('b');
    server.listen();
    server.receive('c', { type: 'append-rejected', term: 3, prevIndex: 6, hintIndex: 0, hintTerm: 0 });
    return server;
  }

  test('[Raft §7] a peer that needs what is forgotten gets the snapshot, once', () => {
    const server = behind();
    expect(server.done('send-snapshot')).toEqual([{ type: 'send-snapshot', to: 'c' }]);
    expect(server.heard('append')).toEqual([]);
    server.propose('x');
    server.receive('c', { type: 'append-rejected', term: 3, prevIndex: 6, hintIndex: 0, hintTerm: 0 });
    server.pass(200);
    expect(server.done('send-snapshot')).toHaveLength(1);
    expect(server.heard('append').filter(({ to }) => to === 'c')).toEqual([]);
  });

  test('once it is delivered, appends go on behind it', () => {
    const server = behind();
    server.step({ type: 'snapshot-sent', to: 'c' as never, delivered: true });
    expect(server.heard('append')).toMatchObject([{ to: 'c', message: { prevIndex: 5, prevTerm: 2 } }]);
  });

  test('the acknowledgement of the snapshot says as much', () => {
    const server = behind();
    server.acknowledge('c', 5);
    expect(server.heard('append')).toMatchObject([{ to: 'c', message: { prevIndex: 5, prevTerm: 2 } }]);
  });

  test('a transfer that failed is tried again, and not at once', () => {
    const server = behind();
    server.listen().step({ type: 'snapshot-sent', to: 'c' as never, delivered: false });
    expect(server.effects).toEqual([]);
    server.pass(100);
    expect(server.done('send-snapshot')).toHaveLength(1);
  });

  test('[Raft §7] what is compacted is forgotten, and still known where the log begins', () => {
    const server = leader({ terms: [1, 1, 1] });
    server.step({ type: 'compacted', index: 3 as never });
    expect(server.status).toMatchObject({ snapshotIndex: 3, lastIndex: 4, commitIndex: 4 });
    expect(server.terms).toEqual([2]);
    server.step({ type: 'compacted', index: 2 as never });
    expect(server.status.snapshotIndex).toBe(3);
    expect(() => server.step({ type: 'compacted', index: 5 as never })).toThrow('only what is committed');
  });

  test('reads go on when the whole log is compacted', () => {
    const server = leader();
    server.step({ type: 'compacted', index: 1 as never });
    server.step({ type: 'read', read: 1 });
    answerRound(server, 'b');
    expect(server.done('read-ready')).toMatchObject([{ index: 1 }]);
  });
});
