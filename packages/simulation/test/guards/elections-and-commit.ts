/** Guards of scenarios 1 to 10: who may lead, and what may be called chosen. */
import { border, both, type PlantedGuard, paxos, raft, rule } from './removal.ts';

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
];
