/**
 * Chosen once: under one ballot a slot has one value, and once a value is chosen every higher ballot
 * proposes that value. [PaxosSimple §2.2 P2b, P2c]
 *
 * Multi-Paxos only. Raft keeps old uncommitted entries beside a committed one until they are
 * overwritten, and its entries keep the term in which they were made [Raft fig. 8].
 */
import type { Entry } from '@quorate/consensus';
import { entriesByIndex, type InvariantMemory, isSameValue, type NodeView } from './memory.ts';

export function chosenOnce(views: readonly NodeView[], memory: InvariantMemory): string | undefined {
  if (memory.algorithm !== 'multi-paxos') return undefined;
  for (const view of views) {
    for (const entry of memory.changeOf(view).added) {
      const violation = oneValuePerBallot(memory, view, entry) ?? proposesTheChosen(memory, view, entry);
      if (violation !== undefined) return violation;
    }
  }
  const first = memory.chosenInStep[0];
  if (first === undefined) return undefined;
  for (const view of memory.latestViews()) {
    const held = entriesByIndex(view, first.entry.index - 1);
    for (const { entry } of memory.chosenInStep) {
      const own = held.get(entry.index);
      const violation = own === undefined ? undefined : proposesTheChosen(memory, view, own);
      if (violation !== undefined) return violation;
    }
  }
  return undefined;
}

function oneValuePerBallot(memory: InvariantMemory, view: NodeView, entry: Entry): string | undefined {
  const { node } = view;
  const ofSlot = memory.proposalsAt(entry.index);
  const known = ofSlot.get(entry.reign);
  if (known === undefined) ofSlot.set(entry.reign, { entry, node, previousReign: undefined });
  if (known === undefined || isSameValue(known.entry, entry)) return undefined;
  return `slot ${entry.index} of ballot ${entry.reign} is one thing at ${known.node}, another at ${node}`;
}

function proposesTheChosen(memory: InvariantMemory, view: NodeView, entry: Entry): string | undefined {
  const chosen = memory.chosen.get(entry.index)?.entry;
  if (chosen === undefined || entry.reign < chosen.reign || isSameValue(chosen, entry)) return undefined;
  return (
    `${view.node} accepted another value in slot ${entry.index} at ballot ${entry.reign} ` +
    `than was chosen at ${chosen.reign} or below`
  );
}
