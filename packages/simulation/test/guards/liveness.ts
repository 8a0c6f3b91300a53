/** Guards of scenarios 11 to 18: that somebody leads before long, and goes on leading. */
import {
  type AnyFunction,
  both,
  disk,
  type PlantedGuard,
  paxos,
  type Removal,
  raft,
  rule,
} from './removal.ts';

const isLeaderFresh = rule('consensus/src/raft/election-restriction.ts#isLeaderFresh', () => () => false);

export const leaderSeemsAlive = rule(
  'consensus/src/multi-paxos/stability.ts#leaderSeemsAlive',
  () => () => false,
);

/** A pre-vote or canvass succeeds before anybody has answered it. */
const standsUnasked = rule('consensus/src/raft/role-change.ts#becomePreCandidate', (original) => (state) => {
  const campaigner = original(state);
  for (const member of state.options.members) campaigner.grantedBy.add(member);
  return campaigner;
});

export const preparesUnasked = rule(
  'consensus/src/multi-paxos/stability.ts#canvassSucceeded',
  () => () => true,
);

const ignoresReason = (reason: string): Removal =>
  rule(
    'consensus/src/raft/role-change.ts#becomeFollower',
    (original) =>
      (state, because, ...rest) =>
        because === reason ? undefined : original(state, because, ...rest),
  );

/** What others say that they have promised is not heard: the own ballot grows by one with each attempt. */
const ballotsUnheard = rule('consensus/src/multi-paxos/allegiance.ts#noteBallot', () => () => undefined);

const neverFails = (operation: AnyFunction | undefined): AnyFunction => {
  return async (...values) => operation?.(...values).catch(() => undefined);
};

/** With every snapshot the log forgets all that is committed. */
const forgetsAtOnce: Removal = {
  kind: 'border',
  spoil: (protocol) => ({
    ...protocol,
    step(state, input, nowMs, effects) {
      const index = protocol.status(state).commitIndex;
      protocol.step(state, input.type === 'compacted' ? { ...input, index } : input, nowMs, effects);
    },
  }),
};

