/** Guards of scenarios 1 to 10: who may lead, and what may be called chosen. */
import type { Effect, Entry } from '@quorate/consensus';
import type { NodeId } from '@quorate/core';
import { border, both, method, type PlantedGuard, paxos, type Removal, raft, rule } from './removal.ts';

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

/** Each grant counts for another member, whoever it is from. */
const grantsByArrival = rule(
  'consensus/src/raft/role-change.ts#becomeCandidate',
  (original) =>
    (state, ...rest) => {
      const candidate = original(state, ...rest);
      const { grantedBy } = candidate;
      grantedBy.add = () => Set.prototype.add.call(grantedBy, state.options.members[grantedBy.size]);
      return candidate;
    },
);
/** A promise of somebody who has promised already counts for somebody who has not. */
const promisesByArrival = rule(
  'consensus/src/multi-paxos/proposer.ts#onPromise',
  (original) => (state, from, message) => {
    const { proposer, ordinals, peers } = state;
    const isCounted = (acceptor: NodeId): boolean =>
      proposer.phase === 'preparing' && (proposer.promisedBy & (1 << ordinals.get(acceptor))) !== 0;
    const other = peers.find((peer: NodeId) => !isCounted(peer));
    original(state, isCounted(from) ? (other ?? from) : from, message);
  },
);
/** A gap is left as it is: the no-op that fills it is proposed to nobody. */
const gapsStay: Removal = {
  kind: 'border',
  spoil: (protocol) => ({
    ...protocol,
    step(state, input, nowMs, effects) {
      const own: Effect<unknown>[] = [];
      protocol.step(state, input, nowMs, own);
      for (const effect of own) effects.push(effect.type === 'send' ? withoutNoOps(effect) : effect);
    },
  }),
};
function withoutNoOps(effect: Effect<unknown> & { readonly type: 'send' }): Effect<unknown> {
  const message = effect.message as { readonly type: string; readonly entries?: readonly Entry[] };
  if (message.type !== 'accept') return effect;
  const entries = message.entries?.filter(({ payload }) => payload.byteLength > 0);
  return { ...effect, message: { ...message, entries } };
}
/** What is chosen somewhere above a gap counts as if everything below were chosen. */
const runsOverGaps = method(
  'consensus/src/multi-paxos/chosen-rule.ts#AcceptanceTally#chosenWithoutGap',
  (original) => (self) => {
    const upTo = original.call(self);
    const above = [1, 2, 3, 4].map((distance) => upTo + distance).filter((slot) => self.isChosen(slot));
    return above.at(-1) ?? upTo;
  },
);

export const electionAndCommitGuards: readonly PlantedGuard[] = [
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
    protocols: raft,
    guard: 'voters are counted, not votes; each vote counts as it arrives',
    removals: [grantsByArrival],
    red: /promises kept: a leads in reign \d+, to which only 2/,
  },
  {
    scenario: '05-duplicated-grant',
    protocols: paxos,
    guard: 'acceptors are counted, not promises; each promise counts as it arrives',
    removals: [promisesByArrival],
    red: /promises kept: a leads in reign \d+, to which only 2/,
  },
  {
    scenario: '07-ballot-reused',
    protocols: paxos,
    standsBehindOthers: true,
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
    scenario: '09-gaps',
    protocols: paxos,
    guard: 'a gap below what phase 1 finds is filled with a no-op; it stays',
    removals: [gapsStay],
    red: /\+ client 3: put x 2 -> outcome unknown/,
  },
  {
    scenario: '09-gaps',
    protocols: paxos,
    guard: 'slots are executed in order, up to the first that is not chosen; over it',
    removals: [runsOverGaps],
    red: /chosen is held: a has committed \d+, and only a holds it/,
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
];
