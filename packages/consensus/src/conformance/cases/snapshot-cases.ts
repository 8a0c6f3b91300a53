/** Snapshots: what is forgotten, what is sent instead, and what a power cut may leave of it. */
import type { NodeId } from '@quorate/core';
import type { LogIndex } from '../../protocol.ts';
import { type CaseDefinition, must, type Trial } from '../conformance-case.ts';
import {
  type AnyCluster,
  clusterOf,
  commitEverywhere,
  effectsOf,
  othersThan,
  otherThan,
  settle,
} from '../settled.ts';

export const snapshotCases: readonly CaseDefinition[] = [
  {
    part: 'safety',
    name: 'what a snapshot holds is forgotten, and the rest survives a restart',
    check: compaction,
  },
  {
    part: 'safety',
    name: 'whoever needs what is forgotten gets a snapshot and goes on from it',
    check: install,
  },
  { part: 'safety', name: 'a snapshot that did not arrive is sent again', check: lostSnapshot },
  { part: 'safety', name: 'a snapshot that holds nothing new is not installed', check: oldSnapshot },
  { part: 'safety', name: 'nobody follows a bystander for the snapshot that it sent', check: bystander },
  {
    part: 'safety',
    name: 'a power cut during an install leaves the old state or the new one',
    check: cutInstall,
  },
  { part: 'safety', name: 'committed entries can be read page by page', check: pages },
];

interface Behind {
  readonly cluster: AnyCluster;
  readonly leader: NodeId;
  readonly late: NodeId;
  readonly texts: readonly string[];
}

/** One node is down, and the others have forgotten what it misses. */
function leftBehind(trial: Trial, seed = 1): Behind {
  const cluster = clusterOf(trial, 3, { seed, network: { delayMs: [0.5, 2] }, syncMs: [0.5, 2] });
  const leader = settle(cluster);
  const late = otherThan(cluster, leader);
  cluster.propose(leader, 'seen by all');
  settle(cluster);
  cluster.crash(late);
  const texts = ['seen by all'];
  for (let at = 0; at < 20; at++) {
    texts.push(`missed ${at}`);
    cluster.propose(leader, `missed ${at}`);
  }
  settle(cluster);
  for (const member of othersThan(cluster, late))
    cluster.compact(member, cluster.node(member).committed.length - 3);
  cluster.run(50);
  return { cluster, leader, late, texts };
}

function compaction(trial: Trial): void {
  const { cluster, leader, texts } = leftBehind(trial);
  const { committed } = cluster.node(leader);
  const { snapshotIndex } = cluster.status(leader);
  must(snapshotIndex === committed.length - 3, 'the snapshot index is that of the compaction');
  const held = cluster.protocol.inspect(cluster.stateOf(leader)).entriesAbove(0 as LogIndex);
  must(held.length >= 3, 'what is above the snapshot is kept');
  must(
    held.every(({ index }) => index > snapshotIndex),
    'what the snapshot holds is forgotten',
  );
  cluster.crash(leader);
  cluster.run(50);
  cluster.restart(leader);
  must(
    cluster.status(leader).commitIndex >= snapshotIndex,
    'what a snapshot holds is committed, after a restart too',
  );
  must(cluster.status(leader).snapshotIndex === snapshotIndex, 'the snapshot stays where it was');
  commitEverywhere(cluster, 'after the restart');
  must(
    cluster.committedTexts(leader).slice(0, texts.length).join() === texts.join(),
    'nothing of it is lost',
  );
}

function caughtUp({ cluster, late, texts }: Behind): void {
  must(
    cluster.runUntil(() => cluster.committedTexts(late).slice(0, texts.length).join() === texts.join()),
    'whoever was left behind has all that it missed',
  );
}

function install(trial: Trial): void {
  const behind = leftBehind(trial);
  const { cluster, leader, late } = behind;
  const effects = effectsOf(cluster, late);
  cluster.restart(late);
  caughtUp(behind);
  must(
    effects.some(({ type }) => type === 'install'),
    'it installed a snapshot',
  );
  cluster.propose(cluster.leader() ?? leader, 'on top of the snapshot');
  settle(cluster);
  cluster.crash(late);
  cluster.restart(late);
  must(cluster.status(late).snapshotIndex > 0, 'an installed snapshot survives a restart');
  commitEverywhere(cluster, 'and the log goes on');
}

