/**
 * Searches for an order in which the operations of one key could have taken effect. [WingGong], [Lowe]
 *
 * The search goes through the completions in real-time order. At each one, the operation that completes
 * must have been placed; until it is, the search places one of the operations that are under way, and
 * goes back when none leads on (Wing and Gong). Like Lowe's just-in-time linearization it prefers to
 * place what the next completion needs and leaves the rest for later, and it never enters the same
 * configuration twice. Two shortcuts cost no verdict:
 *
 * - An operation that only looks is placed as soon as what it saw is there. Whatever order exists,
 *   moving it here leaves every other operation the same state.
 * - Of equal operations of unknown outcome the one invoked first goes first. It can stand wherever the
 *   other could.
 */
import { invariant } from '@quorate/core';
import { ConfigurationSet } from './configuration-set.ts';
import { type History, NEVER } from './history.ts';
import { ANY_STATE, IMPOSSIBLE, type KeySemantics } from './history-models.ts';
import { effectDeadline } from './unknown-outcome.ts';

export interface SearchProblem {
  readonly history: History;
  /** The operations of one key, ascending, each of which constrains. */
  readonly operations: Int32Array;
  readonly semantics: KeySemantics;
  readonly budget: SearchBudget;
}

/** What searches may still spend, all together. Work is counted, not time, so that a verdict repeats. */
export interface SearchBudget {
  /** An operation that is looked at while the search asks what could come next costs one. */
  inspectionsLeft: number;
  /** Beyond this a search gives up too, however cheap it was: it must not eat the memory of a bench run. */
  readonly visitedBytesMax: number;
}

export type SearchOutcome =
  | { readonly type: 'linearizable' }
  /** No order lets `operation` complete when it did; what completed earlier can be ordered. */
  | {
      readonly type: 'stuck';
      readonly operation: number;
      /** The states the key could have been in when it completed; the first few, in no order. */
      readonly states: readonly number[];
    }
  | { readonly type: 'gave-up' };

/** A few states explain more than all of them. */
const statesKeptMax = 9;

export function searchLinearization(problem: SearchProblem): SearchOutcome {
  return new LinearizationSearch(problem).run();
}

/** What to go back to. The candidates of a level lie on the stack from `firstCandidate` on. */
interface Level {
  readonly placedCount: number;
  /** Its configuration, among the visited. */
  readonly row: number;
  readonly firstCandidate: number;
}

/** Priority of a candidate, best first; beyond the class, the earlier deadline wins. */
const COMPLETES_NOW = 0;
const ENABLES_COMPLETION = 1;
const MUST_COME = 2;
const MAY_COME = 3;

/** Operations have local numbers here, in order of invocation; `count` is the head of the list of the unplaced. */
class LinearizationSearch {
  readonly #semantics: KeySemantics;
  readonly #budget: SearchBudget;
  readonly #count: number;
  readonly #operations: Int32Array;
  readonly #invokedAt: Int32Array;
  readonly #deadlines: Int32Array;
  /** The operations that complete, by completion, and for each operation its place among them. */
  readonly #completions: Int32Array;
  readonly #completionOf: Int32Array;
  /** The last earlier operation of unknown outcome that is equal to this one, or -1. */
  readonly #twins: Int32Array;
  /** Operations that are under way at the same time have different lanes. */
  readonly #lanes: Int32Array;

  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #isPlaced: Uint8Array;
  /** The placed operations, in the order they were placed. */
  readonly #order: Int32Array;
  #placedCount = 0;
  /** How many completions have been passed: those operations are all placed. */
  #passed = 0;
  #state: number;

  /** [passed, state, a bit per lane: whether the operation in it is placed and has not completed]. */
  readonly #configuration: Int32Array;
  readonly #visited: ConfigurationSet;

  readonly #levels: Level[] = [];
  readonly #candidates: number[] = [];

  #furthest = -1;
  readonly #furthestStates = new Set<number>();

