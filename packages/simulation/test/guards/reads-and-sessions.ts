/** Guards of scenarios 26 to 29: what a read may answer, and that a command takes effect once. */
import { border, both, method, type PlantedGuard, paxos, raft, rule } from './removal.ts';

export const forgetsSessions = method(
  'consensus/src/replica/session-table.ts#SessionTable#restore',
  () => () => undefined,
);

export const readAndSessionGuards: readonly PlantedGuard[] = [
  {
    scenario: '26-new-leaders-read',
    protocols: both,
    guard: 'a new leader answers when it has committed in its own reign; it answers at once',
    removals: [border('read-without-quorum')],
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
];
