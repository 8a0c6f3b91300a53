import { describe, expect, test } from 'vitest';
import { appendOf, LoneServer } from './lone-server.ts';

/** A leader of term 1 that both peers follow: log [no-op], everything acknowledged. */
function established(past: ConstructorParameters<typeof LoneServer>[0] = {}): LoneServer {
  const server = new LoneServer(past).lead();
  for (const peer of server.state.peers) server.acknowledge(peer);
  return server.listen();
}

describe('the leader appends', () => {
  test('[Raft §5.3] it appends a batch as new entries and sends it to all others in parallel', () => {
    const server = established();
    server.propose('x', 'y');
    expect(server.done('accepted')).toMatchObject([{ first: 2, last: 3 }]);
    expect(server.unsynced).toMatchObject([{ entries: [{ index: 2 }, { index: 3 }], thenSend: [] }]);
    const message = { term: 1, prevIndex: 1, prevTerm: 1, entries: [{ index: 2 }, { index: 3 }] };
    expect(server.heard('append')).toMatchObject([
      { to: 'b', message },
      { to: 'c', message },
    ]);
  });

  test('[RaftThesis §10.2.1] it counts itself only once its own write is durable', () => {
    const server = established();
    server.propose('x');
    server.acknowledge('b');
    expect(server.status.commitIndex).toBe(1);
    server.sync();
    expect(server.status.commitIndex).toBe(2);
  });

  test('[RaftThesis §10.2.1] a majority of others commits before its own disk is done', () => {
    const server = established();
    server.propose('x');
    server.acknowledge('b');
    server.acknowledge('c');
    expect(server.done('committed')).toMatchObject([{ entries: [{ index: 2 }] }]);
  });

  test('an acknowledgement that arrives twice counts once', () => {
    const server = established({ members: ['a', 'b', 'c', 'd', 'e'] });
    server.propose('x');
    server.sync();
    for (let copy = 0; copy < 3; copy++) server.acknowledge('b');
    expect(server.status.commitIndex).toBe(1);
  });

  test('alone, it commits what is durable and nothing before', () => {
    const server = new LoneServer({ members: ['a'] });
    server.pass(10);
    server.sync();
    server.propose('x');
    expect(server.status.commitIndex).toBe(1);
    server.sync();
    expect(server.status.commitIndex).toBe(2);
    expect(server.said).toEqual([]);
  });

  test('only a leader takes proposals', () => {
    for (const server of [new LoneServer(), new LoneServer().timeOut(), new LoneServer().stand()]) {
      server.listen().propose('x');
      expect(server.effects).toEqual([{ type: 'refused', reason: 'not-leader' }]);
    }
  });

  test('it refuses what would make too much uncommitted, and takes it again after a commit', () => {
    const server = established({ options: { uncommittedBytesMax: 10 } });
    server.propose('12345678');
    server.propose('1234');
    expect(server.done('refused')).toMatchObject([{ reason: 'overloaded' }]);
    server.acknowledge('b');
    server.acknowledge('c');
    server.listen().propose('a batch far above the limit goes alone');
    expect(server.done('accepted')).toHaveLength(1);
  });

  test('[Raft §5.4.2] what a predecessor left open counts as uncommitted', () => {
    const server = new LoneServer({ terms: [1, 1], options: { uncommittedBytesMax: 10 } }).lead().listen();
    server.propose('12345678');
    expect(server.done('refused')).toHaveLength(1);
    server.acknowledge('b');
    expect(server.status.commitIndex).toBe(3);
    server.propose('12345678');
    expect(server.done('accepted')).toHaveLength(1);
  });
});

