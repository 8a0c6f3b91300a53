/**
 * What the safety checkers remember between steps, so that each step costs what changed in it and not
 * the length of the logs.
 *
 * The checkers see nodes from outside, as they are in memory. What a node has not made durable it may
 * lose in a crash; so nothing here concludes from one node's memory alone that it is bound, only from
 * what the protocol itself has concluded: that a leader leads, that an entry is committed.
 */

import {
  type Entry,
  type LogIndex,
  majoritySize,
  type ProtocolInspection,
  type Reign,
} from '@quorate/consensus';
import type { NodeId } from '@quorate/core';

/** One node that is up. */
export interface NodeView extends ProtocolInspection {
  readonly node: NodeId;
  /** Grows with every restart of the node. */
  readonly life: number;
  /** Highest index handed to the state machine. */
  readonly appliedIndex: number;
}

/** An entry that some node has called committed. */
export interface ChosenEntry {
  readonly entry: Entry;
  /** The first to say so, and the reign it was in: the entry was chosen in that reign or earlier. */
  readonly node: NodeId;
  readonly knownInReign: Reign;
  /**
   * Who held it then, if those were just enough to choose it: they were the quorum, so each of them has
   * it durably. Undefined if more held it, or when nobody has looked yet.
   */
  quorum: ReadonlySet<NodeId> | undefined;
}

/** A value under the number it was proposed with; in Raft also what stood before it. */
export interface NumberedProposal {
  readonly entry: Entry;
  readonly node: NodeId;
  readonly previousReign: Reign | undefined;
}

/** How a node's log differs from what was seen of it before. */
export interface LogChange {
  /** Entries that were not there, ascending; after a restart all. */
  readonly added: readonly Entry[];
  /** The reign of the entry just before the first added one, if the log holds that. */
  readonly previousReign: Reign | undefined;
  /** Indexes whose entry is another, or gone, perhaps into a snapshot; ascending. After a restart not known. */
  readonly lost: readonly LogIndex[];
}

interface Remembered {
  readonly view: NodeView;
  readonly role: NodeView['role'];
  readonly reign: Reign;
  readonly promisedReign: Reign;
  readonly votedFor: NodeId | undefined;
  readonly commitIndex: LogIndex;
  readonly snapshotIndex: LogIndex;
  readonly appliedIndex: number;
  /** The log above `commitIndex`, as it was. */
  readonly tail: readonly Entry[];
  /** What the step brought; of the step before, between steps. */
  readonly change: LogChange;
}

/** What earlier steps showed of a run: what is chosen, who led, what each node has promised. One for each run. */
export class InvariantMemory {
  /** `raft`, `multi-paxos`, or another: some properties are one protocol's own. */
  readonly algorithm: string;
  readonly members: readonly NodeId[];
  /** Who leads the first reign without an election: members that come later begin with that promise. */
  readonly appointed: NodeId | undefined;
  /** As many as elect a leader, at least: two such sets need not meet, but each meets all that choose. */
  readonly electing: number;
  /** As many as choose an entry, at least. */
  readonly choosing: number;

  readonly leaderOfReign = new Map<Reign, { readonly node: NodeId; readonly life: number }>();
  readonly chosen = new Map<LogIndex, ChosenEntry>();
  /** The highest index in `chosen`. */
  lastChosen = 0 as LogIndex;
  /** What this step added to `chosen`, ascending. */
  chosenInStep: ChosenEntry[] = [];
  /** What a node has durably promised, for certain. */
  readonly promiseFloors = new Map<NodeId, { readonly reign: Reign; readonly leader: NodeId }>();
  /** The highest reign in which a leader was seen. */
  lastLed: { readonly reign: Reign; readonly leader: NodeId } | undefined;

  readonly #proposals = new Map<LogIndex, Map<Reign, NumberedProposal>>();
  readonly #before = new Map<NodeId, Remembered>();
  readonly #now = new Map<NodeId, Remembered>();

  constructor(options: {
    readonly algorithm: string;
    readonly members: readonly NodeId[];
    /** How many choose; undefined: a majority. */
    readonly acceptQuorum?: number | undefined;
    readonly appointed?: NodeId | undefined;
  }) {
    this.algorithm = options.algorithm;
    this.members = options.members;
    this.appointed = options.appointed;
    this.choosing = options.acceptQuorum ?? majoritySize(options.members.length);
    // In Raft votes are counted by majority too; in Paxos whoever meets every choosing set is enough.
    this.electing =
      options.algorithm === 'multi-paxos' ? options.members.length + 1 - this.choosing : this.choosing;
  }

