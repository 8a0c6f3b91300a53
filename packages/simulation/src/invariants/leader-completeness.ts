/**
 * Leader Completeness: what was chosen in a reign is held by the leaders of all later ones.
 * [Raft fig. 3, §5.4], [PaxosSimple §2.2 P2b, §3]
 *
 * In Paxos a leader first learns the value of every open slot from a quorum of promises; from the moment
 * it leads it holds them. The reign of choice is not visible, but when a node in reign r knows an entry
 * to be committed it was chosen in r at the latest.
 */
import type { ChosenEntry, InvariantMemory, NodeView } from './memory.ts';
import { entriesByIndex, isSameValue } from './memory.ts';

export function leaderCompleteness(views: readonly NodeView[], memory: InvariantMemory): string | undefined {
  for (const view of views) {
    if (view.role !== 'leader' || isLeaderSince(view, memory)) continue;
    const missing = firstMissing(view, [...memory.chosen.values()]);
    if (missing !== undefined) return missing;
  }
  if (memory.chosenInStep.length === 0) return undefined;
  for (const view of memory.latestViews()) {
    if (view.role !== 'leader') continue;
    const missing = firstMissing(view, memory.chosenInStep);
    if (missing !== undefined) return missing;
  }
  return undefined;
}

function isLeaderSince(view: NodeView, memory: InvariantMemory): boolean {
  const before = memory.before(view);
  return before?.role === 'leader' && before.reign === view.reign;
}

function firstMissing(leader: NodeView, chosen: readonly ChosenEntry[]): string | undefined {
  const above = chosen.filter(
    ({ entry, knownInReign }) => entry.index > leader.snapshotIndex && knownInReign <= leader.reign,
  );
  if (above.length === 0) return undefined;
  const lowest = above.reduce((low, { entry }) => Math.min(low, entry.index), Number.POSITIVE_INFINITY);
  const held = entriesByIndex(leader, lowest - 1);
  for (const { entry, node } of above) {
    const own = held.get(entry.index);
    if (own !== undefined && isSameValue(own, entry)) continue;
    const how = own === undefined ? 'without' : 'with something else at';
    return `${leader.node} leads in reign ${leader.reign} ${how} index ${entry.index}, which ${node} has committed`;
  }
  return undefined;
}
