/** Reads: served by whoever leads, and from a state that misses nothing that was committed before. */
import { clockRateRatioMax, leaseMsFor } from '../../replica/clock-bound.ts';
import { type CaseDefinition, must, type Trial } from '../conformance-case.ts';
import { type AnyCluster, clusterOf, commitEverywhere, othersThan, settle } from '../settled.ts';

export const readCases: readonly CaseDefinition[] = [
  { part: 'safety', name: 'a leader that is heard answers reads, lease or no lease', check: readsAreServed },
  { part: 'safety', name: 'a read sees all that was committed before it', check: readSeesCommitted },
  {
    part: 'safety',
    name: 'a leader that has been replaced answers no read, by lease or without',
    check: deposedAnswersNothing,
  },
  { part: 'safety', name: 'a sealed leader answers nothing from a lease', check: sealEndsLease },
  { part: 'safety', name: 'no read is left without an answer', check: noReadHangs },
];

const withLeases = { leaseMs: leaseMsFor(150), electionTimeoutMs: [150, 300] as const };

function readsAreServed(trial: Trial): void {
  for (const nodes of [1, 3, 5]) {
    const cluster = clusterOf(trial, nodes, { options: withLeases, network: { delayMs: [0.5, 2] } });
    const leader = settle(cluster);
    for (const mayUseLease of [false, true]) {
      const { commitIndex } = cluster.status(leader);
      const read = cluster.read(leader, { mayUseLease });
      must(
        cluster.runUntil(() => cluster.readOutcome(read) === commitIndex, 200),
        'a read is answered with what is committed',
      );
    }
  }
}

/** The check itself is one of `SafetyChecks`: no index below what anyone had committed when the read was asked. */
function readSeesCommitted(trial: Trial): void {
  for (let seed = 1; seed <= 10; seed++) {
    const cluster = clusterOf(trial, 3, {
      seed,
      network: { delayMs: [0.5, 20] },
      syncMs: [0.5, 20],
      options: withLeases,
    });
    settle(cluster);
    for (let round = 0; round < 60; round++) {
      for (const member of cluster.members) {
        if (!cluster.isUp(member)) continue;
        if (cluster.status(member).role === 'leader') cluster.propose(member, `round ${round} at ${member}`);
        cluster.read(member, { mayUseLease: round % 2 === 0 });
      }
      if (round % 20 === 10) powerCycleLeader(cluster);
      cluster.run(15);
    }
    settle(cluster);
  }
}

/** A new leader, or the same one again, does not know at first how far the log is committed. */
function powerCycleLeader(cluster: AnyCluster): void {
  const leader = cluster.leader();
  if (leader === undefined) return;
  cluster.crash(leader);
  cluster.restart(leader);
}

function deposedAnswersNothing(trial: Trial): void {
  for (const hasFastFollowers of [false, true]) {
    for (let seed = 1; seed <= 4; seed++) {
      const cluster = clusterOf(trial, 3, {
        seed,
        options: withLeases,
        network: { delayMs: [0.5, 2] },
        ...(hasFastFollowers ? { clockRates: [1, clockRateRatioMax] as const } : {}),
      });
      const old = settle(cluster);
      const others = othersThan(cluster, old);
      cluster.partition(others, [old]);
      const untilMs = cluster.nowMs + 4 * cluster.options.electionTimeoutMs[1];
      while (cluster.nowMs < untilMs) {
        cluster.run(5);
        const next = others.find((member) => cluster.status(member).role === 'leader');
        if (next !== undefined) cluster.propose(next, `at ${cluster.nowMs}`);
        // Each of these, answered with what the old one knows, would miss what the others have committed.
        cluster.read(old, { mayUseLease: true });
        cluster.read(old);
      }
      cluster.heal();
      commitEverywhere(cluster, 'healed');
    }
  }
}

function sealEndsLease(trial: Trial): void {
  const cluster = clusterOf(trial, 3, { options: withLeases });
  const leader = settle(cluster);
  cluster.run(500);
  cluster.input(leader, { type: 'seal' });
  for (let at = 0; at < 20; at++) {
    cluster.partition();
    const read = cluster.read(leader, { mayUseLease: true });
    must(
      typeof cluster.readOutcome(read) !== 'number',
      'what a sealed leader answers by itself, it answers from a lease',
    );
    cluster.heal();
    cluster.run(25);
  }
}

function noReadHangs(trial: Trial): void {
  const cluster = clusterOf(trial, 3, { network: { delayMs: [0.5, 2], lossChance: 0.2 } });
  settle(cluster);
  const asked: number[] = [];
  for (let round = 0; round < 40; round++) {
    const leader = cluster.leader();
    if (leader !== undefined) {
      asked.push(cluster.read(leader));
      if (round % 10 === 5) cluster.partition(othersThan(cluster, leader), [leader]);
    }
    if (round % 10 === 9) cluster.heal();
    cluster.run(40);
  }
  cluster.heal();
  commitEverywhere(cluster, 'healed');
  cluster.run(1_000);
  for (const read of asked) must(cluster.readOutcome(read) !== 'waiting', `read ${read} is answered`);
}
