/**
 * Hazards that only one hand-fed message shows: each is told to a single node, and told once more with the guard
 * taken out that the hazard is about, when it must go wrong. Numbers are those of `docs/TRACK-RECORD.md`.
 */
import { resolve } from 'node:path';
import type { ActorRef, NodeId } from '@quorate/core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { LogIndex, Reign } from '../../src/protocol.ts';
import { defineStateMachine } from '../../src/state-machine.ts';
import { firstEpoch } from '../replica/first-epoch.ts';
import { type AnyFunction, type HandFedGuardName, handFedGuards } from './hand-fed-guards.ts';

let absent: HandFedGuardName | undefined;
const guardNames = Object.keys(handFedGuards) as HandFedGuardName[];
for (const file of new Set(guardNames.map((guard) => handFedGuards[guard].file))) {
  vi.doMock(resolve(import.meta.dirname, '../../src', file), async (importOriginal) => {
    const module = await importOriginal<Record<string, AnyFunction>>();
    const guarded = guardNames
      .filter((guard) => handFedGuards[guard].file === file)
      .map((guard) => {
        const { name, spoil } = handFedGuards[guard];
        const original = module[name];
        if (original === undefined) throw new TypeError(`${file} exports no ${name}`);
        const call: AnyFunction = (...values) => (absent === guard ? spoil(original) : original)(...values);
        return [name, call] as const;
      });
    return { ...module, ...Object.fromEntries(guarded) };
  });
}
const { LoneServer, appendOf } = await import('../raft/lone-server.ts');
const { Member, accept, accepted, ballot, entry, heartbeat, prepare, slot, textOf } = await import(
  '../multi-paxos/member.ts'
);
const { encodeStop } = await import('../../src/replica/payload.ts');
const { PendingReads } = await import('../../src/replica/pending-reads.ts');
const { ReplicatedState } = await import('../../src/replica/replicated-state.ts');

type Server = InstanceType<typeof LoneServer>;
type PaxosMember = InstanceType<typeof Member>;

const leaseMs = 100;
const idleMachine = defineStateMachine({ version: 1 }, () => ({
  apply: () => undefined,
  query: () => null,
  snapshot: () => null,
  restore: () => undefined,
}));
const node = (name: string): NodeId => name as NodeId;
const raftHeartbeat = (term: number) =>
  ({ type: 'heartbeat', term, commitIndex: 0, round: 1, rests: false }) as const;

/** A Raft leader whose newest round was sent just now and is answered by b. */
function raftLeaseHolder(): Server {
  const server = new LoneServer({ options: { leaseMs } }).lead();
  server.acknowledge('b');
  server.listen().pass(50);
  const round = server.heard('heartbeat').at(-1)?.message.round ?? 0;
  server.receive('b', { type: 'heartbeat-reply', term: server.status.reign, round });
  return server.listen();
}

/** Of a Raft leader: whether it answers a read by its lease at once. */
function answersByLease(server: Server): boolean {
  server.listen().step({ type: 'read', read: 1, mayUseLease: true });
  return server.done('read-ready').length > 0;
}

/** A Multi-Paxos leader, b, whose newest round is answered by its peers. */
function paxosLeaseHolder(): PaxosMember {
  const member = new Member('b', ['a', 'b', 'c'], { leaseMs });
  member.leads();
  member.sync();
  const round = Math.max(...member.take('heartbeat').map((sent) => sent.round));
  const { reign, commitIndex } = member.status;
  for (const peer of ['a', 'c'])
    member.receive(peer, { type: 'heartbeat-reply', ballot: reign, round, chosenUpTo: commitIndex });
  return member;
}

const paxosAnswersByLease = (member: PaxosMember): boolean =>
  member.step({ type: 'read', read: 1, mayUseLease: true }).some(({ type }) => type === 'read-ready');

/** 3. [Raft fig. 2] The leader sent [5, 6], and a delayed copy of [5] arrives after it. */
function lateShorterAppend(): void {
  const server = new LoneServer({ terms: [1, 1, 1, 1], term: 1 });
  server.receive('b', appendOf({ term: 1, prev: [4, 1], terms: [1, 1] }));
  server.receive('b', appendOf({ term: 1, prev: [4, 1], terms: [1] }));
  server.sync();
  expect(server.terms).toHaveLength(6);
  expect(server.heard('append-accepted').map(({ message }) => message.matchIndex)).toEqual([6, 5]);
}

