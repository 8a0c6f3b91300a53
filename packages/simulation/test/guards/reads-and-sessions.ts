/** Guards of scenarios 26 to 29: what a read may answer, and that a command takes effect once. */
import { both, method, type PlantedGuard, paxos, raft, rule } from './removal.ts';

export const forgetsSessions = method(
  'consensus/src/replica/session-table.ts#SessionTable#restore',
  () => () => undefined,
);

const clockRates = new WeakMap<object, number>();
let tables = 0;
/** Every second table of sessions has a clock that runs at double speed. */
const ownTimeMs = (table: object, logTimeMs: number): number => {
  const rate = clockRates.get(table) ?? 1 + (tables++ % 2);
  clockRates.set(table, rate);
  return rate * logTimeMs;
};
/** Both look at that clock: a session is as old as the one says, since what the other said. */
const expireByOwnClock = [
  method(
    'consensus/src/replica/session-table.ts#SessionTable#open',
    (original) => (self, name, nonce, nowMs) => original.call(self, name, nonce, ownTimeMs(self, nowMs)),
  ),
  method(
    'consensus/src/replica/session-table.ts#SessionTable#record',
    (original) => (self, header, results, nowMs) =>
      original.call(self, header, results, ownTimeMs(self, nowMs)),
  ),
];

export const readAndSessionGuards: readonly PlantedGuard[] = [
  {
    scenario: '26-new-leaders-read',
    protocols: raft,
    guard: 'a new leader answers, by a round or by its lease, when it has committed in its own term; at once',
    removals: [rule('consensus/src/raft/read-index.ts#hasCommittedInOwnTerm', () => () => true)],
    red: /not linearizable/,
  },
  {
    scenario: '26-new-leaders-read',
    protocols: paxos,
    guard:
      'a read sees all that phase 1 found open, chosen under the own ballot; what was known as chosen before',
    removals: [
      rule(
        'consensus/src/multi-paxos/read-index.ts#readIndex',
        () =>
          ({ chosenUpTo }) =>
            chosenUpTo,
      ),
    ],
    red: /not linearizable/,
  },
  {
    scenario: '27-lease-and-clocks',
    protocols: paxos,
    guard: 'a lease is shorter than every loyalty by as much as clocks may differ; it never ends',
    removals: [rule('consensus/src/multi-paxos/leader-lease.ts#holdsLease', () => () => true)],
    red: /not linearizable/,
  },
  {
    scenario: '27-lease-and-clocks',
    protocols: raft,
    guard: 'a lease is shorter than every loyalty by as much as clocks may differ; it never ends',
    removals: [rule('consensus/src/raft/leader-lease.ts#leaseIsRunning', () => () => true)],
    red: /not linearizable/,
  },
  {
    scenario: '27-lease-and-clocks',
    protocols: both,
    guard: 'a lease is shorter than the loyalty it stands on by as much as clocks may differ; it is as long',
    removals: [rule('consensus/src/replica/clock-bound.ts#leaseMsFor', () => (loyalMs) => loyalMs)],
    red: /not linearizable: .* saw 1 in key "x"/,
  },
  {
    scenario: '27-lease-and-clocks',
    protocols: raft,
    guard: 'a lease counts from the sending of the round; from the answer',
    removals: [
      rule('consensus/src/raft/leader.ts#onHeartbeatReply', (original) => (state, leader, ...rest) => {
        const before = leader.lease.confirmedSentMs;
        original(state, leader, ...rest);
        if (leader.lease.confirmedSentMs !== before) leader.lease.confirmedSentMs = state.nowMs;
      }),
    ],
    red: /not linearizable: .* saw 4 in key "x"/,
  },
  {
    scenario: '27-lease-and-clocks',
    protocols: paxos,
    guard: 'a lease counts from the sending of the round; from the answer',
    removals: [
      rule('consensus/src/multi-paxos/leader-lease.ts#renewLease', (original) => (state, { lease }) => {
        const before = lease.confirmedSentMs;
        original(state, state.proposer);
        if (lease.confirmedSentMs !== before) lease.confirmedSentMs = state.nowMs;
      }),
    ],
    red: /not linearizable: .* saw 4 in key "x"/,
  },
  {
    scenario: '28-old-side-reads',
    protocols: both,
    guard: 'a session read waits for what its session has seen; it does not',
    removals: [
      method(
        'consensus/src/replica/pending-reads.ts#PendingReads#serveFrom',
        (original) =>
          (self, read, _, ...rest) =>
            original.call(self, read, 0, ...rest),
      ),
    ],
    red: /\+ client 1: get x session -> 1/,
  },
  {
    scenario: '29-exactly-once',
    protocols: both,
    guard: 'the table of sessions is part of the snapshot; it is not',
    removals: [forgetsSessions],
    red: /hold different states/,
  },
  {
    scenario: '29-exactly-once',
    protocols: both,
    guard: 'sessions expire by the time in the log; by a clock that each replica has for itself',
    removals: expireByOwnClock,
    red: /applied the same and hold different states/,
  },
];