describe('the window of a peer', () => {
  test('appends follow each other without waiting, up to the window', () => {
    const server = established({ options: { appendsInFlightMax: 3 } });
    for (const text of ['1', '2', '3', '4', '5']) server.propose(text);
    const toB = () => server.heard('append').filter(({ to }) => to === 'b');
    expect(toB().map(({ message }) => message.prevIndex)).toEqual([1, 2, 3]);
    server.listen().acknowledge('b', 2);
    expect(toB()).toMatchObject([{ message: { prevIndex: 4, entries: [{ index: 5 }, { index: 6 }] } }]);
  });

  test('an append holds at most appendBytesMax of payload, a larger entry goes alone', () => {
    const server = established({ options: { appendBytesMax: 6 } });
    server.propose('123', '123', '1', '123456789', '1');
    const toB = server.heard('append').filter(({ to }) => to === 'b');
    expect(toB.map(({ message }) => message.entries.length)).toEqual([2, 1, 1, 1]);
  });

  test('until it is known where the logs meet, one append is under way', () => {
    const server = new LoneServer({ terms: [1] }).lead().listen();
    server.propose('x');
    server.propose('y');
    expect(server.heard('append')).toEqual([]);
    server.acknowledge('b', 2);
    expect(server.heard('append')).toMatchObject([{ to: 'b', message: { prevIndex: 2, entries: [{}, {}] } }]);
  });

  test('what is not answered is asked for, and sent again when it is lost', () => {
    const server = established();
    server.propose('x');
    server.listen().pass(40);
    expect(server.heard('append')).toEqual([]);
    server.pass(10);
    const question = { prevIndex: 1, entries: [] };
    expect(server.heard('append')).toMatchObject([
      { to: 'b', message: question },
      { to: 'c', message: question },
    ]);
    server.listen().acknowledge('b', 1);
    expect(server.heard('append')).toMatchObject([
      { to: 'b', message: { prevIndex: 1, entries: [{ index: 2 }] } },
    ]);
  });

  test('what was only late is not sent again', () => {
    const server = established();
    server.propose('x');
    server.propose('y');
    server.pass(50);
    server.listen().acknowledge('b', 2);
    expect(server.heard('append')).toEqual([]);
    server.propose('z');
    expect(server.heard('append')).toMatchObject([
      { to: 'b', message: { prevIndex: 3, entries: [{ index: 4 }] } },
    ]);
  });

  test('a question that was lost is asked again', () => {
    const server = established();
    server.propose('x');
    server.pass(50);
    server.listen().pass(50);
    expect(server.heard('append').map(({ to, message }) => [to, message.entries.length])).toEqual([
      ['b', 0],
      ['c', 0],
    ]);
  });

  test('a lost append shows in the rejection of the next, and both are sent again', () => {
    const server = established();
    server.propose('lost');
    server.propose('rejected');
    server.listen();
    server.receive('b', { type: 'append-rejected', term: 1, prevIndex: 2, hintIndex: 1, hintTerm: 1 });
    expect(server.heard('append')).toMatchObject([{ to: 'b', message: { prevIndex: 1, entries: [{}, {}] } }]);
  });

  test('an acknowledgement that came late does not lower what has matched', () => {
    const server = established();
    server.propose('x', 'y');
    server.sync();
    server.acknowledge('b', 3);
    server.acknowledge('b', 2);
    server.listen().pass(50);
    expect(server.heard('heartbeat')[0]).toMatchObject({ to: 'b', message: { commitIndex: 3 } });
  });

  test('a rejection from before what has matched changes nothing', () => {
    const server = established();
    server.receive('b', { type: 'append-rejected', term: 1, prevIndex: 1, hintIndex: 0, hintTerm: 0 });
    expect(server.said).toEqual([]);
  });
});