/** 4. [Raft fig. 2] An append without entries tells of a commit beyond what it matches. */
function emptyAppendWithHighCommit(): void {
  const server = new LoneServer({ terms: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], term: 1 });
  server.receive('b', appendOf({ term: 2, prev: [9, 1], commit: 10 }));
  expect(server.status.commitIndex).toBe(9);
  const committed = server.done('committed').flatMap(({ entries }) => entries);
  expect(committed.map(({ index }) => index)).not.toContain(10);
}

/** 6. [PaxosSimple §2.2] An acceptor accepts under a ballot that it never promised; then a lower one asks. */
function acceptBindsLikeAPromise(): void {
  const acceptor = new Member('b');
  const [lower, higher] = [ballot(4, 0), ballot(5, 2)];
  acceptor.receive('c', accept(higher, [entry(1, higher, 'x')]));
  acceptor.sync();
  acceptor.restart();
  acceptor.nowMs += 1_000;
  acceptor.receive('a', prepare(lower));
  acceptor.receive('a', accept(lower, [entry(1, lower, 'y')]));
  acceptor.sync();
  expect(acceptor.take('promise')).toEqual([]);
  expect(acceptor.view.entriesAbove(0 as LogIndex).map(textOf)).toEqual(['x']);
}

/** 8. [PaxosSimple §2.2] One acceptor reports x under ballot 3, two report y under ballot 2, one reports nothing. */
function highestBallotBinds(): void {
  const proposer = new Member('e', ['a', 'b', 'c', 'd', 'e']);
  const [second, third] = [ballot(2, 1), ballot(3, 2)];
  proposer.leads(
    { a: [entry(1, third, 'x')], b: [entry(1, second, 'y')], c: [entry(1, second, 'y')], d: [] },
    third,
  );
  const proposed = proposer.take('accept').flatMap(({ entries }) => entries.map(textOf));
  expect(new Set(proposed)).toEqual(new Set(['x']));
}

/** 17. [Raft §5.2] a led, and its thread has ended; b stands, and c a fifth of a heartbeat later. */
function followersStandInTurn(): void {
  const server = new LoneServer({ options: { self: node('c') } });
  server.receive('a', raftHeartbeat(1));
  server.listen().step({ type: 'peer-down', peer: node('a') });
  expect(server.heard('pre-vote-request')).toEqual([]);
  server.pass(10);
  expect(server.heard('pre-vote-request')).toHaveLength(2);
}

/** 17. [PaxosSimple §2.4] The same among acceptors. */
function acceptorsStandInTurn(): void {
  const member = new Member('c');
  member.receive('a', heartbeat(ballot(1, 0)));
  member.step({ type: 'peer-down', peer: node('a') });
  expect(member.take('canvass')).toEqual([]);
  member.pass(10);
  expect(member.take('canvass')).toHaveLength(2);
}

/** 17. [Raft §5.2] a is about to stand, and b, whose log is as good, asks it for its pre-vote. */
function earlierNameGoesFirst(): void {
  const server = new LoneServer({ terms: [1, 2] });
  while (server.status.role === 'follower') server.pass(10);
  server.listen().receive('b', { type: 'pre-vote-request', term: 3, lastIndex: 2, lastTerm: 2 });
  expect(server.heard('pre-vote-reply')).toEqual([]);
}

/** 17. [Raft §5.2] How long a server waits for a leader that has fallen silent is never the same. */
function timeoutsDiffer(): void {
  const server = new LoneServer({ terms: [1] });
  const waitedMs: number[] = [];
  for (let at = 0; at < 8; at++) {
    server.receive('b', raftHeartbeat(1));
    const heardMs = server.nowMs;
    while (server.status.role === 'follower') server.pass(10);
    waitedMs.push(server.nowMs - heardMs);
  }
  expect(new Set(waitedMs).size).toBeGreaterThan(3);
}

/** 18. [RaftThesis §10.2.1] c answers nothing any more, and the load goes on with b alone. */
function followersWindowIsBounded(): void {
  const leader = new LoneServer({ options: { appendsInFlightMax: 2 } }).lead();
  for (const peer of leader.state.peers) leader.acknowledge(peer);
  leader.listen();
  for (let at = 0; at < 50; at++) {
    leader.propose('0123456789');
    leader.sync();
    leader.acknowledge('b');
  }
  const toC = leader.heard('append').filter(({ to, message }) => to === 'c' && message.entries.length > 0);
  expect(toC).toHaveLength(2);
  expect(leader.status.commitIndex).toBe(51);
}

