/** Who leads: one at most, somebody if a majority is up, and the lead can be handed over. */
import type { NodeId } from '@quorate/core';
import { type CaseDefinition, must, type Trial } from '../conformance-case.ts';
import {
  type AnyCluster,
  clusterOf,
  commitEverywhere,
  effectsOf,
  othersThan,
  otherThan,
  runningNodes,
  settle,
} from '../settled.ts';

export const leadershipCases: readonly CaseDefinition[] = [
  { part: 'safety', name: 'a cluster without faults has one leader, whom all know', check: oneLeader },
  {
    part: 'safety',
    name: 'a leader is told of with every change of role, leader or reign',
    check: roleIsTold,
  },
  { part: 'safety', name: 'whoever does not lead refuses proposals and reads', check: followersRefuse },
  { part: 'safety', name: 'a transfer ends, and until then proposals are refused', check: transferEnds },
  { part: 'safety', name: 'the lead cannot be handed to a stranger or to oneself', check: transferToNobody },
  { part: 'liveness', name: 'another leads when the leader has crashed', check: afterCrash },
  { part: 'liveness', name: 'another leads when the leader is cut off', check: afterPartition },
  { part: 'liveness', name: 'another leads when the leader hangs', check: afterPause },
  { part: 'liveness', name: 'a lead is handed over to a member that is up', check: transferSucceeds },
];

function oneLeader(trial: Trial): void {
  for (const nodes of [1, 2, 3, 5]) {
    for (let seed = 1; seed <= 3; seed++) {
      const cluster = clusterOf(trial, nodes, { seed });
      const leader = settle(cluster);
      const leaders = cluster.members.filter((member) => cluster.status(member).role === 'leader');
      must(leaders.length === 1, `of ${nodes} one leads, not ${leaders.join(' and ')}`);
      const { reign } = cluster.status(leader);
      cluster.run(2_000);
      must(
        cluster.leader() === leader && cluster.status(leader).reign === reign,
        'a leader without faults goes on leading',
      );
    }
  }
}

/** `SafetyChecks` holds every step to it; here the steps are such that there is something to tell. */
function roleIsTold(trial: Trial): void {
  const cluster = clusterOf(trial, 3);
  const told = cluster.members.map((member) => effectsOf(cluster, member));
  settle(cluster);
  told.forEach((effects) => {
    must(
      effects.some((effect) => effect.type === 'role' && effect.leader !== undefined),
      'every node is told who leads',
    );
  });
}

function followersRefuse(trial: Trial): void {
  const cluster = clusterOf(trial, 3);
  const leader = settle(cluster);
  for (const follower of othersThan(cluster, leader)) {
    const { lastIndex } = cluster.status(follower);
    const outcome = cluster.propose(follower, `at ${follower}`, `at ${follower} too`);
    must(
      outcome.type === 'refused' && outcome.reason === 'not-leader',
      'a proposal to a follower is refused as not-leader',
    );
    must(cluster.status(follower).lastIndex === lastIndex, 'nothing of what is refused is appended');
    must(cluster.readOutcome(cluster.read(follower)) === 'refused', 'a read at a follower is refused');
    const effects = effectsOf(cluster, follower);
    cluster.input(follower, { type: 'transfer', to: follower });
    must(effects.length === 0, 'a follower ignores a transfer: it has no lead to hand over');
    cluster.input(follower, { type: 'seal' });
    cluster.input(follower, { type: 'announce' });
    must(
      effects.every(({ type }) => type !== 'role' && type !== 'transfer-failed'),
      'a follower is no leader to seal or announce anything',
    );
  }
  must(cluster.leader() === leader, 'none of it disturbs the leader');
  cluster.run(500);
  must(cluster.committedTexts(leader).length === 0, 'nothing of what was refused is committed');
}

