/** Guards of scenarios 19 to 25 and 52 to 59: how members and algorithms change. */
import { decodeValue, encodeValue, type NodeId } from '@quorate/core';
import { leaderSeemsAlive, preparesUnasked } from './liveness.ts';
import { forgetsSessions } from './reads-and-sessions.ts';
import { both, method, type PlantedGuard, paxos, type Removal, raft, rule } from './removal.ts';

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

const leavesBehind = method('consensus/src/replica/epochs.ts#Epochs#leftBehind', () => () => undefined);
const foundedForAnother = rule(
  'consensus/src/raft/state.ts#foundingHardState',
  (original) => (founding) => original({ ...founding, appointed: founding.members.at(-1) }),
);

export const memberAndEpochGuards: readonly PlantedGuard[] = [
  {
    scenario: '19-two-changes-at-once',
    protocols: both,
    guard: 'a change counts when the members before it have chosen it; when its leader has written it',
    removals: [stopCountsAtOnce],
    red: /appliedIndex went from [0-9]+ back to|: b leads|there were [0-9]+ new leaders/,
  },
  {
    scenario: '19-two-additions-at-once',
    protocols: both,
    guard: 'a change counts when the members before it have chosen it; when its leader has written it',
    removals: [stopCountsAtOnce],
    red: /b takes epoch 2 for \S+ on a, b, c, d, f .* others for \S+ on a, b, c, d, e/,
  },
  {
    scenario: '20-change-overwritten',
    protocols: both,
    guard: 'a change counts when the members before it have chosen it; when its leader has written it',
    removals: [stopCountsAtOnce],
    red: /appliedIndex went from [0-9]+ back to/,
  },
  {
    scenario: '21-wiped-disk',
    protocols: both,
    guard: 'a member is its name together with its disk; its name is enough',
    removals: [rule('storage/src/directory.ts#readNodeDirectory', () => async () => undefined)],
    red: /chosen is held/,
  },
  {
    scenario: '22-removed-node',
    protocols: raft,
    guard: 'a message counts in the epoch in which it was sent; in the present one',
    removals: [epochsMix],
    red: /the load goes on/,
  },
  {
    scenario: '22-removed-node',
    protocols: paxos,
    standsBehindOthers: true,
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
    guard: 'what a member may do in an epoch is what the epoch says; it is what it did in the one before',
    removals: [
      rule(
        'consensus/src/replica/epoch.ts#standingIn',
        () =>
          ({ members }, { node, before }) =>
            members.includes(node) ? before : 'learner',
      ),
    ],
    red: /not within 3000 ms: one of b c d leads/,
  },
  {
    scenario: '25-change-under-chaos',
    protocols: both,
    guard: 'who joins gets the table of sessions with the state; it does not',
    removals: [forgetsSessions],
    red: /f stops: ERR_STATE_DIVERGED|applied the same and hold/,
  },
  {
    scenario: '25-change-under-chaos',
    protocols: both,
    guard: 'who was away while the epoch changed is brought along with a snapshot; it is not',
    removals: [leavesBehind],
    red: /not within 3000 ms: the replicas agree/,
  },
  {
    scenario: '52-ended-epoch-rests',
    protocols: paxos,
    guard: 'a leader in whose epoch nobody says anything speaks first; it stays silent',
    removals: [rule('consensus/src/replica/epoch.ts#hasToSpeakFirst', () => () => false)],
    red: /not within 4000 ms: earlier epochs rest/,
  },
  {
    scenario: '52-ended-epoch-rests',
    protocols: both,
    guard: 'who is left behind is brought along with a snapshot; it is not',
    removals: [leavesBehind],
    red: /not within 2000 ms: (c is in epoch 4|the replicas agree)/,
  },
  {
    scenario: '52-ended-epoch-rests',
    protocols: both,
    guard: 'who hears that its epoch has passed asks to be brought along; it goes on as before',
    removals: [method('consensus/src/replica/epochs.ts#Epochs#epochPassed', () => () => undefined)],
    red: /not within 2000 ms: c is in epoch 4/,
  },
  {
    scenario: '52-ended-epoch-rests',
    protocols: both,
    guard: 'the epoch before is served until the next is established, and no longer; for ever',
    removals: [rule('consensus/src/replica/epoch.ts#isEstablished', () => () => false)],
    red: /not within 4000 ms: earlier epochs rest/,
  },
  {
    scenario: '52-ended-epoch-rests',
    protocols: both,
    guard: 'the present leader leads the next epoch first, where it can; the last of the members does',
    removals: [rule('consensus/src/replica/epoch.ts#appointLeader', () => (members) => members.at(-1))],
    red: /: c leads/,
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
    scenario: '55-blank-in-an-old-epoch',
    protocols: both,
    guard: 'a member votes with the disk that the epoch knows it by; with any',
    removals: [
      rule(
        'consensus/src/replica/epoch.ts#standingIn',
        () =>
          ({ members }, { node }) =>
            members.includes(node) ? 'voter' : 'learner',
      ),
    ],
    red: /chosen is held/,
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
    scenario: '56-appointed-and-forgetful',
    protocols: raft,
    guard: 'the founding hard state holds a vote for the appointed; for another',
    removals: [foundedForAnother],
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
    scenario: '58-after-the-end',
    protocols: raft,
    guard: 'whoever waits for what stands behind the end of an epoch is told to ask again; nobody is',
    removals: [method('consensus/src/replica/proposals.ts#Proposals#orphan', () => () => undefined)],
    red: /\+ client 1: put x 2 -> outcome unknown/,
  },
  {
    scenario: '59-joiner-learns-first',
    protocols: both,
    guard: 'who joins has caught up before the epoch ends; it need not have',
    removals: [rule('consensus/src/learner/teacher.ts#hasCaughtUp', () => () => true)],
    red: /- change to a d -> ERR_NO_QUORUM/,
  },
  {
    scenario: '59-joiner-learns-first',
    protocols: both,
    guard: 'who joins is still there when the epoch ends; it need not be',
    removals: [rule('consensus/src/learner/teacher.ts#isStillThere', () => () => true)],
    red: /\+ client 1: put x 4 -> outcome unknown/,
  },
  {
    scenario: '60-hardly-entered',
    protocols: both,
    standsBehindOthers: true,
    guard:
      'the epoch before is served until the next is established, and who is left behind all the same is brought along with a snapshot; neither is so',
    removals: [rule('consensus/src/replica/epoch.ts#isEstablished', () => () => true), leavesBehind],
    red: /not within 3000 ms: b is in epoch 2/,
  },
];
