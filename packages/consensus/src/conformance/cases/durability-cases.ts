/** Durable first: what a mark means, what may leave before it, and a power cut at every write. */
import type { NodeId } from '@quorate/core';
import { type CaseDefinition, must, type Trial } from '../conformance-case.ts';
import { type AnyCluster, clusterOf, commitEverywhere, othersThan, settle } from '../settled.ts';

export const durabilityCases: readonly CaseDefinition[] = [
  {
    part: 'safety',
    name: 'nothing is committed before a majority has it on its disks',
    check: persistsBeforePromising,
  },
  { part: 'safety', name: 'a mark stands for its write and for no later one', check: markIsExact },
  { part: 'safety', name: 'a mark stands for all writes before it', check: markIsCumulative },
  { part: 'safety', name: 'a power cut at any write breaks no promise', check: crashAtEveryWrite },
  {
    part: 'safety',
    name: 'all that was committed is there after all nodes lost their power',
    check: blackout,
  },
];

/** In every pair of three nodes the disks stand still: the third alone must not commit. */
function persistsBeforePromising(trial: Trial): void {
  for (let spared = 0; spared < 3; spared++) {
    const cluster = clusterOf(trial, 3);
    const leader = settle(cluster);
    const before = cluster.status(leader).commitIndex;
    const sparedNode = cluster.members[spared] as NodeId;
    for (const member of othersThan(cluster, sparedNode)) cluster.holdDisk(member);
    must(cluster.propose(leader, 'not durable').type === 'accepted', 'accepting needs no disk');
    cluster.run(cluster.options.electionTimeoutMs[0] / 2);
    for (const member of cluster.members) {
      must(
        cluster.status(member).commitIndex === before,
        `${member} commits nothing that one disk of three holds`,
      );
    }
    cluster.heal();
    commitEverywhere(cluster, 'durable');
  }
}

/** A node alone is its own majority: what it commits shows what it takes for durable. */
function heldAlone(trial: Trial): { readonly cluster: AnyCluster; readonly alone: NodeId } {
  const cluster = clusterOf(trial, 1);
  const alone = settle(cluster);
  cluster.holdDisk(alone);
  return { cluster, alone };
}

function markIsExact(trial: Trial): void {
  const { cluster, alone } = heldAlone(trial);
  const { store } = cluster.node(alone);
  for (const text of ['first', 'second', 'third']) {
    cluster.propose(alone, text);
    cluster.run(1);
  }
  must(store.unsyncedCount > 0, 'what is accepted is written');
  must(cluster.committedTexts(alone).length === 0, 'nothing is committed before it is durable');
  while (store.unsyncedCount > 0) {
    cluster.syncWrites(alone, 1);
    const durable = [...store.entries.values()].filter(({ payload }) => payload.length > 0).length;
    // The mark was heard: so much is committed, and `SafetyChecks` sees to it that it is no more.
    must(
      cluster.committedTexts(alone).length === durable,
      `with ${durable} entries durable as many are committed`,
    );
  }
  must(cluster.committedTexts(alone).length === 3, 'all are committed once all are durable');
}

function markIsCumulative(trial: Trial): void {
  const { cluster, alone } = heldAlone(trial);
  for (const text of ['first', 'second', 'third']) cluster.propose(alone, text);
  cluster.syncWrites(alone, cluster.node(alone).store.unsyncedCount);
  must(
    cluster.committedTexts(alone).join() === 'first,second,third',
    'the last mark of a group commit stands for all of it',
  );
}

/** Strikes a node when it has emitted its nth write: the write, and what waits for it, is lost. */
function crashAtEveryWrite(trial: Trial): void {
  for (const isAppointed of [false, true]) {
    for (let victim = 0; victim < 3; victim++) {
      let writes = 1;
      while (writes <= 16 && strikeAtWrite(trial, { victim, writes, isAppointed })) writes += 1;
      must(writes > 3, 'a node writes what it is told to keep');
    }
  }
}

/** @returns whether there was an nth write to strike at */
function strikeAtWrite(
  trial: Trial,
  strike: { readonly victim: number; readonly writes: number; readonly isAppointed: boolean },
): boolean {
  const cluster = clusterOf(trial, 3, {
    seed: strike.writes,
    network: { delayMs: [0.5, 3], duplicateChance: 0.1 },
    syncMs: [0.5, 4],
    ...(strike.isAppointed ? { appointed: 'n2' } : {}),
  });
  const victim = cluster.members[strike.victim] as NodeId;
  let written = 0;
  let isDue = false;
  cluster.onEffect = (node, effect) => {
    if (node !== victim || (effect.type !== 'persist' && effect.type !== 'install')) return;
    written += 1;
    if (written === strike.writes) isDue = true;
  };
  let proposals = 0;
  const endMs = 3_000;
  while (cluster.nowMs < endMs) {
    cluster.run(1);
    if (isDue) {
      isDue = false;
      // Whatever of the disk's queue was durable stays, the newest write certainly is not.
      cluster.crash(victim);
      cluster.run(strike.writes % 2 === 0 ? 400 : 5);
      cluster.restart(victim);
    }
    const leader = cluster.leader();
    if (leader !== undefined && cluster.nowMs % 40 < 1 && proposals < 15) {
      cluster.propose(leader, `p${++proposals}`);
      cluster.read(leader);
    }
  }
  commitEverywhere(cluster, 'after the power cut');
  return written >= strike.writes;
}

function blackout(trial: Trial): void {
  for (let seed = 1; seed <= 5; seed++) {
    const cluster = clusterOf(trial, 3, { seed, network: { delayMs: [0.5, 5] }, syncMs: [0.5, 10] });
    const leader = settle(cluster);
    for (let at = 0; at < 20; at++) {
      cluster.propose(leader, `kept ${at}`);
      cluster.run(3);
    }
    const committed = Math.max(...cluster.members.map((member) => cluster.node(member).committed.length));
    const chosen = cluster.safety.chosen.slice(0, committed);
    for (const member of cluster.members) cluster.crash(member);
    cluster.run(100);
    for (const member of cluster.members) cluster.restart(member);
    commitEverywhere(cluster, 'light again');
    for (const member of cluster.members) {
      const held = cluster.node(member).committed.slice(0, committed);
      must(
        held.length === chosen.length &&
          held.every(
            (entry, at) => Buffer.compare(entry.payload, chosen[at]?.payload ?? entry.payload) === 0,
          ),
        `${member} has again what was committed before`,
      );
    }
  }
}