export const livenessGuards: readonly PlantedGuard[] = [
  {
    scenario: '11-partial-mesh',
    protocols: raft,
    standsBehindOthers: true,
    guard: 'nobody stands who cannot win, and who hears a leader does not help; both are out',
    removals: [standsUnasked, isLeaderFresh],
    red: /leads|new leaders/,
  },
  {
    scenario: '11-partial-mesh',
    protocols: paxos,
    standsBehindOthers: true,
    guard: 'nobody prepares who cannot win, and acceptors are loyal to a leader that they hear; both are out',
    removals: [preparesUnasked, leaderSeemsAlive],
    red: /leads|new leaders/,
  },
  {
    scenario: '12-one-link-cut',
    protocols: raft,
    guard: 'nobody stands who cannot win; whoever misses a leader does',
    removals: [standsUnasked],
    red: /the load goes on|new leaders/,
  },
  {
    scenario: '12-one-link-cut',
    protocols: paxos,
    guard: 'acceptors are loyal to a leader that they hear; they are not',
    removals: [leaderSeemsAlive],
    red: /new leaders/,
  },
  {
    scenario: '13-one-way-leader',
    protocols: raft,
    guard: 'a leader that hears no majority steps down; it does not',
    removals: [ignoresReason('quorum-lost')],
    red: /not within 1000 ms: a steps down/,
  },
  {
    scenario: '13-one-way-leader',
    protocols: paxos,
    guard: 'a leader that hears no quorum lets go; it does not',
    removals: [rule('consensus/src/multi-paxos/stability.ts#hasLostItsQuorum', () => () => false)],
    red: /not within 1000 ms: a steps down/,
  },
  {
    scenario: '13-one-way-leader',
    protocols: raft,
    guard: 'who hears nobody stands only when others would vote for it; it stands',
    removals: [standsUnasked],
    red: /there were 1 new leaders/,
  },
  {
    scenario: '13-one-way-leader',
    protocols: paxos,
    guard: 'who hears nobody prepares only when others would promise; it prepares',
    removals: [preparesUnasked],
    red: /not within 100 ms: the load goes on/,
  },
  {
    scenario: '13-one-way-leader',
    protocols: paxos,
    guard: 'acceptors are loyal to a leader that they hear, whoever else asks; they are not',
    removals: [leaderSeemsAlive],
    red: /there were 1 new leaders/,
  },
  {
    scenario: '13-one-way-leader',
    protocols: raft,
    guard: 'who misses its leader stands; it waits',
    removals: [
      rule('consensus/src/raft/candidate.ts#campaign', (original) => (state, effects) => {
        if (state.currentTerm === 0) original(state, effects);
      }),
    ],
    red: /not within 1000 ms: one of b c leads/,
  },
  {
    scenario: '13-one-way-leader',
    protocols: paxos,
    guard: 'who misses its leader stands; it waits',
    removals: [
      rule('consensus/src/multi-paxos/proposer.ts#onProposerTick', (original) => (state) => {
        if (state.promised === 0) original(state);
      }),
    ],
    red: /not within 1000 ms: one of b c leads/,
  },
  {
    scenario: '13-one-way-leader',
    protocols: both,
    guard: 'what may have happened is never told as a failure; it is',
    removals: [
      rule(
        'consensus/src/cluster/waiting-call.ts#expire',
        (original) => (calls, nowMs, standing) => original(calls, nowMs, { ...standing, mayHappen: false }),
      ),
    ],
    red: /refused for good and then applied/,
  },
  {
    scenario: '13-one-way-leader',
    protocols: raft,
    guard: 'a majority is enough; all are waited for',
    removals: [
      rule(
        'consensus/src/raft/commit-rule.ts#advanceCommitIndex',
        (original) => (log, view) =>
          original(log, { ...view, matchIndexes: [Math.min(...view.matchIndexes)] }),
      ),
    ],
    red: /the load goes on/,
  },
  {
    scenario: '14-low-term-returns',
    protocols: raft,
    guard: 'a refused pre-vote tells of the higher term; it is passed over',
    removals: [
      rule(
        'consensus/src/raft/voter.ts#onPreVoteRequest',
        (original) =>
          (state, from, request, ...rest) =>
            request.term <= state.currentTerm ? undefined : original(state, from, request, ...rest),
      ),
    ],
    red: /not within 1000 ms: one of c leads/,
  },
  {
    scenario: '14-low-term-returns',
    protocols: paxos,
    guard: 'an own ballot is above every other that one is told of; it grows by one',
    removals: [ballotsUnheard],
    red: /not within 1000 ms: one of c leads/,
  },
  {
    scenario: '15-hung-disk',
    protocols: raft,
    guard: 'a leader whose disk hangs steps down; it does not',
    removals: [ignoresReason('disk-stalled')],
    red: /not within 1000 ms: a steps down/,
  },
  {
    scenario: '15-hung-disk',
    protocols: paxos,
    guard: 'a leader whose disk hangs lets go; it does not notice',
    removals: [rule('consensus/src/multi-paxos/outbox.ts#diskSilenceMs', () => () => 0)],
    red: /not within 1000 ms: a steps down/,
  },
  {
    scenario: '16-bad-disk-wins-again',
    protocols: both,
    guard: 'a failed write or sync ends the node; it is taken for a success',
    removals: [
      disk((file) => {
        file['datasync'] = neverFails(file['datasync']);
        file['write'] = neverFails(file['write']);
      }),
    ],
    red: /not within 1000 ms: a stops/,
  },
  {
    scenario: '16-bad-disk-wins-again',
    protocols: raft,
    guard: 'whom its disk deposed stands back; it does not',
    removals: [rule('consensus/src/raft/stand-back.ts#noteDiskStalled', () => () => undefined)],
    red: /: a leads/,
  },
  {
    scenario: '16-bad-disk-wins-again',
    protocols: paxos,
    guard: 'whom its disk made let go leaves it to the others to stand; it does not',
    removals: [rule('consensus/src/multi-paxos/stability.ts#unfitMs', () => () => 0)],
    red: /: a leads/,
  },
  {
    scenario: '17-duelling-candidates',
    protocols: raft,
    standsBehindOthers: true,
    guard: 'election timeouts are drawn anew, and one of two rivals goes first; neither is so',
    removals: [
      rule('consensus/src/raft/election-restriction.ts#hasPrecedence', () => () => false),
      rule('consensus/src/raft/state.ts#resetElectionTimer', () => (state) => {
        state.electionDueMs = state.nowMs + state.options.electionTimeoutMs[0];
      }),
    ],
    red: /not within 5000 ms: one of a b c d e leads/,
  },
  {
    scenario: '17-duelling-candidates',
    protocols: paxos,
    guard: 'a proposer waits before it stands again; it does not',
    removals: [
      rule('consensus/src/multi-paxos/allegiance.ts#resetStandTimer', () => (state) => {
        state.standAtMs = state.nowMs;
      }),
    ],
    red: /not within 5000 ms: one of a b c d e leads/,
  },
  {
    scenario: '18-permanent-laggard',
    protocols: raft,
    guard: 'a follower is sent one snapshot at a time; one after the other',
    removals: [
      rule(
        'consensus/src/raft/progress.ts#newProgress',
        (original) =>
          (...values) =>
            Object.defineProperty(original(...values), 'isSnapshotUnderWay', {
              get: () => false,
              set: () => undefined,
            }),
      ),
    ],
    red: /\d+ snapshots were sent to c/,
  },
  {
    scenario: '18-permanent-laggard',
    protocols: paxos,
    guard: 'a learner is sent one snapshot at a time; one after the other',
    removals: [
      rule('consensus/src/multi-paxos/state.ts#startState', (original) => (...values) => {
        const state = original(...values);
        state.snapshotOffers.set = () => state.snapshotOffers;
        return state;
      }),
    ],
    red: /\d+ snapshots were sent to c/,
  },
  {
    scenario: '18-permanent-laggard',
    protocols: raft,
    guard:
      'the log keeps what a slow follower lacks, back to the snapshot before the newest; it forgets at once',
    removals: [forgetsAtOnce],
    red: /not within 2000 ms: the replicas agree/,
  },
  {
    scenario: '18-slow-state-machine',
    protocols: both,
    guard: 'a replica whose state is too far behind listens to no peer; it takes everything in',
    removals: [rule('consensus/src/replica/back-pressure.ts#mayListen', () => () => true)],
    red: /bytes waited on c/,
  },
];