/** 18. [PaxosSimple §3] The same, of an acceptor. */
function acceptorsWindowIsBounded(): void {
  const leader = new Member('b', ['a', 'b', 'c'], { appendsInFlightMax: 2 });
  const mine = leader.leads();
  leader.forgetSent();
  for (let index = 1; index <= 50; index++) {
    leader.propose('0123456789');
    leader.sync();
    leader.receive('a', accepted(mine, index));
  }
  expect(leader.take('accept').filter(({ to }) => to === 'c')).toHaveLength(2);
  expect(leader.status.commitIndex).toBe(50);
}

/** 27. [RaftThesis §6.4.1] A voter that b's lease counts on is asked for its vote by c. */
function votersAreLoyal(): void {
  const server = new LoneServer({ terms: [1] });
  server.pass(160);
  server.receive('b', raftHeartbeat(1));
  server.pass(140);
  server.listen().receive('c', { type: 'vote-request', term: 2, lastIndex: 9, lastTerm: 1, gaveWay: 0 });
  server.sync();
  expect(server.heard('vote-reply')).toEqual([]);
  expect(server.status.reign).toBe(1);
}

/** 27. [PaxosLive §5.2] An acceptor that a's lease counts on is asked for its promise by c. */
function acceptorsAreLoyal(): void {
  const acceptor = new Member('b');
  acceptor.receive('a', heartbeat(ballot(1, 0)));
  acceptor.nowMs += 140;
  acceptor.receive('c', prepare(ballot(2, 2)));
  acceptor.sync();
  expect(acceptor.take('promise')).toEqual([]);
}

/** 34 (b). [Raft fig. 13, 6] A server that has just restarted holds 6 entries; a snapshot of the first 3 comes late. */
function raftSnapshotLeavesTheSuffix(): void {
  const server = new LoneServer({ terms: [1, 1, 1, 1, 1, 1] });
  const last = { index: 3 as LogIndex, reign: 1 as Reign };
  server.step({ type: 'snapshot-received', from: node('b'), leads: true, reign: 1 as Reign, last });
  server.sync();
  expect(server.status).toMatchObject({ commitIndex: 3, snapshotIndex: 3, lastIndex: 6 });
}

/** 34 (b). [PaxosModerately, §4.2] The same, of an acceptor. */
function paxosSnapshotLeavesTheSuffix(): void {
  const acceptor = new Member('b');
  const first = ballot(1, 0);
  acceptor.receive(
    'a',
    accept(
      first,
      [1, 2, 3].map((index) => entry(index, first, `v${index}`)),
    ),
  );
  acceptor.sync();
  const last = { index: slot(1), reign: first };
  acceptor.step({ type: 'snapshot-received', from: node('a'), leads: true, reign: first, last });
  acceptor.sync();
  expect(acceptor.view.entriesAbove(slot(1)).map(textOf)).toEqual(['v2', 'v3']);
}

/** 58. [StoppablePaxos] The command that ended an epoch is applied once more in the next. */
function stopEndsItsOwnEpoch(): void {
  const state = new ReplicatedState(idleMachine, firstEpoch);
  const { base: _, ...next } = { ...firstEpoch, number: 2, appointed: node('a') };
  const stop = (index: number) => ({
    ...entry(index, ballot(1, 0), ''),
    payload: encodeStop(next, 'a nonce'),
  });
  expect(state.apply(stop(1))).toMatchObject({ type: 'sealed' });
  expect(state.apply(stop(2))).toEqual({ type: 'nothing' });
  expect(state.epoch).toMatchObject({ number: 2, base: 1 });
}

/**
 * 61. [StoppablePaxos] The old leader's state machine is slow: the read was confirmed up to where the STOP stands,
 * by members of whom most are in the next epoch already, and have chosen more there.
 */
function confirmedBeyondTheEnd(): void {
  const reads = new PendingReads(1);
  const asker = { client: {} as ActorRef, request: 1 };
  const read = { type: 'client', asker, queries: [], mayUseLease: false } as const;
  reads.confirm(reads.ask(read, 0), 6 as LogIndex);
  reads.seal({ ...firstEpoch, number: 2, base: 6 as LogIndex });
  expect(reads.due(6 as LogIndex)).toEqual([]);
  expect(reads.unconfirmed()).toHaveLength(1);
}

/** 62. [RaftThesis §6.4.1] The next epoch elects without regard to this one's leader. */
function raftLeaseEndsWithTheSeal(): void {
  const server = raftLeaseHolder();
  expect(answersByLease(server)).toBe(true);
  server.step({ type: 'seal' });
  expect(answersByLease(server)).toBe(false);
}

