/**
 * The guards that only a hand-fed message shows, each with the way to take it out. `hand-fed.test.ts` has the messages;
 * `docs/TRACK-RECORD.md` has a row for each.
 */

// biome-ignore lint/suspicious/noExplicitAny: guards of every shape are replaced here
export type AnyFunction = (...values: any[]) => any;

/** A guard is an exported function of this file below `src`, or a method of a class there. */
export interface HandFedGuard {
  /** Its number in the track record. */
  readonly scenario: number;
  readonly protocols: readonly string[];
  /** What the guard says, and what is done instead. */
  readonly guard: string;
  readonly file: string;
  readonly name: string;
  readonly spoil: (original: AnyFunction) => AnyFunction;
}

/** Scenarios that are no transcripts: what they are called, and where they come from. */
export const handFedScenarios: readonly {
  readonly scenario: number;
  readonly title: string;
  readonly source: string;
}[] = [
  { scenario: 3, title: 'A shorter append comes late', source: 'akka-raft #66, hashicorp/raft #113' },
  {
    scenario: 4,
    title: 'An empty append tells of a commit beyond what it matches',
    source: 'copycat #265',
  },
  {
    scenario: 6,
    title: 'A value is accepted under a ballot that was never promised',
    source: 'Marc Brooker 2021, CASSANDRA-17162',
  },
  {
    scenario: 8,
    title: 'The highest ballot binds, not the most frequent value',
    source: 'Paxos Made Simple §2.2',
  },
  {
    scenario: 61,
    title: 'A read is confirmed in an epoch, and the next one begins before the state has got so far',
    source: 'Lamport, Malkhi, Zhou, "Stoppable Paxos", 2008',
  },
  {
    scenario: 62,
    title: 'A lease is running when the epoch is to end, or the lead to be handed over',
    source: 'Raft thesis §3.10 and §6.4.1',
  },
];

const raft = ['raft'];
const paxos = ['multi-paxos'];
let reportsHeard = 1_000_000;

