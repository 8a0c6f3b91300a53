/**
 * The guards that the scenarios test, each with the way to take it out: without it, the scenario must go red.
 *
 * Most guards are one named function in a file of its own, and are replaced there; some are a method; the rest
 * stand at a border of a part, where a protocol or a disk is wrapped. Production code knows nothing of this.
 */
import type { Protocol, StateMachineDefinition } from '@quorate/consensus';
import { decodeValue, encodeValue, type NodeId } from '@quorate/core';
import { type PlantedBug, plantedBugs } from '../src/planted-bugs.ts';

// biome-ignore lint/suspicious/noExplicitAny: guards of every shape are replaced here
export type AnyFunction = (...values: any[]) => any;

type AnyProtocol = Protocol<unknown, unknown>;

/** How a guard is taken out. `file` is relative to `packages`. */
export type Removal =
  | {
      readonly kind: 'machine';
      readonly spoil: (definition: StateMachineDefinition) => StateMachineDefinition;
    }
  | { readonly kind: 'border'; readonly spoil: (protocol: AnyProtocol) => AnyProtocol }
  | {
      readonly kind: 'function';
      readonly file: string;
      readonly name: string;
      readonly spoil: (original: AnyFunction) => AnyFunction;
    }
  | {
      readonly kind: 'method';
      readonly file: string;
      readonly type: string;
      readonly name: string;
      /** The result is called with the object as its first argument. */
      readonly spoil: (original: AnyFunction) => AnyFunction;
    };

export interface PlantedGuard {
  readonly scenario: string;
  /** Under which the scenario goes red. */
  readonly protocols: readonly string[];
  /** What the guard says, and what is done instead. */
  readonly guard: string;
  /** All of these are out together: where one guard stands behind another, each alone would do. */
  readonly removals: readonly Removal[];
  /** What is then seen. */
  readonly red: RegExp;
}

const raft = ['raft'];
const paxos = ['multi-paxos'];
const both = ['raft', 'multi-paxos'];

const border = (bug: PlantedBug): Removal => ({ kind: 'border', spoil: plantedBugs[bug] });
const rule = (path: string, spoil: (original: AnyFunction) => AnyFunction): Removal => {
  const [file = '', name = ''] = path.split('#');
  return { kind: 'function', file, name, spoil };
};
const method = (path: string, spoil: (original: AnyFunction) => AnyFunction): Removal => {
  const [file = '', type = '', name = ''] = path.split('#');
  return { kind: 'method', file, type, name, spoil };
};

/** The simulated disk as every node sees it, with one operation of its files done otherwise. */
const disk = (
  change: (file: Record<string, AnyFunction>, system: Record<string, AnyFunction>) => void,
): Removal =>
  rule('storage/src/faulty-file-system.ts#faultyFileSystem', (original) => (inner, options) => {
    const system = original(inner, options);
    const { open } = system;
    system.open = async (...where: unknown[]) => {
      const file = await open(...where);
      change(file, system);
      return file;
    };
    change({}, system);
    return system;
  });

const neverFails = (operation: AnyFunction | undefined): AnyFunction => {
  return async (...values) => operation?.(...values).catch(() => undefined);
};

const isLeaderFresh = rule('consensus/src/raft/election-restriction.ts#isLeaderFresh', () => () => false);
const leaderSeemsAlive = rule('consensus/src/multi-paxos/stability.ts#leaderSeemsAlive', () => () => false);
/** A pre-vote or canvass succeeds before anybody has answered it. */
const standsUnasked = rule('consensus/src/raft/role-change.ts#becomePreCandidate', (original) => (state) => {
  const campaigner = original(state);
  for (const member of state.options.members) campaigner.grantedBy.add(member);
  return campaigner;
});
const preparesUnasked = rule('consensus/src/multi-paxos/stability.ts#canvassSucceeded', () => () => true);
const ignoresReason = (reason: string): Removal =>
  rule(
    'consensus/src/raft/role-change.ts#becomeFollower',
    (original) =>
      (state, because, ...rest) =>
        because === reason ? undefined : original(state, because, ...rest),
  );
