/**
 * What never goes back in the life of a node: its reign, its promise, what it has committed, applied and
 * forgotten; and the vote that goes with a promise. [Raft fig. 2, §5.1, §5.2], [PaxosSimple §2.2]
 *
 * What must also outlast a restart is checked in promises-kept.ts and chosen-is-held.ts: only what was
 * durable must, and from outside that is known only once somebody has relied on it.
 */
import type { InvariantMemory, NodeView } from './memory.ts';

export function monotonic(views: readonly NodeView[], memory: InvariantMemory): string | undefined {
  for (const view of views) {
    const violation = ordered(view) ?? goesBack(view, memory);
    if (violation !== undefined) return violation;
  }
  return undefined;
}

function ordered(view: NodeView): string | undefined {
  const { node, snapshotIndex, commitIndex, appliedIndex, lastIndex } = view;
  if (snapshotIndex > commitIndex)
    return `${node} has forgotten ${snapshotIndex}, beyond its commit ${commitIndex}`;
  if (appliedIndex > commitIndex)
    return `${node} has applied ${appliedIndex}, beyond its commit ${commitIndex}`;
  if (commitIndex > lastIndex)
    return `${node} has committed ${commitIndex}, beyond its log's end ${lastIndex}`;
  return undefined;
}

const neverBack = ['reign', 'promisedReign', 'commitIndex', 'appliedIndex', 'snapshotIndex'] as const;

function goesBack(view: NodeView, memory: InvariantMemory): string | undefined {
  const before = memory.before(view);
  if (before === undefined) return undefined;
  for (const name of neverBack) {
    if (view[name] < before[name])
      return `${view.node}: ${name} went from ${before[name]} back to ${view[name]}`;
  }
  const sameVote = before.votedFor === undefined || before.votedFor === view.votedFor;
  if (sameVote || view.promisedReign !== before.promisedReign) return undefined;
  return `${view.node} gave its vote of reign ${view.promisedReign} to ${before.votedFor}, then to ${view.votedFor}`;
}