export const handFedGuards = {
  appendEndsTheLog: {
    scenario: 3,
    protocols: raft,
    guard: 'only a conflicting entry removes others; every append ends the log',
    file: 'raft/follower.ts',
    name: 'onAppend',
    spoil: (original) => (state, from, append, effects) => {
      original(state, from, append, effects);
      const end = append.prevIndex + append.entries.length;
      if (state.log.lastIndex > end) state.log.truncateAfter(end);
    },
  },
  commitsWhatTheLeaderSays: {
    scenario: 4,
    protocols: raft,
    guard: 'a follower commits no further than an append has matched; it commits what the leader says',
    file: 'raft/commit-rule.ts',
    name: 'followerCommitIndex',
    spoil: () => (known) => known.leaderCommitIndex,
  },
  acceptsWithoutPromise: {
    scenario: 6,
    protocols: paxos,
    guard: 'an acceptance binds like a promise of its ballot; it does not',
    file: 'multi-paxos/allegiance.ts',
    name: 'follow',
    spoil: () => (state, _, from) => {
      state.leader = from;
    },
  },
  adoptsTheLatestReport: {
    scenario: 8,
    protocols: paxos,
    guard: 'the value of the highest ballot is adopted; the one that was reported last is',
    file: 'multi-paxos/proposer.ts',
    name: 'onPromise',
    spoil: (original) => (state, from, message) => {
      const accepted = message.accepted.map((entry: object) => ({ ...entry, reign: reportsHeard++ }));
      original(state, from, { ...message, accepted });
    },
  },
  standsAtOnce: {
    scenario: 17,
    protocols: raft,
    guard: 'when a leader has ended, its followers stand one after the other; all at once',
    file: 'raft/state.ts',
    name: 'ownTurnMs',
    spoil:
      () =>
      ({ nowMs }) =>
        nowMs,
  },
  preparesAtOnce: {
    scenario: 17,
    protocols: paxos,
    guard: 'when a leader has ended, its acceptors stand one after the other; all at once',
    file: 'multi-paxos/stability.ts',
    name: 'staggerMs',
    spoil: () => () => 0,
  },
  yieldsToRivals: {
    scenario: 17,
    protocols: raft,
    guard: 'of two that ask for the same pre-votes one goes first; each grants the other its wish',
    file: 'raft/election-restriction.ts',
    name: 'hasPrecedence',
    spoil: () => () => false,
  },
  standsByTheClock: {
    scenario: 17,
    protocols: raft,
    guard: 'election timeouts are drawn anew each time; all are the shortest',
    file: 'raft/state.ts',
    name: 'resetElectionTimer',
    spoil: () => (state) => {
      state.electionDueMs = state.nowMs + state.options.electionTimeoutMs[0];
    },
  },
  floodsFollowers: {
    scenario: 18,
    protocols: raft,
    guard: 'what is under way to a follower is bounded; it is not',
    file: 'raft/flow-control.ts',
    name: 'hasRoom',
    spoil:
      (original) =>
      (progress, ...rest) =>
        progress.state === 'replicate' || original(progress, ...rest),
  },
  floodsAcceptors: {
    scenario: 18,
    protocols: paxos,
    guard: 'what is under way to an acceptor is bounded; it is not',
    file: 'multi-paxos/flow-control.ts',
    name: 'hasRoom',
    spoil: () => () => true,
  },
  votesAgainstALivingLeader: {
    scenario: 27,
    protocols: raft,
    guard: 'who has just heard a leader, or has just started, votes for nobody else; it does',
    file: 'raft/election-restriction.ts',
    name: 'isLeaderFresh',
    spoil: () => () => false,
  },
  promisesAgainstALivingLeader: {
    scenario: 27,
    protocols: paxos,
    guard: 'who has just heard a leader, or has just started, promises nobody else anything; it does',
    file: 'multi-paxos/stability.ts',
    name: 'leaderSeemsAlive',
    spoil: () => () => false,
  },
  snapshotDropsTheSuffix: {
    scenario: 34,
    protocols: raft,
    guard: 'a snapshot of a prefix leaves what follows it in the log; it takes the place of all',
    file: 'raft/snapshot-boundary.ts',
    name: 'replacesLog',
    spoil: () => () => true,
  },
  snapshotForgetsWhatFollows: {
    scenario: 34,
    protocols: paxos,
    guard: 'a snapshot leaves what was accepted above it; it takes the place of all',
    file: 'multi-paxos/learner.ts',
    name: 'onSnapshotReceived',
    spoil: (original) => (state, input) => {
      original(state, input);
      state.log.forget(state.log.last);
    },
  },
  endsAnyEpoch: {
    scenario: 58,
    protocols: ['raft', 'multi-paxos'],
    guard: 'a command that ends an epoch ends the one before that which it names; any',
    file: 'replica/epoch.ts',
    name: 'endsEpoch',
    spoil: () => () => true,
  },
  servesBeyondTheEnd: {
    scenario: 61,
    protocols: ['raft', 'multi-paxos'],
    guard: 'a read that was confirmed at or beyond the end of its epoch is asked anew; it is answered',
    file: 'replica/epoch.ts',
    name: 'mayServeRead',
    spoil: () => () => true,
  },
  leaseOutlastsTheTerm: {
    scenario: 62,
    protocols: raft,
    guard:
      'the lease ends before the end of the epoch is proposed, and before the target is told to stand; it goes on',
    file: 'raft/leader-lease.ts',
    name: 'endLease',
    spoil: () => () => undefined,
  },
  leaseOutlastsTheBallot: {
    scenario: 62,
    protocols: paxos,
    guard:
      'the lease ends before the end of the epoch is proposed, and before the successor is told to prepare; it goes on',
    file: 'multi-paxos/leader-lease.ts',
    name: 'endLease',
    spoil: () => () => undefined,
  },
} as const satisfies Readonly<Record<string, HandFedGuard>>;

export type HandFedGuardName = keyof typeof handFedGuards;