const judgeTail = rule('storage/src/tail-verdict.ts#judgeTail', () => () => 'torn');

const reported = new WeakMap<object, Map<string, readonly number[]>>();
/** What acceptors report of earlier ballots counts as accepted under the new one. */
const unitesBallots = rule(
  'consensus/src/multi-paxos/proposer.ts#onPromise',
  (original) => (state, from, message) => {
    const known = reported.get(state) ?? new Map<string, readonly number[]>();
    reported.set(state, known);
    known.set(
      from,
      message.accepted.map(({ index }: { readonly index: number }) => index),
    );
    original(state, from, message);
    if (state.proposer.phase !== 'leading') return;
    for (const [acceptor, slots] of known) {
      for (const slot of slots) {
        state.proposer.tally.accepted(state.ordinals.get(acceptor), { first: slot, last: slot });
      }
    }
  },
);
/** A snapshot has the state from before the last command, and the position from after it. */
const snapshotsLag: Removal = {
  kind: 'machine',
  spoil: (definition) => ({
    ...definition,
    create() {
      const machine = definition.create();
      let before = machine.snapshot();
      return {
        ...machine,
        apply(command, context) {
          before = machine.snapshot();
          return machine.apply(command, context);
        },
        snapshot: () => before,
      };
    },
  }),
};
/** What a node writes counts as durable at home as soon as the disk is asked. */
const ownWriteAtOnce: Removal = {
  kind: 'border',
  spoil: (protocol) => ({
    ...protocol,
    step(state, input, nowMs, effects) {
      if (input.type === 'persisted') return;
      let seen = effects.length;
      protocol.step(state, input, nowMs, effects);
      for (; seen < effects.length; seen += 1) {
        const effect = effects[seen];
        if (effect?.type !== 'persist' && effect?.type !== 'install') continue;
        protocol.step(state, { type: 'persisted', mark: effect.mark }, nowMs, effects);
      }
    },
  }),
};

/** Whoever finds that its first vote was for itself believes itself appointed, in each of its lives. */
const appointsAgain: Removal = {
  kind: 'border',
  spoil: (protocol) => ({
    ...protocol,
    start(options, recovered, nowMs) {
      const state = protocol.start(options, recovered, nowMs);
      const { votedFor } = protocol.inspect(state);
      const isAppointed = recovered.snapshot.index > 0 && votedFor === options.self;
      return isAppointed ? protocol.start({ ...options, isAppointed }, recovered, nowMs) : state;
    },
  }),
};

const startsWithoutState = rule(
  'consensus/src/replica/restore-snapshot.ts#restoreSnapshot',
  (original) =>
    async (...values) =>
      original(...values).catch(() => undefined),
);

/** What others say that they have promised is not heard: the own ballot grows by one with each attempt. */
const ballotsUnheard = rule('consensus/src/multi-paxos/allegiance.ts#noteBallot', () => () => undefined);
const forgetsSessions = method(
  'consensus/src/replica/session-table.ts#SessionTable#restore',
  () => () => undefined,
);
const stopKind = 3;
/** The command that ends the epoch counts when it is written, by whoever leads: nobody has chosen it yet. */
const stopCountsAtOnce: Removal = {
  kind: 'border',
  spoil: (protocol) => ({
    ...protocol,
    step(state, input, nowMs, effects) {
      const before = effects.length;
      protocol.step(state, input, nowMs, effects);
      if (input.type !== 'propose') return;
      for (const effect of effects.slice(before)) {
        if (effect.type !== 'persist') continue;
        const entries = effect.entries.filter(({ payload }) => payload[0] === stopKind);
        if (entries.length > 0) effects.push({ type: 'committed', entries });
      }
    },
  }),
};
/** A removed c remains among the members of the protocol. */
const membersStay: Removal = {
  kind: 'border',
  spoil: (protocol) => ({
    ...protocol,
    start: (options, ...rest) =>
      protocol.start(
        { ...options, members: [...new Set([...options.members, 'c' as NodeId])].sort() },
        ...rest,
      ),
  }),
};
/** A message counts in the present epoch, whichever it was sent in. */
const epochsMix = method(
  'consensus/src/replica/epochs.ts#Epochs#receive',
  () => (self, from, _, wire) => self.run.receive(from, wire),
);