function transferEnds(trial: Trial): void {
  for (const isCutOff of [false, true]) {
    const cluster = clusterOf(trial, 3);
    const leader = settle(cluster);
    const to = otherThan(cluster, leader);
    const effects = effectsOf(cluster, leader);
    if (isCutOff) cluster.partition(othersThan(cluster, leader));
    cluster.propose(leader, 'on its way');
    cluster.input(leader, { type: 'transfer', to });
    const hasEnded = (): boolean =>
      effects.some(({ type }) => type === 'transfer-failed') || cluster.status(leader).role !== 'leader';
    let number = 0;
    const ended = cluster.runUntil(() => {
      if (hasEnded()) return true;
      const outcome = cluster.propose(leader, `meanwhile ${++number}`);
      must(
        outcome.type === 'refused' && outcome.reason === 'handing-over',
        'proposals are refused as handing-over until the transfer has ended',
      );
      return false;
    }, 4 * cluster.options.electionTimeoutMs[1]);
    must(ended, 'a transfer ends, by a role effect or by transfer-failed');
    cluster.heal();
    commitEverywhere(cluster, 'afterwards');
  }
}

function transferToNobody(trial: Trial): void {
  const cluster = clusterOf(trial, 3);
  const leader = settle(cluster);
  for (const to of ['stranger' as NodeId, leader]) {
    const effects = effectsOf(cluster, leader);
    cluster.input(leader, { type: 'transfer', to });
    cluster.run(4 * cluster.options.electionTimeoutMs[1]);
    must(
      effects.filter((effect) => effect.type === 'transfer-failed' && effect.to === to).length === 1,
      `a transfer to ${to === leader ? 'oneself' : 'a stranger'} fails, and once`,
    );
    must(cluster.leader() === leader, 'whoever could not hand over still leads');
    must(cluster.propose(leader, `after ${to}`).type === 'accepted', 'and takes proposals again');
  }
}

function transferSucceeds(trial: Trial): void {
  const cluster = clusterOf(trial, 3, { network: { delayMs: [1, 2] }, syncMs: [1, 2] });
  let leader = settle(cluster);
  for (let transfer = 0; transfer < 4; transfer++) {
    const to = othersThan(cluster, leader)[transfer % 2] as NodeId;
    cluster.propose(leader, `before transfer ${transfer}`);
    cluster.input(leader, { type: 'transfer', to });
    must(
      cluster.runUntil(() => cluster.leader() === to, cluster.options.electionTimeoutMs[0]),
      'the target leads before anyone could have missed the leader',
    );
    leader = settle(cluster);
    must(leader === to, 'the target keeps the lead');
  }
  const texts = cluster.committedTexts(leader);
  must(texts.length === 4, 'what was accepted before a transfer is committed after it');
}

/** A leader that is gone is replaced, and what it had committed stays. */
function replaced(trial: Trial, nodes: number, strike: (cluster: AnyCluster, leader: NodeId) => void): void {
  for (let seed = 1; seed <= 3; seed++) {
    const cluster = clusterOf(trial, nodes, { seed, network: { delayMs: [1, 3] }, syncMs: [1, 3] });
    const leader = settle(cluster);
    cluster.propose(leader, 'kept');
    settle(cluster);
    strike(cluster, leader);
    const others = othersThan(cluster, leader);
    const isReplaced = cluster.runUntil(() =>
      others.some((member) => cluster.isUp(member) && cluster.status(member).role === 'leader'),
    );
    must(isReplaced, `one of the other ${others.length} leads`);
    const next = others.find((member) => cluster.status(member).role === 'leader') as NodeId;
    cluster.propose(next, 'written by the next');
    const isCommitted = cluster.runUntil(() =>
      others.every((member) => cluster.committedTexts(member).join() === 'kept,written by the next'),
    );
    must(isCommitted, 'the next leader keeps what was committed, and commits more');
    cluster.heal();
    if (!cluster.isUp(leader)) cluster.restart(leader);
    commitEverywhere(cluster, 'whole again');
    must(runningNodes(cluster).length === nodes, 'all are there');
  }
}

function afterCrash(trial: Trial): void {
  for (const nodes of [3, 5]) replaced(trial, nodes, (cluster, leader) => cluster.crash(leader));
}

function afterPartition(trial: Trial): void {
  for (const nodes of [3, 5]) {
    replaced(trial, nodes, (cluster, leader) => cluster.partition(othersThan(cluster, leader), [leader]));
  }
}

function afterPause(trial: Trial): void {
  for (const nodes of [3, 5]) replaced(trial, nodes, (cluster, leader) => cluster.pause(leader));
}
