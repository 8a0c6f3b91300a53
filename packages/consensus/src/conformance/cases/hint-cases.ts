/** Hints: that a thread has ended, or that a node is silent. They may hasten an election, and decide none. */
import type { NodeId } from '@quorate/core';
import { type CaseDefinition, must, type Trial } from '../conformance-case.ts';
import { clusterOf, commitEverywhere, othersThan, otherThan, settle } from '../settled.ts';

export const hintCases: readonly CaseDefinition[] = [
  { part: 'safety', name: 'a false hint that a peer is down breaks nothing', check: falseHints },
  { part: 'safety', name: 'a node that is told that all others are down does not rule', check: aloneByHint },
  {
    part: 'liveness',
    name: 'an idle leader that fell silent and is gone is replaced on the hint',
    check: silence,
  },
];

function falseHints(trial: Trial): void {
  for (let seed = 1; seed <= 5; seed++) {
    const cluster = clusterOf(trial, 3, {
      seed,
      network: { delayMs: [0.5, 5] },
      syncMs: [0.5, 5],
      options: { quiesces: seed % 2 === 0 },
    });
    settle(cluster);
    for (let round = 0; round < 60; round++) {
      const leader = cluster.leader();
      if (leader !== undefined) cluster.propose(leader, `round ${round}`);
      const node = cluster.random.below(3);
      const peer = cluster.members[(node + 1 + cluster.random.below(2)) % 3] as NodeId;
      const type = cluster.random.chance(0.5) ? 'peer-down' : 'peer-silent';
      cluster.input(cluster.members[node] as NodeId, { type, peer });
      cluster.run(10);
    }
    commitEverywhere(cluster, 'after the false hints');
  }
}

function aloneByHint(trial: Trial): void {
  const cluster = clusterOf(trial, 3);
  const leader = settle(cluster);
  const alone = otherThan(cluster, leader);
  cluster.partition(othersThan(cluster, alone), [alone]);
  for (let round = 0; round < 40; round++) {
    for (const peer of othersThan(cluster, alone)) {
      cluster.input(alone, { type: 'peer-down', peer });
      cluster.input(alone, { type: 'peer-silent', peer });
    }
    cluster.run(50);
    must(cluster.status(alone).role !== 'leader', 'one of three does not rule, whatever it is told');
  }
  cluster.heal();
  commitEverywhere(cluster, 'together again');
}

function silence(trial: Trial): void {
  const cluster = clusterOf(trial, 3, { options: { quiesces: true } });
  const leader = settle(cluster);
  cluster.propose(leader, 'last words');
  cluster.run(3_000);
  must(cluster.leader() === leader, 'silence alone replaces nobody');
  cluster.crash(leader);
  const others = othersThan(cluster, leader);
  const isReplaced = cluster.runUntil(() => {
    for (const member of others) cluster.input(member, { type: 'peer-silent', peer: leader });
    cluster.run(cluster.options.electionTimeoutMs[0]);
    return others.some((member) => cluster.status(member).role === 'leader');
  });
  must(isReplaced, 'told of it, the others elect another');
  cluster.restart(leader);
  commitEverywhere(cluster, 'awake');
}