  /** Whether the node is exactly as it was seen last, in all that a checker looks at. */
  knows(view: NodeView): boolean {
    const last = this.#now.get(view.node);
    return (
      last !== undefined &&
      last.view.life === view.life &&
      last.role === view.role &&
      last.reign === view.reign &&
      last.promisedReign === view.promisedReign &&
      last.votedFor === view.votedFor &&
      last.commitIndex === view.commitIndex &&
      last.view.lastIndex === view.lastIndex &&
      last.snapshotIndex === view.snapshotIndex &&
      last.appliedIndex === view.appliedIndex &&
      // What is committed was compared when it was, and stays.
      areSameEntries(last.tail, view.entriesAbove(view.commitIndex))
    );
  }

  /** Takes in what the step has changed. Every node that has changed must be among the views. */
  beginStep(views: readonly NodeView[]): void {
    this.chosenInStep = [];
    for (const view of views) {
      const before = this.#now.get(view.node);
      if (before === undefined) this.#before.delete(view.node);
      else this.#before.set(view.node, before);
      this.#now.set(view.node, remember(view, before?.view.life === view.life ? before : undefined));
    }
  }

  /** What was ever seen at `index`, by reign; to be added to. */
  proposalsAt(index: LogIndex): Map<Reign, NumberedProposal> {
    const known = this.#proposals.get(index);
    if (known !== undefined) return known;
    const ofIndex = new Map<Reign, NumberedProposal>();
    this.#proposals.set(index, ofIndex);
    return ofIndex;
  }

  /** What the node was before the step, in the same life; undefined if it has just started. */
  before(view: NodeView): Omit<Remembered, 'change'> | undefined {
    const before = this.#before.get(view.node);
    return before?.view.life === view.life ? before : undefined;
  }

  changeOf(view: NodeView): LogChange {
    return (this.#now.get(view.node) as Remembered).change;
  }

  /** Every node that was ever seen: as it is, or as it was when it went down. */
  latestViews(): NodeView[] {
    return [...this.#now.values()].map(({ view }) => view);
  }
}

function remember(view: NodeView, before: Remembered | undefined): Remembered {
  const { role, reign, promisedReign, votedFor, commitIndex, snapshotIndex, appliedIndex } = view;
  const base = Math.min(before?.commitIndex ?? 0, commitIndex) as LogIndex;
  // One entry more than needed: it tells the reign before the first that is new.
  const held = view.entriesAbove(Math.max(base - 1, 0) as LogIndex);
  return {
    view,
    role,
    reign,
    promisedReign,
    votedFor,
    commitIndex,
    snapshotIndex,
    appliedIndex,
    tail: held.filter(({ index }) => index > commitIndex),
    change: compareLogs({ held, base, seen: before?.tail ?? [] }),
  };
}

/** Entries are never changed in place, so one that is the same object is the same entry. */
function compareLogs(logs: {
  readonly held: readonly Entry[];
  readonly base: LogIndex;
  readonly seen: readonly Entry[];
}): LogChange {
  const { held, base, seen } = logs;
  const added: Entry[] = [];
  const lost: LogIndex[] = [];
  let previousReign: Reign | undefined;
  let at = 0;
  const loseBefore = (index: number): void => {
    for (let gone = seen[at]; gone !== undefined && gone.index < index; gone = seen[at]) {
      lost.push(gone.index);
      at += 1;
    }
  };
  for (let place = 0; place < held.length; place++) {
    const entry = held[place] as Entry;
    loseBefore(entry.index);
    if (seen[at] === entry) {
      at += 1;
    } else if (entry.index > base) {
      const previous = held[place - 1];
      if (added.length === 0 && previous?.index === entry.index - 1) previousReign = previous.reign;
      added.push(entry);
    }
  }
  loseBefore(Number.POSITIVE_INFINITY);
  return { added, previousReign, lost };
}

function areSameEntries(some: readonly Entry[], others: readonly Entry[]): boolean {
  return some.length === others.length && some.every((entry, at) => entry === others[at]);
}

/** The same command at the same time: what the state machine is given. The reign may differ. */
export function isSameValue(one: Entry, other: Entry): boolean {
  if (one === other) return true;
  return one.timeMs === other.timeMs && Buffer.compare(one.payload, other.payload) === 0;
}

/** The node's entries above `index`, by index. */
export function entriesByIndex(view: NodeView, index: number): ReadonlyMap<LogIndex, Entry> {
  return new Map(view.entriesAbove(index as LogIndex).map((entry) => [entry.index, entry]));
}
