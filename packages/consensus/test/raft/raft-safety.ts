/**
 * The properties of Raft that only its own words can state. [Raft fig. 3]
 *
 * They complete `src/conformance/safety.ts`, which any protocol must pass: Election Safety and State Machine
 * Safety are there.
 */
import type { NodeId } from '@quorate/core';
import type { ProtocolCluster } from '../../src/conformance/cluster.ts';
import { samePayload } from '../../src/conformance/durable-store.ts';
import type { Effect, Entry, LogIndex } from '../../src/protocol.ts';
import type { RaftMessage } from '../../src/raft/message.ts';
import { type RaftState, raft } from '../../src/raft/raft.ts';

type Cluster = ProtocolCluster<RaftState, RaftMessage>;

/** Looks at the cluster whenever somebody has won an election, and now and then in between. */
export function checkRaftSafety(cluster: Cluster, node: NodeId, effect: Effect<RaftMessage>): void {
  if (effect.type === 'persist' && effect.truncateAfter !== undefined) leaderAppendOnly(cluster, node);
  if (effect.type !== 'role') return;
  if (effect.role === 'leader') leaderCompleteness(cluster, node);
  logMatching(cluster);
}

/** Leader Append-Only: a leader never overwrites or deletes entries in its log. [Raft §5.3] */
function leaderAppendOnly(cluster: Cluster, node: NodeId): void {
  if (cluster.status(node).role === 'leader') throw new Error(`Leader Append-Only: broken at ${node}`);
}

/** Leader Completeness: a leader has every entry that was committed in an earlier term. [Raft §5.4] */
function leaderCompleteness(cluster: Cluster, node: NodeId): void {
  const { entriesAbove, snapshotIndex, reign } = raft.inspect(cluster.stateOf(node));
  // Whoever learns late that it has won may lack what the leader of a newer term has committed since.
  if (reign < Math.max(...cluster.safety.leaderOfReign.keys())) return;
  const entries = entriesAbove(snapshotIndex);
  for (const chosen of cluster.safety.chosen) {
    const entry = entries[chosen.index - snapshotIndex - 1];
    const isThere = chosen.index <= snapshotIndex || (entry !== undefined && samePayload(entry, chosen));
    if (!isThere) throw new Error(`Leader Completeness: ${node} lacks ${chosen.index}`);
  }
}

/** Log Matching: equal index and term, equal logs up to there. [Raft §5.3] */
function logMatching(cluster: Cluster): void {
  const logs = cluster.members
    .filter((member) => cluster.isUp(member))
    .map(
      (member) =>
        new Map(
          raft
            .inspect(cluster.stateOf(member))
            .entriesAbove(0 as LogIndex)
            .map((entry) => [entry.index, entry]),
        ),
    );
  for (const one of logs) {
    for (const other of logs) {
      if (one !== other) logsMatch(one, other);
    }
  }
}

function logsMatch(one: ReadonlyMap<number, Entry>, other: ReadonlyMap<number, Entry>): void {
  let haveMet = false;
  for (const entry of [...one.values()].reverse()) {
    const twin = other.get(entry.index);
    if (twin === undefined) continue;
    const isSame = twin.reign === entry.reign && samePayload(twin, entry);
    if (haveMet && !isSame) throw new Error(`Log Matching: broken at index ${entry.index}`);
    haveMet ||= twin.reign === entry.reign;
  }
}
