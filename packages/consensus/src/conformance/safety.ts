/**
 * What must hold after every step of any consensus protocol, over states and over time.
 *
 * Only neutral words: what is particular to Raft or Paxos is checked in their own tests. A broken
 * property throws, and names the property first.
 */
import { invariant, type NodeId } from '@quorate/core';
import type {
  Effect,
  Entry,
  Input,
  LogIndex,
  ProtocolInspection,
  ProtocolStatus,
  RecoveredState,
  Reign,
} from '../protocol.ts';
import { type DurableStore, samePayload } from './durable-store.ts';

interface Pledge {
  readonly reign: Reign;
  readonly votedFor: NodeId | undefined;
}

interface Watched {
  /** Highest index that this node emitted or installed since its start. */
  committedIndex: number;
  lastMark: number | undefined;
  last: ProtocolInspection;
  /** What the node had promised when it emitted the write with this mark. */
  readonly promiseAtMark: Map<number, Pledge>;
}

interface ObservedStep {
  readonly node: NodeId;
  readonly input: Input<unknown>;
  readonly before: ProtocolStatus;
  readonly after: ProtocolInspection;
  readonly effects: readonly Effect<unknown>[];
}

/**
 * Holds every step of a {@link ProtocolCluster} against what must never happen under any protocol. Each check
 * throws an Error that says what did.
 */
export class SafetyChecks {
  /** Everything chosen so far; index i at [i - 1]. */
  readonly chosen: Entry[] = [];
  /** How many of the leaders so far had a reign of their own. */
  readonly leaderOfReign = new Map<Reign, NodeId>();
  readonly #commitQuorum: number;
  readonly #entryAt = new Map<string, Entry>();
  readonly #watched = new Map<NodeId, Watched>();
  readonly #durablePromise = new Map<NodeId, Pledge>();
  readonly #readFloor = new Map<number, number>();
  readonly #mayBeChosen = new Map<string, number>();
  #steps = 0;

  constructor(commitQuorum: number) {
    this.#commitQuorum = commitQuorum;
  }