describe('the follower takes entries', () => {
  // [Raft fig. 7]: the log of the new leader of term 8, and the followers that may stand beside it.
  const leaderTerms = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  test.each([
    { name: 'a', terms: [1, 1, 1, 4, 4, 5, 5, 6, 6] },
    { name: 'b', terms: [1, 1, 1, 4] },
    { name: 'c', terms: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6] },
    { name: 'd', terms: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7] },
    { name: 'e', terms: [1, 1, 1, 4, 4, 4, 4] },
    { name: 'f', terms: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3] },
  ])('[Raft §5.3, fig. 7 ($name)] its log becomes the leader’s, whatever it held', ({ terms }) => {
    const leader = new LoneServer({ terms: leaderTerms, term: 7, members: ['a', 'b', 'c'] }).lead();
    const follower = new LoneServer({ terms, members: ['a', 'b', 'c'] });
    let rejections = 0;
    for (let turn = 0; turn < 20; turn++) {
      const toB = leader.said.filter(({ to }) => to === 'b');
      leader.listen();
      for (const { message } of toB) follower.receive('b', message);
      follower.sync();
      rejections += follower.heard('append-rejected').length;
      for (const { message } of follower.said) leader.receive('b', message);
      follower.listen();
    }
    expect(follower.terms).toEqual([...leaderTerms, 8]);
    expect(leader.status.commitIndex).toBe(11);
    expect(rejections).toBeLessThanOrEqual(3);
  });

  test.each([
    { why: 'its log ends before', prev: [3, 2], hint: [2, 2] },
    { why: 'it holds a later term there', prev: [2, 1], hint: [1, 1] },
    { why: 'it holds an earlier term there', prev: [2, 3], hint: [2, 2] },
  ] as const)('[Raft §5.3] it rejects an append when $why', ({ prev, hint }) => {
    const server = new LoneServer({ terms: [1, 2] });
    server.receive('b', appendOf({ term: 3, prev, terms: [3] }));
    server.sync();
    const [prevIndex] = prev;
    const [hintIndex, hintTerm] = hint;
    expect(server.heard('append-rejected')).toMatchObject([{ message: { prevIndex, hintIndex, hintTerm } }]);
    expect(server.terms).toEqual([1, 2]);
  });

  test('[Raft §5.3] a conflicting entry goes, and all that follow it', () => {
    const server = new LoneServer({ terms: [1, 1, 1, 1] });
    server.receive('b', appendOf({ term: 2, prev: [1, 1], terms: [1, 2] }));
    expect(server.terms).toEqual([1, 1, 2]);
    expect(server.unsynced).toMatchObject([{ truncateAfter: 2, entries: [{ index: 3, reign: 2 }] }]);
  });

  test('[Raft fig. 2] an append that came late does not remove what was appended since', () => {
    const server = new LoneServer();
    server.receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1, 1] }));
    server.sync();
    server.listen().receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1] }));
    expect(server.terms).toEqual([1, 1]);
    expect(server.unsynced).toEqual([]);
    expect(server.heard('append-accepted')).toMatchObject([{ message: { matchIndex: 1 } }]);
  });

  test('[Raft fig. 2] it commits no further than the last entry of the append', () => {
    const server = new LoneServer({ terms: [1, 1, 1] });
    server.receive('b', appendOf({ term: 2, prev: [2, 1], commit: 9 }));
    expect(server.status.commitIndex).toBe(2);
    server.receive('b', appendOf({ term: 2, prev: [2, 1], terms: [2], commit: 9 }));
    expect(server.status.commitIndex).toBe(3);
    expect(server.done('committed').map(({ entries }) => entries.map(({ index }) => index))).toEqual([
      [1, 2],
      [3],
    ]);
  });

  test('[Raft fig. 2] it acknowledges what is durable, never before', () => {
    const server = new LoneServer();
    server.receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1, 1] }));
    server.receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1] }));
    expect(server.said).toEqual([]);
    server.sync();
    expect(server.heard('append-accepted').map(({ message }) => message.matchIndex)).toEqual([2, 1]);
  });

  test('a heartbeat is answered at once while entries wait for the disk, unless its term is new', () => {
    const server = new LoneServer();
    server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 0, round: 1, rests: false });
    expect(server.said).toEqual([]);
    server.sync();
    expect(server.heard('heartbeat-reply')).toMatchObject([{ message: { term: 1, round: 1 } }]);
    server.listen().receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1] }));
    server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 0, round: 2, rests: false });
    expect(server.said).toMatchObject([{ message: { type: 'heartbeat-reply', round: 2 } }]);
  });

  test('a heartbeat commits what was acknowledged', () => {
    const server = new LoneServer({ terms: [1, 1] });
    server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 2, round: 1, rests: false });
    expect(server.done('committed')).toMatchObject([{ entries: [{ index: 1 }, { index: 2 }] }]);
  });

  test('a log that ends before what the leader knows as acknowledged stops the server', () => {
    const server = new LoneServer({ terms: [1] });
    const heartbeat = { type: 'heartbeat', term: 1, commitIndex: 2, round: 1, rests: false } as const;
    expect(() => server.receive('b', heartbeat)).toThrow('what was acknowledged is in the log');
  });

  test('two leaders of one term stop the server', () => {
    const server = new LoneServer();
    server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 0, round: 1, rests: false });
    const heartbeat = { type: 'heartbeat', term: 1, commitIndex: 0, round: 1, rests: false } as const;
    expect(() => server.receive('c', heartbeat)).toThrow('at most one leader per term');
  });
});