/** 62. [RaftThesis §3.10] Whoever is told to stand may be elected at once. */
function raftLeaseEndsWithATransfer(): void {
  const server = raftLeaseHolder();
  server.acknowledge('c');
  server.step({ type: 'transfer', to: node('c') });
  expect(server.heard('timeout-now')).toHaveLength(1);
  expect(answersByLease(server)).toBe(false);
}

/** 62. [PaxosLive §5.2] The next epoch has acceptors that promised nothing to this one's leader. */
function paxosLeaseEndsWithTheSeal(): void {
  const member = paxosLeaseHolder();
  expect(paxosAnswersByLease(member)).toBe(true);
  member.step({ type: 'seal' });
  expect(paxosAnswersByLease(member)).toBe(false);
}

/** 62. [PaxosLive §5.2] Whoever is told to prepare may lead at once. */
function paxosLeaseEndsWithAHandOver(): void {
  const member = paxosLeaseHolder();
  member.step({ type: 'transfer', to: node('a') });
  expect(member.take('hand-over')).toHaveLength(1);
  expect(paxosAnswersByLease(member)).toBe(false);
}

function whatIsThrownBy(play: () => void): string {
  try {
    play();
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
  return 'nothing';
}

const hazards: readonly (readonly [HandFedGuardName, string, () => void])[] = [
  ['appendEndsTheLog', 'a late and shorter append removes nothing', lateShorterAppend],
  [
    'commitsWhatTheLeaderSays',
    'an empty append commits no further than it matches',
    emptyAppendWithHighCommit,
  ],
  ['acceptsWithoutPromise', 'an acceptance binds like a promise of its ballot', acceptBindsLikeAPromise],
  [
    'adoptsTheLatestReport',
    'the value of the highest ballot is proposed, not the most frequent one',
    highestBallotBinds,
  ],
  ['standsAtOnce', 'followers of a leader that has ended stand in turn', followersStandInTurn],
  ['preparesAtOnce', 'acceptors of a leader that has ended stand in turn', acceptorsStandInTurn],
  ['yieldsToRivals', 'the earlier name goes first', earlierNameGoesFirst],
  ['standsByTheClock', 'election timeouts differ', timeoutsDiffer],
  ['floodsFollowers', 'what is under way to a silent follower is bounded', followersWindowIsBounded],
  ['floodsAcceptors', 'what is under way to a silent acceptor is bounded', acceptorsWindowIsBounded],
  ['votesAgainstALivingLeader', 'a voter is loyal to the leader it has just heard', votersAreLoyal],
  ['promisesAgainstALivingLeader', 'an acceptor is loyal to the leader it has just heard', acceptorsAreLoyal],
  [
    'snapshotDropsTheSuffix',
    'a snapshot of a prefix leaves the rest of the log',
    raftSnapshotLeavesTheSuffix,
  ],
  ['snapshotForgetsWhatFollows', 'a snapshot leaves the slots above it', paxosSnapshotLeavesTheSuffix],
  ['endsAnyEpoch', 'the command that ended an epoch ends no other', stopEndsItsOwnEpoch],
  ['servesBeyondTheEnd', 'a read confirmed beyond the end of its epoch is asked anew', confirmedBeyondTheEnd],
  ['leaseOutlastsTheTerm', 'a lease ends with the seal', raftLeaseEndsWithTheSeal],
  ['leaseOutlastsTheTerm', 'a lease ends with a transfer', raftLeaseEndsWithATransfer],
  ['leaseOutlastsTheBallot', 'a lease ends with the seal, in Paxos', paxosLeaseEndsWithTheSeal],
  ['leaseOutlastsTheBallot', 'a lease ends with a hand-over', paxosLeaseEndsWithAHandOver],
];

test('each guard has its hazard', () => {
  expect(new Set(hazards.map(([guard]) => guard))).toEqual(new Set(guardNames));
});

describe.each(
  hazards.map(([guard, title, play]) => [handFedGuards[guard].scenario, title, guard, play] as const),
)('scenario %i: %s', (_, __, guard, play) => {
  afterEach(() => {
    absent = undefined;
  });

  test('holds', () => play());

  test('goes red without its guard', () => {
    absent = guard;
    expect(whatIsThrownBy(play)).toMatch(/^(AssertionError|InvariantError|CodedError)$/);
  });
});
