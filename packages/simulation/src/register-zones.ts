/**
 * Decides registers whose writes are told apart by their values, without a search. [GibbonsKorach]
 *
 * When no value is written twice, every read names its write. A write and its reads stand together in
 * any order, so all of them can be taken for one *zone* of time: from the first completion among them,
 * by when the value must have been there, to the last invocation, until which it must have stayed. If
 * the completion comes first the zone is *forward*: all through it the register holds this value. Else
 * it is *backward*: the whole group can take place at any single moment in it. The register is
 * linearizable if and only if
 *
 * - no read completes before its write is invoked,
 * - no two forward zones overlap, and
 * - no backward zone lies inside a forward one.
 *
 * A write of unknown outcome may complete at any later time, and if nobody read it, it need not have
 * happened at all.
 */
import { invariant } from '@quorate/core';
import { type History, NEVER, READ, WRITE } from './history.ts';
import { NULL_VALUE, shownValue } from './history-value.ts';
import { effectDeadline } from './unknown-outcome.ts';

/** The group of the reads that saw the register's initial `null`: written before everything. */
const INITIAL = 0;
/** The group of a read of something that nobody wrote. */
const NOBODYS = -1;

/** The operations of one key with unique written values, each of which constrains, ascending. */
export class RegisterZones {
  readonly #history: History;
  readonly #operations: Int32Array;
  /** For each operation the group it belongs to: its write's, the initial one, or nobody's. */
  readonly #groups: Int32Array;
  readonly #groupCount: number;
  /** Per group, for the prefix in question. */
  readonly #writeInvokedAt: Int32Array;
  readonly #firstCompletion: Int32Array;
  readonly #lastInvocation: Int32Array;

  private constructor(history: History, operations: Int32Array, groups: Int32Array, groupCount: number) {
    this.#history = history;
    this.#operations = operations;
    this.#groups = groups;
    this.#groupCount = groupCount;
    this.#writeInvokedAt = new Int32Array(groupCount);
    this.#firstCompletion = new Int32Array(groupCount);
    this.#lastInvocation = new Int32Array(groupCount);
  }

  /** @returns undefined where zones do not apply: something else than reads and writes, or a value written twice */
  static of(history: History, operations: Int32Array): RegisterZones | undefined {
    const { kinds, inputs, results } = history;
    const groupOfValue = new Map<number, number>([[NULL_VALUE, INITIAL]]);
    const groups = new Int32Array(operations.length);
    for (let local = 0; local < operations.length; local++) {
      const operation = operations[local] as number;
      if (kinds[operation] === READ) continue;
      const value = inputs[operation] as number;
      if (kinds[operation] !== WRITE || groupOfValue.has(value)) return undefined;
      groups[local] = groupOfValue.size;
      groupOfValue.set(value, groupOfValue.size);
    }
    for (let local = 0; local < operations.length; local++) {
      const operation = operations[local] as number;
      if (kinds[operation] !== READ) continue;
      groups[local] = groupOfValue.get(results[operation] as number) ?? NOBODYS;
    }
    return new RegisterZones(history, operations, groups, groupOfValue.size);
  }

  isLinearizable(): boolean {
    return this.#isPrefixLinearizable(NEVER);
  }

