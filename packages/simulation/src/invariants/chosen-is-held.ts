/**
 * What is chosen stays held by a quorum, over restarts and overwriting.
 * [Raft §5.3, §5.4], [PaxosSimple §2.2, §2.5]
 *
 * Whoever answers that it holds an entry must have made it durable first. If just enough nodes held an
 * entry when it was called committed, they were its quorum, and each of them must hold it for ever: in
 * the log or in a snapshot.
 */
import type { Entry, LogIndex } from '@quorate/consensus';
import type { NodeId } from '@quorate/core';
import {
  type ChosenEntry,
  entriesByIndex,
  type InvariantMemory,
  isSameValue,
  type NodeView,
} from './memory.ts';

export function chosenIsHeld(views: readonly NodeView[], memory: InvariantMemory): string | undefined {
  const violation = noteQuorums(memory);
  if (violation !== undefined) return violation;
  for (const view of views) {
    const suspects = memory.before(view) === undefined ? allAbove(view, memory) : memory.changeOf(view).lost;
    const lost = firstLost(view, suspects, memory);
    if (lost !== undefined) return lost;
  }
  return undefined;
}

function noteQuorums(memory: InvariantMemory): string | undefined {
  const first = memory.chosenInStep[0];
  if (first === undefined) return undefined;
  const holders = new Holders(memory.latestViews(), first.entry.index);
  for (const chosen of memory.chosenInStep) {
    const holding = holders.of(chosen.entry);
    const violation = tooFew(chosen, holding, memory);
    if (violation !== undefined) return violation;
    if (holding.length === memory.choosing) chosen.quorum = new Set(holding);
  }
  return undefined;
}

/** After a restart anything that was chosen may be gone. */
function allAbove(view: NodeView, memory: InvariantMemory): LogIndex[] {
  const indexes: LogIndex[] = [];
  for (let index = view.snapshotIndex + 1; index <= memory.lastChosen; index++)
    indexes.push(index as LogIndex);
  return indexes;
}

function firstLost(
  view: NodeView,
  suspects: readonly LogIndex[],
  memory: InvariantMemory,
): string | undefined {
  const first = suspects[0];
  if (first === undefined || first > memory.lastChosen) return undefined;
  const holders = new Holders(memory.latestViews(), first);
  for (const index of suspects) {
    const chosen = memory.chosen.get(index);
    if (chosen === undefined) continue;
    const holding = holders.of(chosen.entry);
    if (chosen.quorum?.has(view.node) && !holding.includes(view.node)) {
      return `${view.node} was of the quorum that chose ${index}, and does not hold it any more`;
    }
    const violation = tooFew(chosen, holding, memory);
    if (violation !== undefined) return violation;
  }
  return undefined;
}

function tooFew(
  chosen: ChosenEntry,
  holding: readonly NodeId[],
  memory: InvariantMemory,
): string | undefined {
  if (holding.length >= memory.choosing) return undefined;
  const who = holding.length === 0 ? 'nobody' : holding.join(', ');
  return `${chosen.node} has committed ${chosen.entry.index}, and only ${who} holds it`;
}

/** Who holds an entry, for entries from one index on. */
class Holders {
  readonly #logs: readonly { readonly view: NodeView; readonly held: ReadonlyMap<LogIndex, Entry> }[];

  constructor(views: readonly NodeView[], first: LogIndex) {
    this.#logs = views.map((view) => ({ view, held: entriesByIndex(view, first - 1) }));
  }

  of(entry: Entry): NodeId[] {
    const holding: NodeId[] = [];
    for (const { view, held } of this.#logs) {
      const own = held.get(entry.index);
      const isHeld = own === undefined ? entry.index <= view.snapshotIndex : isSameValue(own, entry);
      if (isHeld) holding.push(view.node);
    }
    return holding;
  }
}