  constructor(problem: SearchProblem) {
    const { history, semantics, operations } = problem;
    this.#semantics = semantics;
    this.#budget = problem.budget;
    this.#state = semantics.initialState;
    this.#operations = operations;
    this.#count = operations.length;
    this.#invokedAt = operations.map((operation) => history.invokedAt[operation] as number);
    this.#deadlines = operations.map((operation) => effectDeadline(history, operation));
    this.#completions = this.#sortCompletions();
    this.#completionOf = new Int32Array(this.#count).fill(NEVER);
    for (const [place, local] of this.#completions.entries()) this.#completionOf[local] = place;
    this.#twins = findTwins(history, operations, this.#deadlines);
    const { lanes, laneCount } = this.#assignLanes();
    this.#lanes = lanes;
    this.#next = new Int32Array(this.#count + 1);
    this.#previous = new Int32Array(this.#count + 1);
    for (let local = 0; local <= this.#count; local++) {
      this.#next[local] = local === this.#count ? 0 : local + 1;
      this.#previous[local] = local === 0 ? this.#count : local - 1;
    }
    this.#isPlaced = new Uint8Array(this.#count);
    this.#order = new Int32Array(this.#count);
    this.#configuration = new Int32Array(2 + Math.ceil(laneCount / 32));
    this.#visited = new ConfigurationSet(this.#configuration.length);
  }

  run(): SearchOutcome {
    if (this.#enter()) return { type: 'linearizable' };
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      const { inspectionsLeft, visitedBytesMax } = this.#budget;
      if (inspectionsLeft < 0 || this.#visited.bytes > visitedBytesMax) return { type: 'gave-up' };
      this.#goBackTo(level);
      if (this.#candidates.length === level.firstCandidate) {
        this.#levels.pop();
        continue;
      }
      const local = this.#candidates.pop() as number;
      const state = this.#semantics.step(this.#state, this.#operations[local] as number);
      this.#place(local);
      this.#state = state;
      if (this.#enter()) return { type: 'linearizable' };
    }
    const operation = this.#operations[this.#completions[this.#furthest] as number];
    invariant(operation !== undefined, 'a search that ended without an order is stuck at a completion');
    return { type: 'stuck', operation, states: [...this.#furthestStates] };
  }

  /** Takes what is free, then opens a level unless this configuration is known. @returns whether all is placed */
  #enter(): boolean {
    this.#placeWhatOnlyLooks();
    if (this.#passed === this.#completions.length) return true;
    if (this.#passed > this.#furthest) {
      this.#furthest = this.#passed;
      this.#furthestStates.clear();
    }
    if (this.#passed === this.#furthest && this.#furthestStates.size < statesKeptMax) {
      this.#furthestStates.add(this.#state);
    }
    this.#configuration[0] = this.#passed;
    this.#configuration[1] = this.#state;
    const row = this.#visited.add(this.#configuration);
    if (row === undefined) return false;
    const firstCandidate = this.#candidates.length;
    this.#levels.push({ placedCount: this.#placedCount, row, firstCandidate });
    this.#pushCandidates();
    return false;
  }

  #placeWhatOnlyLooks(): void {
    const head = this.#count;
    for (let local = this.#next[head] as number; local !== head; ) {
      if (this.#passed === this.#completions.length) return;
      if ((this.#invokedAt[local] as number) > this.#nextDeadline()) return;
      this.#budget.inspectionsLeft -= 1;
      const following = this.#next[local] as number;
      const operation = this.#operations[local] as number;
      const isKnown = this.#deadlines[local] !== NEVER;
      if (isKnown && this.#semantics.onlyLooks(operation)) {
        if (this.#semantics.step(this.#state, operation) !== IMPOSSIBLE) this.#place(local);
      }
      local = following;
    }
  }

  /** Everything that could be placed next; the most promising ends on top. */
  #pushCandidates(): void {
    const urgent = this.#completions[this.#passed] as number;
    const urgentOperation = this.#operations[urgent] as number;
    const required = this.#semantics.requiredState(urgentOperation);
    const deadline = this.#nextDeadline();
    const ranked: { readonly local: number; readonly rank: number }[] = [];
    let isReachable = required === ANY_STATE || required === this.#state;
    const head = this.#count;
    for (let local = this.#next[head] as number; local !== head; local = this.#next[local] as number) {
      if ((this.#invokedAt[local] as number) > deadline) break;
      this.#budget.inspectionsLeft -= 1;
      const operation = this.#operations[local] as number;
      isReachable ||= this.#semantics.mayProduce(operation, required);
      const state = this.#semantics.step(this.#state, operation);
      if (state === IMPOSSIBLE) continue;
      // Of unknown outcome and without effect: it might as well not have happened.
      if (state === this.#state && this.#deadlines[local] === NEVER) continue;
      const twin = this.#twins[local] as number;
      if (twin !== -1 && this.#isPlaced[twin] === 0) continue;
      const enables = local !== urgent && this.#semantics.step(state, urgentOperation) !== IMPOSSIBLE;
      ranked.push({ local, rank: this.#rank(local, enables) });
    }
    if (!isReachable) return;
    ranked.sort((a, b) => b.rank - a.rank);
    for (const { local } of ranked) this.#candidates.push(local);
  }

  #rank(local: number, enablesCompletion: boolean): number {
    const deadline = this.#deadlines[local] as number;
    const isUrgent = this.#completionOf[local] === this.#passed;
    const isUnknown = deadline === NEVER;
    const byClass = isUnknown ? MAY_COME : MUST_COME;
    const rankClass = isUrgent ? COMPLETES_NOW : enablesCompletion ? ENABLES_COMPLETION : byClass;
    return rankClass * 2 ** 32 + deadline;
  }

  #nextDeadline(): number {
    return this.#deadlines[this.#completions[this.#passed] as number] as number;
  }

  #place(local: number): void {
    this.#isPlaced[local] = 1;
    const next = this.#next[local] as number;
    const previous = this.#previous[local] as number;
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#order[this.#placedCount] = local;
    this.#placedCount += 1;
    this.#flipLane(local);
    while (this.#passed < this.#completions.length) {
      const completing = this.#completions[this.#passed] as number;
      if (this.#isPlaced[completing] === 0) return;
      this.#flipLane(completing);
      this.#passed += 1;
    }
  }

  #goBackTo(level: Level): void {
    while (this.#placedCount > level.placedCount) {
      this.#placedCount -= 1;
      const local = this.#order[this.#placedCount] as number;
      this.#isPlaced[local] = 0;
      // Unlinked in this order, so linking in the reverse order finds the neighbours as they were.
      this.#next[this.#previous[local] as number] = local;
      this.#previous[this.#next[local] as number] = local;
    }
    this.#visited.copyRow(level.row, this.#configuration);
    this.#passed = this.#configuration[0] as number;
    this.#state = this.#configuration[1] as number;
  }

  #flipLane(local: number): void {
    const lane = this.#lanes[local] as number;
    const word = 2 + (lane >>> 5);
    this.#configuration[word] = (this.#configuration[word] as number) ^ (1 << (lane & 31));
  }

  #sortCompletions(): Int32Array {
    const completing: number[] = [];
    for (let local = 0; local < this.#count; local++) {
      if (this.#deadlines[local] !== NEVER) completing.push(local);
    }
    return Int32Array.from(completing).sort(
      (a, b) => (this.#deadlines[a] as number) - (this.#deadlines[b] as number),
    );
  }

  /** A lane is taken from invocation to completion, then free again; so there are as many as were ever under way. */
  #assignLanes(): { readonly lanes: Int32Array; readonly laneCount: number } {
    const lanes = new Int32Array(this.#count);
    const free: number[] = [];
    let laneCount = 0;
    let completed = 0;
    for (let local = 0; local < this.#count; local++) {
      for (; completed < this.#completions.length; completed++) {
        const other = this.#completions[completed] as number;
        if ((this.#deadlines[other] as number) > (this.#invokedAt[local] as number)) break;
        free.push(lanes[other] as number);
      }
      lanes[local] = free.pop() ?? laneCount++;
    }
    return { lanes, laneCount };
  }
}

function findTwins(history: History, operations: Int32Array, deadlines: Int32Array): Int32Array {
  const lastOfKind = new Map<string, number>();
  return operations.map((operation, local) => {
    if (deadlines[local] !== NEVER) return -1;
    const kind = `${history.kinds[operation]} ${history.inputs[operation]} ${history.targets[operation]}`;
    const twin = lastOfKind.get(kind) ?? -1;
    lastOfKind.set(kind, local);
    return twin;
  });
}
