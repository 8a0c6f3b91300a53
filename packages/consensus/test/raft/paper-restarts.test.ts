/**
 * Servers that crash, and what of their state survives, sentence by sentence. [Raft §5.5, fig. 2: volatile state]
 */
import type { NodeId } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Entry, LogIndex, Reign } from '../../src/protocol.ts';
import { decodeHardState } from '../../src/raft/hard-state.ts';
import type { RaftMessage } from '../../src/raft/message.ts';
import { appendOf, LoneServer, type Untyped } from './lone-server.ts';

/** What is on the disk of a server, write by write; from it the server can be started again. */
class Disk {
  term = 0;
  votedFor: NodeId | undefined;
  snapshot = { index: 0, term: 0 };
  entries: Entry[] = [];

  /** Completes what the server writes. The answers that wait for it do not leave: the server crashes first. */
  take(server: LoneServer): void {
    for (const write of server.unsynced.splice(0)) {
      if (write.type === 'install') {
        const { index, reign } = write.snapshot;
        this.snapshot = { index, term: reign };
        this.entries = write.discardsLog ? [] : this.entries.filter((entry) => entry.index > index);
        continue;
      }
      if (write.hardState !== undefined) {
        const { currentTerm, votedFor } = decodeHardState(write.hardState);
        this.term = currentTerm;
        this.votedFor = votedFor;
      }
      const { truncateAfter } = write;
      if (truncateAfter !== undefined)
        this.entries = this.entries.filter(({ index }) => index <= truncateAfter);
      this.entries.push(...write.entries);
    }
  }

  start(): LoneServer {
    const { term, votedFor, snapshot, entries } = this;
    const server = new LoneServer({
      term,
      snapshot,
      terms: entries.map(({ reign }) => reign),
      ...(votedFor === undefined ? {} : { votedFor }),
    });
    // Loyal to nobody: a restarted server answers no candidate within the shortest election timeout.
    server.pass(150);
    return server.listen();
  }

  get content(): unknown {
    const { term, votedFor, snapshot, entries } = this;
    return structuredClone({ term, votedFor, snapshot, entries });
  }
}

type Rpc = (server: LoneServer) => void;

const rpc =
  (from: string, message: Untyped<RaftMessage>): Rpc =>
  (server) =>
    server.receive(from, message);
const snapshotOf =
  (index: number, reign: number): Rpc =>
  (server) =>
    server.step({
      type: 'snapshot-received',
      from: 'b' as NodeId,
      reign: 5 as Reign,
      leads: true,
      last: { index: index as LogIndex, reign: reign as Reign },
    });

describe('[Raft §5.5] a server that crashes after completing an RPC but before responding', () => {
  const voteRequest = { type: 'vote-request', term: 5, lastIndex: 9, lastTerm: 4, gaveWay: 0 } as const;
  test.each<[string, Rpc, RaftMessage['type'], object]>([
    [
      'AppendEntries of new entries',
      rpc('b', appendOf({ term: 5, prev: [3, 2], terms: [5, 5], commit: 3 })),
      'append-accepted',
      { matchIndex: 5 },
    ],
    [
      'AppendEntries that replaces a conflicting tail',
      rpc('b', appendOf({ term: 5, prev: [1, 1], terms: [4] })),
      'append-accepted',
      { matchIndex: 2 },
    ],
    ['RequestVote', rpc('b', voteRequest), 'vote-reply', { granted: true }],
    ['InstallSnapshot of a prefix', snapshotOf(2, 2), 'append-accepted', { matchIndex: 2 }],
    ['InstallSnapshot in place of the log', snapshotOf(7, 4), 'append-accepted', { matchIndex: 7 }],
  ])('receives the same one again after its restart, and it does no harm: %s', (_, call, reply, says) => {
    const disk = new Disk();
    const past = { terms: [1, 2, 2] };
    disk.entries = [1, 2, 2].map((reign, at) => ({
      index: (at + 1) as LogIndex,
      reign: reign as Reign,
      timeMs: 5,
      payload: new Uint8Array(0),
    }));
    const server = new LoneServer(past);
    server.pass(150);
    call(server.listen());
    expect(server.heard(reply)).toEqual([]);
    disk.take(server);
    const completed = disk.content;

    for (let restart = 1; restart <= 3; restart++) {
      const again = disk.start();
      call(again);
      again.sync();
      expect(again.heard(reply)).toMatchObject([{ to: 'b', message: says }]);
      const rewritten = disk.start();
      call(rewritten);
      disk.take(rewritten);
      expect(disk.content).toEqual(completed);
    }
  });

  test('has forgotten what it had not completed, and completes it at the retry', () => {
    const disk = new Disk();
    const first = disk.start();
    first.receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1, 1] }));
    const retried = disk.start();
    expect(retried.status).toMatchObject({ reign: 0, lastIndex: 0 });
    retried.receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1, 1] }));
    retried.sync();
    expect(retried.heard('append-accepted')).toMatchObject([{ message: { matchIndex: 2 } }]);
  });
});