function lostSnapshot(trial: Trial): void {
  for (let seed = 1; seed <= 3; seed++) {
    const behind = leftBehind(trial, seed);
    const { cluster, late } = behind;
    cluster.restart(late);
    cluster.network = { delayMs: [0.5, 5], lossChance: 0.6, duplicateChance: 0.1 };
    cluster.run(300);
    cluster.pause(late);
    cluster.run(100);
    cluster.heal();
    caughtUp(behind);
  }
}

function oldSnapshot(trial: Trial): void {
  const cluster = clusterOf(trial, 3);
  const leader = settle(cluster);
  for (let at = 0; at < 5; at++) cluster.propose(leader, `text ${at}`);
  settle(cluster);
  const follower = otherThan(cluster, leader);
  const { committed } = cluster.node(follower);
  const { reign } = cluster.status(leader);
  const effects = effectsOf(cluster, follower);
  for (const entry of committed) {
    const last = { index: entry.index, reign: entry.reign };
    cluster.input(follower, { type: 'snapshot-received', from: leader, reign, leads: true, last });
  }
  must(
    effects.every(({ type }) => type !== 'install'),
    'what is committed here already is not taken back for a snapshot',
  );
  commitEverywhere(cluster, 'unharmed');
}

function bystander(trial: Trial): void {
  const behind = leftBehind(trial);
  const { cluster, leader, late } = behind;
  const other = cluster.members.find((member) => member !== leader && member !== late) as NodeId;
  cluster.partition([leader, other], [other, late]);
  cluster.restart(late);
  cluster.node(late).ticking = false;
  cluster.hold = ({ to }) => to === late;
  cluster.offerSnapshot(other, late);
  cluster.run(20);
  must(cluster.status(late).leader !== other, 'who sends a snapshot and does not lead is no leader');
  cluster.node(late).ticking = true;
  cluster.heal();
  caughtUp(behind);
  commitEverywhere(cluster, 'with its leader');
}

function cutInstall(trial: Trial): void {
  for (const isBefore of [true, false]) {
    const behind = leftBehind(trial, isBefore ? 1 : 2);
    const { cluster, late } = behind;
    let isDue = false;
    cluster.onEffect = (node, effect) => {
      if (node === late && effect.type === 'install') isDue = true;
    };
    cluster.restart(late);
    for (let strikes = 0; strikes < 3; strikes++) {
      isDue = false;
      cluster.holdDisk(late);
      if (!cluster.runUntil(() => isDue, 3_000)) break;
      if (!isBefore) cluster.syncWrites(late, cluster.node(late).store.unsyncedCount);
      cluster.crash(late);
      cluster.run(20);
      cluster.restart(late);
    }
    cluster.heal();
    caughtUp(behind);
    commitEverywhere(cluster, 'after the cuts');
  }
}

function pages(trial: Trial): void {
  const { cluster, leader } = leftBehind(trial);
  const { protocol } = cluster;
  const state = cluster.stateOf(leader);
  const { snapshotIndex, commitIndex } = cluster.status(leader);
  // These are in the log, and not committed.
  cluster.partition([leader]);
  for (let at = 0; at < 3; at++) cluster.propose(leader, `open ${at}`);
  const { committed } = cluster.node(leader);
  for (const limits of [
    { bytesMax: 1, entriesMax: 100 },
    { bytesMax: 1_000, entriesMax: 2 },
    { bytesMax: 1_000, entriesMax: 100 },
  ]) {
    let next = (snapshotIndex + 1) as LogIndex;
    while (next <= commitIndex) {
      const page = protocol.committedFrom(state, next, limits);
      must(page !== undefined && page.length >= 1, 'a page holds one entry at least');
      must(page.length <= limits.entriesMax, 'a page keeps to its limit of entries');
      const bytes = page.reduce((sum, { payload }) => sum + payload.byteLength, 0);
      must(page.length === 1 || bytes <= limits.bytesMax, 'a page keeps to its limit of bytes');
      for (const entry of page) {
        must(entry.index === next, 'pages have no gap');
        const chosen = committed[entry.index - 1];
        must(
          chosen !== undefined && Buffer.compare(chosen.payload, entry.payload) === 0,
          'a page holds what is committed, and nothing else',
        );
        next = (next + 1) as LogIndex;
      }
    }
    must(next === commitIndex + 1, 'the pages end with the last committed entry');
    must(protocol.committedFrom(state, next, limits)?.length === 0, 'then there is nothing for now');
    must(
      protocol.committedFrom(state, snapshotIndex, limits) === undefined,
      'of what is forgotten it says so',
    );
  }
}