  /**
   * The completion that cannot be: the history up to just before it is linearizable, with it no longer.
   * Such prefixes stay bad however they go on, so the first is found by halving.
   * @returns the operation that completes there
   */
  firstUnplaceable(): number {
    const completing = this.#operations.filter(
      (operation) => effectDeadline(this.#history, operation) !== NEVER,
    );
    const deadline = (place: number): number => effectDeadline(this.#history, completing[place] as number);
    completing.sort((a, b) => effectDeadline(this.#history, a) - effectDeadline(this.#history, b));
    let firstBad = completing.length - 1;
    for (let low = 0; low < firstBad; ) {
      const middle = (low + firstBad) >>> 1;
      if (this.#isPrefixLinearizable(deadline(middle))) low = middle + 1;
      else firstBad = middle;
    }
    const operation = completing[firstBad];
    invariant(operation !== undefined, 'a history without completions is linearizable');
    return operation;
  }

  /** @param operation as {@link firstUnplaceable} returned it */
  contradiction(operation: number): string {
    const group = this.#groups[this.#operations.indexOf(operation)] as number;
    if (group === NOBODYS) return 'which nobody wrote';
    if (!this.#gather(effectDeadline(this.#history, operation))) return 'which was not written until later';
    for (let other = 0; other < this.#groupCount; other++) {
      if (other !== group && this.#firstCompletion[other] !== NEVER && this.#contradict(group, other)) {
        return `but it held ${this.#describeZone(group)} and ${this.#describeZone(other)}, never written again`;
      }
    }
    invariant(false, 'what cannot be placed contradicts some other zone');
  }

  /** Of the history up to the event `horizon`. */
  #isPrefixLinearizable(horizon: number): boolean {
    if (!this.#gather(horizon)) return false;
    const forward: number[] = [];
    const backward: number[] = [];
    for (let group = 0; group < this.#groupCount; group++) {
      const completion = this.#firstCompletion[group] as number;
      if (completion === NEVER) continue;
      if (completion < (this.#lastInvocation[group] as number)) forward.push(group);
      else backward.push(group);
    }
    forward.sort((a, b) => (this.#firstCompletion[a] as number) - (this.#firstCompletion[b] as number));
    return this.#areDisjoint(forward) && backward.every((group) => !this.#liesInside(forward, group));
  }

  /** Computes each group's zone. @returns false if a read saw what had not been written */
  #gather(horizon: number): boolean {
    const { invokedAt, kinds } = this.#history;
    this.#firstCompletion.fill(NEVER);
    this.#writeInvokedAt[INITIAL] = -2;
    this.#firstCompletion[INITIAL] = -1;
    this.#lastInvocation[INITIAL] = -2;
    for (let local = 0; local < this.#operations.length; local++) {
      const operation = this.#operations[local] as number;
      if (kinds[operation] !== WRITE) continue;
      const group = this.#groups[local] as number;
      const invocation = invokedAt[operation] as number;
      const deadline = effectDeadline(this.#history, operation);
      this.#writeInvokedAt[group] = invocation;
      this.#lastInvocation[group] = invocation;
      this.#firstCompletion[group] = deadline > horizon ? NEVER : deadline;
    }
    for (let local = 0; local < this.#operations.length; local++) {
      const operation = this.#operations[local] as number;
      if (kinds[operation] !== READ) continue;
      const completion = effectDeadline(this.#history, operation);
      if (completion > horizon) continue;
      const group = this.#groups[local] as number;
      if (group === NOBODYS || completion < (this.#writeInvokedAt[group] as number)) return false;
      const invocation = invokedAt[operation] as number;
      if (completion < (this.#firstCompletion[group] as number)) this.#firstCompletion[group] = completion;
      if (invocation > (this.#lastInvocation[group] as number)) this.#lastInvocation[group] = invocation;
    }
    return true;
  }

  /** @param forward forward zones, by where they begin */
  #areDisjoint(forward: readonly number[]): boolean {
    for (let at = 1; at < forward.length; at++) {
      const begin = this.#firstCompletion[forward[at] as number] as number;
      if (begin < (this.#lastInvocation[forward[at - 1] as number] as number)) return false;
    }
    return true;
  }

  /** @param forward disjoint forward zones, by where they begin */
  #liesInside(forward: readonly number[], backward: number): boolean {
    const begin = this.#lastInvocation[backward] as number;
    let low = 0;
    for (let high = forward.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((this.#firstCompletion[forward[middle] as number] as number) < begin) low = middle + 1;
      else high = middle;
    }
    const candidate = forward[low - 1];
    if (candidate === undefined) return false;
    return (this.#firstCompletion[backward] as number) < (this.#lastInvocation[candidate] as number);
  }

  #isForward(group: number): boolean {
    return (this.#firstCompletion[group] as number) < (this.#lastInvocation[group] as number);
  }

  #contradict(one: number, other: number): boolean {
    if (this.#isForward(one) && this.#isForward(other)) {
      const [begin, laterBegin] = [
        this.#firstCompletion[one] as number,
        this.#firstCompletion[other] as number,
      ];
      return !this.#areDisjoint(begin < laterBegin ? [one, other] : [other, one]);
    }
    if (this.#isForward(one)) return this.#liesInside([one], other);
    return this.#isForward(other) && this.#liesInside([other], one);
  }

  #describeZone(group: number): string {
    const local = this.#groups.indexOf(group);
    const operation = this.#operations[local] as number;
    const { kinds, inputs, results, values } = this.#history;
    const value = shownValue(
      values.valueOf((kinds[operation] === READ ? results : inputs)[operation] as number),
    );
    const completion = (this.#firstCompletion[group] as number) + 1;
    const invocation = (this.#lastInvocation[group] as number) + 1;
    if (group === INITIAL) return `${value} until line ${invocation}`;
    if (this.#isForward(group)) return `${value} from line ${completion} to line ${invocation}`;
    return `${value} at some moment between lines ${invocation} and ${completion}`;
  }
}
