/** What is proposed: in order, without a gap, within limits, and never by whoever is not asked. */
import type { NodeId } from '@quorate/core';
import { type CaseDefinition, must, type Trial } from '../conformance-case.ts';
import { clusterOf, commitEverywhere, otherThan, settle } from '../settled.ts';

export const replicationCases: readonly CaseDefinition[] = [
  {
    part: 'safety',
    name: 'what a working leader accepts is committed everywhere, in order and without a gap',
    check: inOrder,
  },
  { part: 'safety', name: 'entries far larger than a message are committed too', check: largeEntries },
  {
    part: 'safety',
    name: 'nothing is committed without a majority, and all of it afterwards',
    check: noMajority,
  },
  { part: 'safety', name: 'a follower that was away gets all that it missed', check: catchUp },
  { part: 'safety', name: 'a leader with too much uncommitted refuses as overloaded', check: overload },
  { part: 'safety', name: 'messages set off no storm of messages', check: noStorm },
  { part: 'safety', name: 'what a stranger sends changes nothing', check: stranger },
];

function inOrder(trial: Trial): void {
  for (const nodes of [1, 3, 5]) {
    const cluster = clusterOf(trial, nodes, {
      network: { delayMs: [0.1, 8], duplicateChance: 0.3 },
      syncMs: [0.1, 5],
    });
    const leader = settle(cluster);
    const proposed: string[] = [];
    let last = cluster.status(leader).lastIndex as number;
    for (let batch = 0; batch < 30; batch++) {
      const texts = Array.from({ length: 1 + (batch % 4) }, (_, at) => `batch ${batch}, text ${at}`);
      const outcome = cluster.propose(leader, ...texts);
      must(outcome.type === 'accepted', 'a leader without faults accepts');
      must(outcome.first === last + 1, 'what is accepted follows on what was accepted before');
      last = outcome.last;
      proposed.push(...texts);
      cluster.run(batch % 3);
    }
    settle(cluster);
    for (const member of cluster.members) {
      must(cluster.committedTexts(member).join() === proposed.join(), `${member} has all, in order`);
    }
    must(cluster.node(leader).committed.at(-1)?.index === last, 'indexes are those that were told');
  }
}

function largeEntries(trial: Trial): void {
  const cluster = clusterOf(trial, 3, { options: { appendBytesMax: 64, appendsInFlightMax: 2 } });
  const leader = settle(cluster);
  const texts = Array.from({ length: 12 }, (_, at) => `${at}`.padEnd(at % 3 === 0 ? 500 : 10, '.'));
  for (const text of texts) cluster.propose(leader, text);
  cluster.propose(leader, ...texts.map((text) => `${text} again`));
  settle(cluster);
  for (const member of cluster.members) {
    must(cluster.committedTexts(member).length === texts.length * 2, `${member} has all of them`);
  }
}

function noMajority(trial: Trial): void {
  const cluster = clusterOf(trial, 5);
  const leader = settle(cluster);
  const before = cluster.status(leader).commitIndex;
  const companion = otherThan(cluster, leader);
  cluster.partition([leader, companion]);
  const outcome = cluster.propose(leader, 'of the minority');
  must(outcome.type === 'accepted', 'a leader does not know at once that it is cut off');
  cluster.run(cluster.options.electionTimeoutMs[0] / 2);
  for (const member of [leader, companion]) {
    must(cluster.status(member).commitIndex === before, 'two of five commit nothing');
  }
  cluster.heal();
  commitEverywhere(cluster, 'of all');
}

function catchUp(trial: Trial): void {
  const cluster = clusterOf(trial, 3, { options: { appendBytesMax: 60 } });
  const leader = settle(cluster);
  const late = otherThan(cluster, leader);
  cluster.crash(late);
  const texts = Array.from({ length: 40 }, (_, at) => `missed ${at}`);
  for (const text of texts) {
    cluster.propose(leader, text);
    cluster.run(2);
  }
  cluster.restart(late);
  must(
    cluster.runUntil(() => cluster.committedTexts(late).length === texts.length),
    'whoever was away gets all that it missed',
  );
  must(cluster.committedTexts(late).join() === texts.join(), 'in the order of the others');
}