test('[Raft §5.5] Raft RPCs are idempotent: each once, or as often as it is retried over restarts, leaves the same', () => {
  // What one leader of term 6 may send: pieces of its own log.
  const leaderTerms = [1, 1, 2, 4, 6, 6, 6];
  const piece = fc.tuple(
    fc.nat({ max: 7 }),
    fc.nat({ max: 4 }),
    fc.nat({ max: 7 }),
    fc.integer({ min: 1, max: 3 }),
  );
  const followerTerms = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 6 }).map((all) => all.sort());
  fc.assert(
    fc.property(followerTerms, fc.array(piece, { maxLength: 8 }), (terms, pieces) => {
      const contents = [1, undefined].map((times) => {
        const disk = new Disk();
        const before = new LoneServer({ terms });
        disk.entries = terms.map((reign, at) => entryOf(at + 1, reign));
        disk.term = before.status.reign;
        for (const [prev, count, commit, retries] of pieces) {
          const append = appendOf({
            term: 6,
            prev: [prev, leaderTerms[prev - 1] ?? 0],
            terms: leaderTerms.slice(prev, prev + count),
            commit,
          });
          for (let time = 0; time < (times ?? retries); time++) {
            const server = disk.start();
            server.receive('b', append);
            disk.take(server);
          }
        }
        return disk.content;
      });
      expect(contents[1]).toEqual(contents[0]);
    }),
  );
});

function entryOf(index: number, reign: number): Entry {
  const payload = new TextEncoder().encode(`${index}/${reign}`);
  return { index: index as LogIndex, reign: reign as Reign, timeMs: 5, payload };
}