  started(node: NodeId, inspection: ProtocolInspection, recovered: RecoveredState): void {
    const promise = this.#durablePromise.get(node);
    if (promise !== undefined) {
      holds(inspection.promisedReign >= promise.reign, 'promises survive a restart', node);
      if (inspection.promisedReign === promise.reign && promise.votedFor !== undefined) {
        holds(inspection.votedFor === promise.votedFor, 'a vote survives a restart', node);
      }
    }
    this.#watched.set(node, {
      committedIndex: recovered.snapshot.index,
      lastMark: undefined,
      last: inspection,
      promiseAtMark: new Map(),
    });
  }

  stopped(node: NodeId): void {
    this.#watched.delete(node);
  }

  /** Every write of `node` up to `mark` has become durable. */
  durable(node: NodeId, mark: number): void {
    const { promiseAtMark } = this.#of(node);
    for (const [earlier, promise] of promiseAtMark) {
      if (earlier > mark) break;
      this.#durablePromise.set(node, promise);
      promiseAtMark.delete(earlier);
    }
  }

  readAsked(read: number): void {
    this.#readFloor.set(read, this.chosen.length);
  }

  installed(node: NodeId, index: LogIndex): void {
    const watched = this.#of(node);
    holds(index > watched.committedIndex, 'an installed snapshot is ahead of what was applied', node);
    watched.committedIndex = index;
  }

  afterStep(step: ObservedStep): void {
    const { node, before, after, effects, input } = step;
    const watched = this.#of(node);
    this.#checkMonotonic(node, watched.last, after);
    this.#checkLeadership(node, before, after, effects);
    if (input.type === 'propose') this.#noteProposals(node, input.proposals, effects);
    for (const effect of effects) {
      if (effect.type === 'persist' || effect.type === 'install') this.#checkWrite(node, effect, after);
      if (effect.type === 'read-ready') {
        const floor = this.#readFloor.get(effect.read);
        holds(
          floor !== undefined && effect.index >= floor,
          'a read sees all that was committed before it',
          node,
        );
      }
    }
    watched.last = after;
    // The whole log only now and then: what changed in it has passed through a write.
    if (++this.#steps % 64 === 0)
      for (const entry of after.entriesAbove(0 as LogIndex)) this.#checkSameEntry(node, entry);
  }

  /** `node` calls `entries` committed. */
  committed(
    node: NodeId,
    entries: readonly Entry[],
    nodes: readonly { readonly store: DurableStore }[],
  ): void {
    const watched = this.#of(node);
    for (const entry of entries) {
      holds(entry.index === watched.committedIndex + 1, 'commits are in order and without a gap', node);
      watched.committedIndex = entry.index;
      const chosen = this.chosen[entry.index - 1];
      if (chosen === undefined) this.#choose(node, entry);
      else holds(samePayload(chosen, entry), `one value per index (${entry.index})`, node);
      const holders = nodes.filter(({ store }) => store.holds(entry)).length;
      holds(
        holders >= this.#commitQuorum,
        `a quorum durably holds what is committed (index ${entry.index} is on ${holders})`,
        node,
      );
    }
    holds(watched.committedIndex <= watched.last.commitIndex, 'nothing above commitIndex is emitted', node);
  }

  #choose(node: NodeId, entry: Entry): void {
    this.chosen.push(entry);
    if (entry.payload.length === 0) return;
    const key = Buffer.from(entry.payload).toString('base64');
    const left = this.#mayBeChosen.get(key) ?? 0;
    holds(left > 0, `only what was accepted is chosen, and once (index ${entry.index})`, node);
    this.#mayBeChosen.set(key, left - 1);
  }

  #noteProposals(
    node: NodeId,
    proposals: readonly { readonly payload: Uint8Array }[],
    effects: readonly Effect<unknown>[],
  ): void {
    const answers = effects.filter(({ type }) => type === 'accepted' || type === 'refused');
    holds(answers.length === 1, 'a propose is answered once, in its own step', node);
    if (answers[0]?.type !== 'accepted') return;
    const { first, last } = answers[0];
    holds(last - first + 1 === proposals.length, 'every proposal of a batch has its index', node);
    for (const { payload } of proposals) {
      const key = Buffer.from(payload).toString('base64');
      this.#mayBeChosen.set(key, (this.#mayBeChosen.get(key) ?? 0) + 1);
    }
  }

  #checkMonotonic(node: NodeId, last: ProtocolInspection, now: ProtocolInspection): void {
    holds(now.reign >= last.reign, 'the reign never decreases', node);
    holds(now.promisedReign >= last.promisedReign, 'the promise never decreases', node);
    holds(now.commitIndex >= last.commitIndex, 'commitIndex never decreases', node);
    holds(now.snapshotIndex >= last.snapshotIndex, 'snapshotIndex never decreases', node);
    holds(now.snapshotIndex <= now.commitIndex, 'only what is committed is forgotten', node);
    if (now.promisedReign === last.promisedReign && last.votedFor !== undefined) {
      holds(now.votedFor === last.votedFor, 'within a reign the vote is set at most once', node);
    }
  }

  #checkLeadership(
    node: NodeId,
    before: ProtocolStatus,
    after: ProtocolStatus,
    effects: readonly Effect<unknown>[],
  ): void {
    if (after.role === 'leader') {
      const leader = this.leaderOfReign.get(after.reign) ?? node;
      holds(leader === node, `at most one leader per reign (${after.reign}: ${leader})`, node);
      this.leaderOfReign.set(after.reign, node);
    }
    const changed =
      before.role !== after.role || before.leader !== after.leader || before.reign !== after.reign;
    const told = effects.findLast((effect) => effect.type === 'role');
    holds(changed === (told !== undefined), 'a role effect tells every change, and only changes', node);
    if (told === undefined) return;
    const same = told.role === after.role && told.leader === after.leader && told.reign === after.reign;
    holds(same, 'the role effect tells what the status says', node);
  }

  #checkWrite(
    node: NodeId,
    write: Effect<unknown> & { type: 'persist' | 'install' },
    after: ProtocolInspection,
  ): void {
    const watched = this.#of(node);
    const next = (watched.lastMark ?? write.mark - 1) + 1;
    holds(write.mark === next, 'marks grow by one', node);
    watched.lastMark = write.mark;
    watched.promiseAtMark.set(write.mark, { reign: after.promisedReign, votedFor: after.votedFor });
    if (write.type === 'install') return;
    for (const entry of write.entries) this.#checkSameEntry(node, entry);
  }

  #checkSameEntry(node: NodeId, entry: Entry): void {
    const key = `${entry.index}@${entry.reign}`;
    const other = this.#entryAt.get(key);
    if (other === undefined) this.#entryAt.set(key, entry);
    else if (other !== entry) {
      holds(samePayload(other, entry), `same index and reign, same entry (${key})`, node);
    }
  }

  #of(node: NodeId): Watched {
    const watched = this.#watched.get(node);
    invariant(watched !== undefined, `${node} was started`);
    return watched;
  }
}

function holds(condition: boolean, property: string, node: NodeId): void {
  if (!condition) throw new Error(`${property}: broken at ${node}`);
}