function overload(trial: Trial): void {
  const cluster = clusterOf(trial, 3, { options: { uncommittedBytesMax: 100 } });
  const leader = settle(cluster);
  cluster.partition([leader]);
  let accepted = 0;
  let outcome = cluster.propose(leader, 'twenty bytes of text 0');
  while (outcome.type === 'accepted' && accepted < 100) {
    accepted += 1;
    outcome = cluster.propose(leader, `twenty bytes of text ${accepted}`);
  }
  must(outcome.type === 'refused' && outcome.reason === 'overloaded', 'above its limit it refuses');
  must(accepted >= 1 && accepted <= 6, 'at its limit, not far below or above');
  const { lastIndex } = cluster.status(leader);
  cluster.propose(leader, 'refused as well');
  must(cluster.status(leader).lastIndex === lastIndex, 'nothing of what is refused is appended');
  cluster.heal();
  commitEverywhere(cluster, 'room again');
  const large = 'L'.repeat(300);
  settle(cluster);
  must(
    cluster.propose(cluster.leader() as NodeId, large).type === 'accepted',
    'one batch above the limit goes when nothing else is open: it must not be refused for ever',
  );
}

function stranger(trial: Trial): void {
  // The other cluster has ruled for longer: taken seriously, its messages would depose and overwrite.
  const others = clusterOf(trial, 3, { seed: 2 });
  let foreign: unknown[] = [];
  settle(others);
  others.hold = ({ wire }) => {
    foreign.push(wire);
    return false;
  };
  for (let crash = 0; crash < 5; crash++) {
    const leader = settle(others);
    others.propose(leader, `foreign ${crash}`);
    others.run(100);
    others.crash(leader);
    others.run(1_000);
    others.restart(leader);
  }
  foreign = foreign.slice(-200);
  const cluster = clusterOf(trial, 3);
  const leader = settle(cluster);
  cluster.propose(leader, 'ours');
  settle(cluster);
  const before = cluster.members.map((member) => JSON.stringify(cluster.status(member)));
  for (const wire of foreign) {
    for (const to of cluster.members) {
      const message = cluster.protocol.decodeMessage(wire);
      cluster.input(to, { type: 'receive', from: 'stranger' as NodeId, message });
    }
  }
  const after = cluster.members.map((member) => JSON.stringify(cluster.status(member)));
  must(after.join() === before.join(), 'only members have a say');
  commitEverywhere(cluster, 'undisturbed');
}

/** Duplicates and late answers, each answered by more than one message, would grow without end. */
function noStorm(trial: Trial): void {
  const cluster = clusterOf(trial, 3, { network: { delayMs: [0.5, 2] } });
  let messages = 0;
  let limit = 20_000;
  cluster.onEffect = (_, effect) => {
    if (effect.type === 'send') messages += 1;
    if (effect.type === 'persist' || effect.type === 'install') messages += effect.thenSend.length;
    must(messages <= limit, `${limit} messages are enough`);
  };
  settle(cluster);
  cluster.network = { delayMs: [0.5, 40], lossChance: 0.05, duplicateChance: 0.5 };
  for (let round = 0; round < 100; round++) {
    const leader = cluster.leader();
    if (leader !== undefined) {
      cluster.propose(leader, `round ${round}`);
      cluster.read(leader);
    }
    cluster.run(10);
  }
  settle(cluster);
  cluster.run(500);
  messages = 0;
  // In a second of idleness every node may still say something to every other, twice a heartbeat.
  limit = 2 * 6 * (1_000 / cluster.options.heartbeatMs);
  cluster.run(1_000);
}
