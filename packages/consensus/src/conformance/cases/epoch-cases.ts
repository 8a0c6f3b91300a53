/** Epochs: how a protocol begins one, and what it owes to the end of one. */
import type { NodeId } from '@quorate/core';
import type { Effect, Input, LogIndex, ProtocolOptions, ProtocolStatus, Reign } from '../../protocol.ts';
import { type CaseDefinition, must, type Trial } from '../conformance-case.ts';
import { clusterOf, commitEverywhere, effectsOf, othersThan, settle } from '../settled.ts';

export const epochCases: readonly CaseDefinition[] = [
  { part: 'safety', name: 'the appointed leads its epoch from the first step on', check: appointed },
  { part: 'safety', name: 'an appointment ends with the life in which it was given', check: appointedOnce },
  { part: 'safety', name: 'the log of an epoch goes on where the one before ended', check: baseOfEpoch },
  {
    part: 'safety',
    name: 'who founds an epoch late is bound by the reigns that it heard of',
    check: lateFounder,
  },
  { part: 'safety', name: 'an announcement tells the others at once what is committed', check: announcement },
];

function appointed(trial: Trial): void {
  for (const nodes of [1, 3, 5]) {
    for (let seat = 1; seat <= nodes; seat++) {
      const chosen = `n${seat}` as NodeId;
      const cluster = clusterOf(trial, nodes, { appointed: chosen });
      cluster.input(chosen, { type: 'tick' });
      must(cluster.status(chosen).role === 'leader', `${chosen} leads after one step`);
      must(cluster.propose(chosen, 'first words').type === 'accepted', 'and takes proposals');
      const hasty = clusterOf(trial, nodes, { appointed: chosen });
      must(hasty.propose(chosen, 'at once').type === 'accepted', 'a proposal may be its first step');
      must(settle(hasty) === chosen, 'and the others follow it all the same');
      must(settle(cluster) === chosen, 'the others follow it');
      must(cluster.committedTexts(chosen).join() === 'first words', 'and what it took is committed');
    }
  }
}

/** What the first life sent, and forgot, may be under way still when the second one begins. */
function appointedOnce(trial: Trial): void {
  const cluster = clusterOf(trial, 3, { appointed: 'n2' });
  cluster.holdDisk('n2');
  cluster.input('n2', { type: 'tick' });
  const { reign } = cluster.status('n2');
  cluster.propose('n2', 'forgotten');
  cluster.hold = () => true;
  cluster.run(20);
  cluster.crash('n2');
  cluster.restart('n2');
  for (const member of cluster.members) cluster.node(member).ticking = member === 'n2';
  cluster.input('n2', { type: 'tick' });
  const status = cluster.status('n2');
  must(
    status.role !== 'leader' || status.reign > reign,
    'a restarted node does not lead under the reign that it was granted',
  );
  cluster.hold = () => false;
  cluster.deliverHeld();
  cluster.runUntil(() => cluster.leader() === 'n2', 3_000);
  const leader = cluster.leader();
  if (leader !== undefined) cluster.propose(leader, 'of the second life');
  for (const member of cluster.members) cluster.node(member).ticking = true;
  commitEverywhere(cluster, 'one log');
}

/** One member by itself, in an epoch of three that begins after index 41. */
function enter(
  trial: Trial,
  self: string,
  founding: { readonly reign: number; readonly isAppointed: boolean },
) {
  const { protocol } = trial;
  const members = ['a', 'b', 'c'] as NodeId[];
  const base = 41 as LogIndex;
  const options: ProtocolOptions = {
    self: self as NodeId,
    members,
    electionTimeoutMs: [150, 300],
    heartbeatMs: 50,
    appendBytesMax: 1 << 20,
    appendsInFlightMax: 4,
    uncommittedBytesMax: 1 << 20,
    seed: 7,
    isAppointed: founding.isAppointed,
  };
  const reign = founding.reign as Reign;
  const hardState = protocol.foundingHardState({ members, appointed: 'b' as NodeId, base, reign });
  const recovered = { hardState, snapshot: { index: base, reign: 0 as Reign }, entries: [] };
  const state = protocol.start(options, recovered, 0);
  const step = (input: Input<unknown>): Effect<unknown>[] => {
    const effects: Effect<unknown>[] = [];
    protocol.step(state, input, 1, effects);
    return effects;
  };
  return { base, step, status: (): ProtocolStatus => protocol.status(state), state };
}

function baseOfEpoch(trial: Trial): void {
  const leader = enter(trial, 'b', { reign: 0, isAppointed: true });
  const follower = enter(trial, 'c', { reign: 0, isAppointed: false });
  const { base } = leader;
  for (const member of [leader, follower]) {
    must(member.status().commitIndex === base, 'everything before the epoch is committed');
    const page = trial.protocol.committedFrom(member.state, base, { bytesMax: 100, entriesMax: 1 });
    must(page === undefined, 'and forgotten');
  }
  const payload = new Uint8Array([1]);
  const effects = [
    ...leader.step({ type: 'tick' }),
    ...leader.step({ type: 'propose', proposals: [{ timeMs: 1, payload }] }),
  ];
  const accepted = effects.find(({ type }) => type === 'accepted');
  must(accepted?.type === 'accepted' && accepted.first > base, 'the first index lies above the base');
  const writes = effects.flatMap((effect) => (effect.type === 'persist' ? effect.entries : []));
  must(writes[0]?.index === base + 1, 'and the log has no gap after it');
  for (const effect of effects) {
    const outgoing = effect.type === 'persist' ? effect.thenSend : effect.type === 'send' ? [effect] : [];
    for (const { to, message } of outgoing) {
      if (to === 'c') follower.step({ type: 'receive', from: 'b' as NodeId, message });
    }
  }
  must(follower.status().leader === 'b', 'the others know their first leader when they hear it');
}

function lateFounder(trial: Trial): void {
  const reign = 320_005;
  const late = enter(trial, 'c', { reign, isAppointed: false });
  const { promisedReign } = trial.protocol.inspect(late.state);
  must(promisedReign >= reign, `it has promised ${promisedReign}, and a leader of ${reign} was heard of`);
}

function announcement(trial: Trial): void {
  const cluster = clusterOf(trial, 3);
  const leader = settle(cluster);
  for (const member of cluster.members) cluster.node(member).ticking = false;
  cluster.propose(leader, 'to be announced');
  cluster.run(0);
  const { commitIndex } = cluster.status(leader);
  must(cluster.committedTexts(leader).length === 1, 'with no delays a proposal is committed at once');
  const effects = effectsOf(cluster, leader);
  cluster.input(leader, { type: 'announce' });
  must(effects.length > 0, 'an announcement is sent');
  cluster.run(0);
  for (const member of othersThan(cluster, leader)) {
    must(cluster.status(member).commitIndex === commitIndex, `${member} knows without a heartbeat`);
  }
}
