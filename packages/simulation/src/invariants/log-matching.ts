/**
 * Log Matching: if two logs hold an entry of the same index and term, they are the same up to it.
 * [Raft fig. 3, §5.3]
 *
 * Checked by its induction step: an entry of one index and term has one value and one predecessor,
 * wherever and whenever it was seen. And a log has no gaps.
 */
import type { Entry, Reign } from '@quorate/consensus';
import { type InvariantMemory, isSameValue, type NodeView } from './memory.ts';

export function logMatching(views: readonly NodeView[], memory: InvariantMemory): string | undefined {
  if (memory.algorithm !== 'raft') return undefined;
  for (const view of views) {
    const change = memory.changeOf(view);
    let previous: Entry | undefined;
    for (const entry of change.added) {
      if (previous !== undefined && entry.index !== previous.index + 1) {
        return `${view.node} holds ${previous.index} and then ${entry.index}, with a gap between`;
      }
      const previousReign = previous === undefined ? change.previousReign : previous.reign;
      const difference = noteProposal(memory, view, entry, previousReign);
      if (difference !== undefined) return difference;
      previous = entry;
    }
  }
  return undefined;
}

function noteProposal(
  memory: InvariantMemory,
  view: NodeView,
  entry: Entry,
  previousReign: Reign | undefined,
): string | undefined {
  const { node } = view;
  const ofIndex = memory.proposalsAt(entry.index);
  const known = ofIndex.get(entry.reign);
  if (known === undefined || known.previousReign === undefined) {
    ofIndex.set(entry.reign, { entry, node, previousReign });
  }
  if (known === undefined) return undefined;
  const what = `index ${entry.index} of term ${entry.reign}`;
  if (!isSameValue(known.entry, entry)) return `${what} is one thing at ${known.node}, another at ${node}`;
  const areKnown = known.previousReign !== undefined && previousReign !== undefined;
  if (!areKnown || known.previousReign === previousReign) return undefined;
  return `${what} follows term ${known.previousReign} at ${known.node}, and term ${previousReign} at ${node}`;
}