describe('[Raft fig. 2, State]', () => {
  /** What a leader of term 3 may say to a follower that shares its log up to `shared`. */
  const word = fc.record({
    prev: fc.nat({ max: 8 }),
    count: fc.nat({ max: 3 }),
    commit: fc.nat({ max: 12 }),
    isHeartbeat: fc.boolean(),
  });
  const leaderTerms = [1, 1, 2, 3, 3, 3, 3, 3];

  function say(
    server: LoneServer,
    { prev, count, commit, isHeartbeat }: typeof word extends fc.Arbitrary<infer T> ? T : never,
  ): void {
    if (isHeartbeat) {
      // A leader says to each how far it is committed, as far as that one has acknowledged.
      const known = Math.min(commit, acknowledged(server));
      server.receive('b', { type: 'heartbeat', term: 3, commitIndex: known, round: 1, rests: false });
      return;
    }
    const terms = leaderTerms.slice(prev, prev + count);
    server.receive('b', appendOf({ term: 3, prev: [prev, leaderTerms[prev - 1] ?? 0], terms, commit }));
  }

  const acknowledged = (server: LoneServer): number =>
    Math.max(0, ...server.heard('append-accepted').map(({ message }) => message.matchIndex));

  test('commitIndex is the highest entry known to be committed: it increases monotonically', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 20 }), (words) => {
        const server = new LoneServer({ terms: [1, 1] });
        let [before, told] = [0, 0];
        for (const one of words) {
          say(server, one);
          server.sync();
          told = Math.max(told, one.commit);
          const { commitIndex, lastIndex } = server.status;
          expect(commitIndex).toBeGreaterThanOrEqual(before);
          expect(commitIndex).toBeLessThanOrEqual(Math.min(told, lastIndex));
          before = commitIndex;
        }
      }),
    );
  });

  test('lastApplied is the highest entry handed to the state machine: from 0 on it increases one by one, up to commitIndex', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 20 }), (words) => {
        const server = new LoneServer({ terms: [1, 1] });
        let lastApplied = 0;
        for (const one of words) {
          const seen = server.done('committed').length;
          say(server, one);
          server.sync();
          for (const { entries } of server.done('committed').slice(seen)) {
            for (const { index } of entries) {
              expect(index).toBe(lastApplied + 1);
              lastApplied = index;
            }
          }
          expect(lastApplied).toBe(server.status.commitIndex);
        }
      }),
    );
  });

  test('both are volatile: after a restart they begin anew, or where the snapshot ends, and everything is applied again', () => {
    const disk = new Disk();
    const server = disk.start();
    server.receive('b', appendOf({ term: 1, prev: [0, 0], terms: [1, 1, 1], commit: 3 }));
    disk.take(server);
    expect(server.status.commitIndex).toBe(3);
    const restarted = disk.start();
    expect(restarted.status.commitIndex).toBe(0);
    restarted.receive('b', appendOf({ term: 1, prev: [3, 1], commit: 3 }));
    expect(restarted.done('committed').flatMap(({ entries }) => entries.map(({ index }) => index))).toEqual([
      1, 2, 3,
    ]);

    const behindSnapshot = new LoneServer({ snapshot: { index: 2, term: 1 }, terms: [1] });
    expect(behindSnapshot.status.commitIndex).toBe(2);
    behindSnapshot.receive('b', appendOf({ term: 1, prev: [3, 1], commit: 3 }));
    expect(
      behindSnapshot.done('committed').flatMap(({ entries }) => entries.map(({ index }) => index)),
    ).toEqual([3]);
  });

  test('votedFor is the candidate that received the vote in the current term, or none: a new term begins with none', () => {
    const disk = new Disk();
    const voter = disk.start();
    voter.receive('b', { type: 'vote-request', term: 1, lastIndex: 0, lastTerm: 0, gaveWay: 0 });
    disk.take(voter);
    expect(disk.content).toMatchObject({ term: 1, votedFor: 'b' });
    voter.receive('c', appendOf({ term: 2, prev: [0, 0] }));
    disk.take(voter);
    expect(disk.content).toMatchObject({ term: 2, votedFor: undefined });
  });

  test('nextIndex and matchIndex are reinitialized after each election', () => {
    const server = new LoneServer().lead();
    const progress = () => {
      const { role } = server.state;
      return role.name === 'leader' ? role.progress.get('b' as NodeId) : undefined;
    };
    server.propose('x');
    server.sync();
    server.acknowledge('b');
    expect(progress()).toMatchObject({ matchIndex: 2, nextIndex: 3 });
    server.receive('c', appendOf({ term: 2, prev: [2, 1], terms: [2] }));
    server.sync();
    expect(progress()).toBeUndefined();
    server.stand();
    server.receive('b', { type: 'vote-reply', term: 3, granted: true });
    expect(progress()).toMatchObject({ matchIndex: 0 });
    server.sync();
    // Its log ended at 3 when it was elected: the entry sent first is the one after that.
    expect(server.heard('append').at(-1)?.message).toMatchObject({ term: 3, prevIndex: 3, prevTerm: 2 });
  });
});

test('[Raft fig. 2, AppendEntries RPC] success: true if the follower contained an entry matching prevLogIndex and prevLogTerm', () => {
  const terms = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 6 }).map((all) => all.sort());
  fc.assert(
    fc.property(terms, fc.nat({ max: 8 }), fc.integer({ min: 1, max: 3 }), (held, index, term) => {
      const server = new LoneServer({ terms: held });
      server.receive('b', appendOf({ term: 4, prev: [index, index === 0 ? 0 : term], terms: [4] }));
      server.sync();
      const contained = index === 0 || held[index - 1] === term;
      expect(server.heard('append-accepted')).toHaveLength(contained ? 1 : 0);
      expect(server.heard('append-rejected')).toHaveLength(contained ? 0 : 1);
    }),
  );
});
