/**
 * State Machine Safety: what one node calls committed at an index is what every node ever commits there.
 * [Raft fig. 3, §5.4.3], [PaxosSimple §2.1]
 *
 * This checker keeps the book of what was chosen, for the others to read.
 */
import type { Entry, LogIndex } from '@quorate/consensus';
import { type InvariantMemory, isSameValue, type NodeView } from './memory.ts';

export function stateMachineSafety(views: readonly NodeView[], memory: InvariantMemory): string | undefined {
  for (const view of views) {
    // A node that has restarted shows anew what it holds of the committed prefix.
    const known = Math.max(memory.before(view)?.commitIndex ?? 0, view.snapshotIndex);
    if (view.commitIndex <= known) continue;
    let expected = known + 1;
    for (const entry of view.entriesAbove(known as LogIndex)) {
      if (entry.index > view.commitIndex) break;
      if (entry.index !== expected) break;
      const difference = noteChosen(memory, view, entry);
      if (difference !== undefined) return difference;
      expected += 1;
    }
    if (expected <= view.commitIndex) {
      return `${view.node} has committed up to ${view.commitIndex} and does not hold ${expected}`;
    }
  }
  memory.chosenInStep.sort((one, other) => one.entry.index - other.entry.index);
  return undefined;
}

function noteChosen(memory: InvariantMemory, view: NodeView, entry: Entry): string | undefined {
  const known = memory.chosen.get(entry.index);
  if (known !== undefined) {
    if (isSameValue(known.entry, entry)) return undefined;
    return `${known.node} and ${view.node} have committed different entries at ${entry.index}`;
  }
  const chosen = { entry, node: view.node, knownInReign: view.reign, quorum: undefined };
  memory.chosen.set(entry.index, chosen);
  memory.chosenInStep.push(chosen);
  if (entry.index > memory.lastChosen) memory.lastChosen = entry.index;
  return undefined;
}