describe('the leader’s heartbeats', () => {
  test('tell each peer to commit what it is known to hold, and no more', () => {
    const server = established({ members: ['a', 'b', 'c', 'd', 'e'] });
    server.propose('x');
    server.sync();
    server.acknowledge('b');
    server.acknowledge('c');
    server.listen().pass(50);
    const told = server.heard('heartbeat').map(({ to, message }) => [to, message.commitIndex]);
    expect(told).toEqual([
      ['b', 2],
      ['c', 2],
      ['d', 1],
      ['e', 1],
    ]);
  });

  test('[RaftThesis §6.2] a leader that has heard no majority for an election timeout steps down', () => {
    const server = established();
    const leading = server.listen();
    leading.propose('x');
    server.step({ type: 'read', read: 1 });
    server.sync();
    server.pass(300);
    expect(server.status.role).toBe('leader');
    server.pass(10);
    expect(server.status).toMatchObject({ role: 'follower', leader: undefined, reign: 1 });
    expect(server.done('read-refused')).toMatchObject([{ read: 1 }]);
  });

  test('[RaftThesis §6.2] one answering peer of two is enough to stay', () => {
    const server = established();
    for (let beat = 0; beat < 20; beat++) {
      server.pass(100);
      const [last] = server.heard('heartbeat').slice(-1);
      server.receive('b', { type: 'heartbeat-reply', term: 1, round: last?.message.round ?? 0 });
    }
    expect(server.status.role).toBe('leader');
  });

  test('a leader whose disk hangs steps down, although its peers answer', () => {
    const server = established();
    server.propose('x');
    for (let beat = 0; beat < 4; beat++) {
      server.pass(80);
      server.acknowledge('b');
    }
    expect(server.status.role).toBe('follower');
    server.listen().pass(400);
    expect(server.said).toEqual([]);
  });
});

describe('what must not be', () => {
  test('an append from a second leader of the own term stops a leader', () => {
    const server = established();
    expect(() => server.receive('b', appendOf({ term: 1, prev: [0, 0] }))).toThrow('leader-heard');
  });

  test('a conflict with a committed entry stops the server', () => {
    const server = new LoneServer({ terms: [1, 1] });
    server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 2, round: 1, rests: false });
    const conflict = appendOf({ term: 2, prev: [1, 1], terms: [2] });
    expect(() => server.receive('c', conflict)).toThrow('what is committed is never replaced');
  });

  test('entries that were never sent are not acknowledged', () => {
    const server = established();
    expect(() => server.acknowledge('b', 7)).toThrow('nobody matches more than the leader has');
  });

  test('a server outside the members does not start', () => {
    expect(() => new LoneServer({ members: ['b', 'c'] })).toThrow('one of the members');
  });
});