export const plantedGuards: readonly PlantedGuard[] = [
  {
    scenario: '01-older-reign-raft',
    protocols: raft,
    guard: "a leader counts copies of its own term's entries only; it counts all",
    removals: [
      rule(
        'consensus/src/raft/commit-rule.ts#advanceCommitIndex',
        () =>
          (_, { commitIndex, matchIndexes }) => {
            const sorted = [...matchIndexes].sort((one, other) => other - one);
            return Math.max(commitIndex, sorted[matchIndexes.length >> 1]);
          },
      ),
    ],
    red: /a has applied x 1/,
  },
  {
    scenario: '01-older-reign-paxos',
    protocols: paxos,
    guard: 'acceptances are gathered for one ballot; they are united over ballots',
    removals: [unitesBallots],
    red: /a has applied x 1/,
  },
  {
    scenario: '02-lost-grant',
    protocols: both,
    guard: 'a reply leaves when the write that it speaks of is durable; it leaves at once',
    removals: [border('reply-before-persist')],
    red: /promises kept/,
  },
  {
    scenario: '05-duplicated-grant',
    protocols: both,
    guard: 'voters are counted, not votes; each is counted twice',
    removals: [border('count-votes-twice')],
    red: /: a leads/,
  },
  {
    scenario: '07-ballot-reused',
    protocols: paxos,
    guard: 'an own ballot is durable before it is used, and others tell of it; both are forgotten',
    removals: [
      rule('consensus/src/multi-paxos/hard-state.ts#decodeHardState', (original) => (bytes) => ({
        ...original(bytes),
        promised: 0,
      })),
      rule('consensus/src/multi-paxos/allegiance.ts#noteBallot', () => () => undefined),
    ],
    red: /election safety/,
  },
  {
    scenario: '09-gaps',
    protocols: paxos,
    guard: 'what phase 1 finds is proposed again; it is passed over',
    removals: [
      rule(
        'consensus/src/multi-paxos/proposer.ts#onPromise',
        (original) => (state, from, message) =>
          original(state, from, { ...message, accepted: [], chosenUpTo: 0 }),
      ),
    ],
    red: /leader completeness/,
  },
  {
    scenario: '10-in-flight-at-step-down',
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
    scenario: '11-partial-mesh',
    protocols: raft,
    guard: 'nobody stands who cannot win, and who hears a leader does not help; both are out',
    removals: [standsUnasked, isLeaderFresh],
    red: /leads|new leaders/,
  },
  {
    scenario: '11-partial-mesh',
    protocols: paxos,
    guard: 'nobody prepares who cannot win, and acceptors are loyal to a leader that they hear; both are out',
    removals: [preparesUnasked, leaderSeemsAlive],
    red: /leads|new leaders/,
  },
  {
    scenario: '12-one-link-cut',
    protocols: raft,
    guard: 'nobody stands who cannot win, and who hears a leader does not help; both are out',
    removals: [standsUnasked, isLeaderFresh],
    red: /new leaders/,
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
    scenario: '17-duelling-candidates',
    protocols: raft,
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
    scenario: '18-slow-state-machine',
    protocols: both,
    guard: 'a replica whose state is too far behind listens to no peer; it takes everything in',
    removals: [rule('consensus/src/replica/back-pressure.ts#mayListen', () => () => true)],
    red: /bytes waited on c/,
  },
  {
    scenario: '21-wiped-disk',
    protocols: both,
    guard: 'a member is its name together with its disk; its name is enough',
    removals: [rule('storage/src/directory.ts#readNodeDirectory', () => async () => undefined)],
    red: /chosen is held/,
  },
  {
    scenario: '19-two-changes-at-once',
    protocols: both,
    guard: 'a change counts when the members before it have chosen it; when its leader has written it',
    removals: [stopCountsAtOnce],
    red: /appliedIndex went from [0-9]+ back to|: b leads|there were [0-9]+ new leaders/,
  },
  {
    scenario: '20-change-overwritten',
    protocols: both,
    guard: 'a change counts when the members before it have chosen it; when its leader has written it',
    removals: [stopCountsAtOnce],
    red: /appliedIndex went from [0-9]+ back to/,
  },
  {
    scenario: '22-removed-node',
    protocols: raft,
    guard:
      'a message counts in the epoch of its sending, for members of that, and who cannot win or hears a leader changes nothing; none of it is so',
    removals: [epochsMix, membersStay, standsUnasked, isLeaderFresh],
    red: /promises kept: b leads|there were [0-9]+ new (leaders|reigns)/,
  },
  {
    scenario: '22-removed-node',
    protocols: paxos,
    guard:
      'a message counts in the epoch of its sending, for members of that, and who cannot win or hears a leader changes nothing; none of it is so',
    removals: [epochsMix, membersStay, preparesUnasked, leaderSeemsAlive],
    red: /there were [0-9]+ new (leaders|reigns)/,
  },
  {
    scenario: '23-leader-removed',
    protocols: both,
    guard: 'who leaves goes when a majority has entered the new epoch; when its leader has',
    removals: [
      method(
        'consensus/src/cluster/client.ts#Client#establishedIn',
        () =>
          (self, ...when) =>
            self.leaderIn(...when),
      ),
    ],
    red: /\+ epoch 4: a c/,
  },
  {
    scenario: '24-unaware-voter',
    protocols: both,
    guard: 'who is named by an epoch votes in it; a learner goes on learning',
    removals: [
      rule(
        'consensus/src/replica/epoch.ts#standingIn',
        (original) => (epoch, member) => (member.node === 'd' ? 'learner' : original(epoch, member)),
      ),
    ],
    red: /one of b c d leads|await changes|every|change/,
  },
  {
    scenario: '25-change-under-chaos',
    protocols: both,
    guard: 'who joins gets the table of sessions with the state; it does not',
    removals: [forgetsSessions],
    red: /f stops: ERR_STATE_DIVERGED|applied the same and hold/,
  },
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
  {
    scenario: '30-power-loss',
    protocols: both,
    guard: 'a reply leaves when the write that it speaks of is durable; it leaves at once',
    removals: [border('reply-before-persist')],
    red: /chosen is held/,
  },
  {
    scenario: '31-sync-fails-once',
    protocols: both,
    guard: 'a failed sync ends the node; it is tried again, and believed',
    removals: [
      disk((file) => {
        const { datasync } = file;
        file['datasync'] = async () => datasync?.().catch(() => datasync());
      }),
    ],
    red: /chosen is held/,
  },
  {
    scenario: '32-torn-tail-and-hole',
    protocols: both,
    guard: 'damage that no crash explains is no torn tail; it is cut away',
    removals: [judgeTail],
    red: /b stop/,
  },
  {
    scenario: '33-segment-roll',
    protocols: both,
    guard: 'the name of a new segment is synced before it is used; it is not',
    removals: [
      disk((_, system) => {
        system['syncDirectory'] = async () => undefined;
      }),
    ],
    red: /no node is up/,
  },
  {
    scenario: '34-snapshot-and-suffix',
    protocols: both,
    guard: 'what a received snapshot holds takes the place of the state; the state stays',
    removals: [
      rule('consensus/src/replica/restore-snapshot.ts#restoreSnapshot', () => async () => undefined),
    ],
    red: /a stops: entry/,
  },
  {
    scenario: '35-applied-index',
    protocols: both,
    guard: 'position and state are of one moment; the state in a snapshot is one command older',
    removals: [snapshotsLag],
    // The state hash stands behind it: who restored another state than the snapshot was taken of does not serve.
    red: /not within \d+ ms: b open/,
  },
  {
    scenario: '36-rotten-snapshot',
    protocols: both,
    guard: 'a node that cannot restore its state does not start; it starts with none',
    removals: [startsWithoutState],
    red: /- b stops: ERR_LOG_CORRUPT/,
  },
  {
    scenario: '37-rotten-log',
    protocols: both,
    guard: 'damage that no crash explains is no torn tail; it is cut away',
    removals: [judgeTail],
    red: /- b stops: ERR_LOG_CORRUPT/,
  },
  {
    scenario: '38-disjoint-damage',
    protocols: both,
    guard: 'a frame counts if its checksum fits; every frame counts',
    removals: [rule('storage/src/frame.ts#isFrameIntact', () => () => true)],
    red: /log matching|chosen once/,
  },
  {
    scenario: '39-disk-full',
    protocols: both,
    guard: 'a write that failed ends the node; it is taken for a success',
    removals: [
      disk((file) => {
        file['write'] = neverFails(file['write']);
      }),
    ],
    red: /not within 1000 ms: b stops/,
  },
  {
    scenario: '40-single-node',
    protocols: both,
    guard: 'the own write counts when it is durable; it counts at once',
    removals: [ownWriteAtOnce],
    red: /chosen is held/,
  },
  {
    scenario: '41-disks-swapped',
    protocols: both,
    guard: 'a disk belongs to the node that its superblock names, and a node to its disk; to any',
    removals: [
      rule('storage/src/directory.ts#openNodeDirectory', (original) => async (options) => {
        const owners = ['a', 'b', 'c', 'd', 'e'];
        const tries = owners.map((node) => original({ ...options, node }));
        return Promise.any(tries);
      }),
      rule('storage/src/directory.ts#readNodeDirectory', () => async () => undefined),
    ],
    red: /not within 1000 ms: b stops/,
  },
  {
    scenario: '42-non-deterministic',
    protocols: both,
    guard: 'a minority that differs stops, and without a majority all stop; nobody does',
    removals: [rule('consensus/src/replica/divergence.ts#judgeDivergence', () => () => ({ type: 'open' }))],
    red: /not within 1000 ms: c stops/,
  },
  {
    scenario: '42-non-deterministic',
    protocols: both,
    guard: 'replicas compare what their states come to; they compare results alone',
    removals: [rule('consensus/src/replica/digest.ts#digestOf', () => () => null)],
    red: /not within 1000 ms: c stops/,
  },
  {
    scenario: '52-ended-epoch-rests',
    protocols: paxos,
    guard: 'a leader in whose epoch nobody says anything speaks first; it stays silent',
    removals: [rule('consensus/src/replica/epoch.ts#hasToSpeakFirst', () => () => false)],
    red: /not within 4000 ms: earlier epochs rest/,
  },
  {
    scenario: '53-stop-meets-hand-over',
    protocols: both,
    guard: 'an end of the epoch that is refused for now is proposed again; it is taken for proposed',
    removals: [
      method('consensus/src/replica/reconfiguration.ts#Reconfiguration#stopRefused', () => () => undefined),
    ],
    red: /- epoch 2: a b/,
  },
  {
    scenario: '54-long-names',
    protocols: both,
    guard: 'the end of an epoch can be read by all; it bears the name of its leader',
    removals: [
      rule('consensus/src/replica/payload.ts#encodeStop', (original) => (next, nonce) => {
        const payload = original(next, nonce) as Uint8Array;
        const [stop] = decodeValue(payload.subarray(1)) as unknown[];
        return Uint8Array.of(payload[0] ?? 0, ...encodeValue([stop, `${next.appointed}/${nonce}`]));
      }),
    ],
    red: /- epoch 2: b/,
  },
  {
    scenario: '55-blank-in-an-old-epoch',
    protocols: both,
    guard: 'who has only learned votes where its disk is named; where its name is',
    removals: [
      rule(
        'consensus/src/replica/epoch.ts#standingIn',
        (original) => (epoch, member) => original(epoch, { ...member, before: 'voter' }),
      ),
    ],
    red: /chosen is held/,
  },
  {
    scenario: '52-ended-epoch-rests',
    protocols: both,
    guard: 'who is left behind is brought along with a snapshot; it is not',
    removals: [method('consensus/src/replica/epochs.ts#Epochs#leftBehind', () => () => undefined)],
    red: /not within 2000 ms: (c is in epoch 4|the replicas agree)/,
  },
  {
    scenario: '56-appointed-and-forgetful',
    protocols: both,
    guard: 'an appointment ends with the life in which it was given; it is given again',
    removals: [appointsAgain],
    red: /a stops: an epoch is founded empty|election safety: a/,
  },
  {
    scenario: '56-appointed-and-forgetful',
    protocols: paxos,
    guard: 'the founding hard state grants the first reign to the appointed; to another',
    removals: [
      rule(
        'consensus/src/multi-paxos/founding.ts#foundingHardState',
        (original) => (founding) => original({ ...founding, appointed: founding.members.at(-1) }),
      ),
    ],
    red: /a stops: an epoch is founded empty/,
  },
  {
    scenario: '57-order-asked-again',
    protocols: both,
    guard: 'an order is carried out in the epoch for which it was meant; in any',
    removals: [rule('consensus/src/replica/epoch.ts#isMeantFor', () => () => true)],
    red: /epoch 4|- change to a b/,
  },
  {
    scenario: '58-after-the-end',
    protocols: both,
    guard: 'what stands behind the end of an epoch is not applied; it is',
    removals: [rule('consensus/src/replica/epoch.ts#isLastOfEpoch', () => () => false)],
    red: /stops|beyond its commit|different states/,
  },
  {
    scenario: '59-joiner-learns-first',
    protocols: both,
    guard: 'who joins has caught up before the epoch ends; it need not have',
    removals: [rule('consensus/src/learner/teacher.ts#hasCaughtUp', () => () => true)],
    red: /- change to a d -> ERR_OUTCOME_UNKNOWN/,
  },
];

/** Guards of a change of the epoch that go red when the power fails in one of a node's writes, as they all do there. */
export interface PlantedCrashGuard {
  readonly guard: string;
  readonly removals: readonly Removal[];
  readonly red: RegExp;
}

interface WrittenRecord {
  readonly type: string;
  readonly epoch: number;
}

const append = (
  spoil: (
    original: (records: readonly WrittenRecord[], durable: () => void) => void,
    records: readonly WrittenRecord[],
    durable: () => void,
  ) => void,
): Removal =>
  method(
    'storage/src/wal.ts#WriteAheadLog#append',
    (original) => (self, records, durable) =>
      spoil((what, then) => original.call(self, what, then), records, durable),
  );
/** Charters stand under epoch 0. */
const hasCharter = (records: readonly WrittenRecord[]): boolean => records.some(({ epoch }) => epoch === 0);

export const plantedCrashGuards: readonly PlantedCrashGuard[] = [
  {
    guard: 'every record carries its epoch; all carry the first',
    removals: [
      append((original, records, durable) =>
        original(
          records.map((record) => ({ ...record, epoch: Math.min(record.epoch, 1) })),
          durable,
        ),
      ),
    ],
    red: /is open again/,
  },
  {
    guard: 'every message is for its epoch; for any',
    removals: [method('consensus/src/replica/epochs.ts#Epochs#runOf', () => (self) => self.run)],
    red: /all are in one epoch/,
  },
  {
    guard: 'nobody speaks in an epoch before its charter is durable; it does',
    removals: [
      append((original, records, durable) => {
        original(records, hasCharter(records) ? () => undefined : durable);
        if (hasCharter(records)) queueMicrotask(durable);
      }),
    ],
    red: /went from epoch 2 back to 1/,
  },
  {
    guard: 'the charter wins over the start options; it is not read',
    removals: [rule('consensus/src/replica/charter.ts#recoverCharter', () => () => undefined)],
    red: /went from epoch 2 back to 1/,
  },
  {
    guard: 'the charter names the earlier epochs that the state is built from; it names none',
    removals: [
      rule(
        'consensus/src/replica/charter.ts#charterRecord',
        (original) => (group, charter) => original(group, { ...charter, trail: [] }),
      ),
    ],
    red: /applied after 0/,
  },
  {
    guard: 'charter and founding are one write; they are two',
    removals: [
      append((original, records, durable) => {
        if (!hasCharter(records)) original(records, durable);
        else original(records.slice(0, 1), () => original(records.slice(1), durable));
      }),
    ],
    red: /beyond its commit 0/,
  },
];
