/**
 * Linearizability: is there an order of the operations, each at one moment between its invocation and
 * its completion, in which every answer is what a single copy of the data would have given? [HerlihyWing]
 *
 * Each key is checked alone: a history is linearizable if and only if that of each object is
 * (locality, [HerlihyWing §3.1]). Registers whose written values are unique are decided by zones, in
 * time n log n; everything else by a search, whose effort is bounded: it gives up rather than guess.
 */

import { type History, type HistoryOperation, operationAt } from './history.ts';
import { keySemantics, type ModelName, requireModel } from './history-models.ts';
import { shownValue } from './history-value.ts';
import { type SearchBudget, searchLinearization } from './linearization-search.ts';
import { RegisterZones } from './register-zones.ts';
import { constrains, observableOperations } from './unknown-outcome.ts';

/** `keyCount` counts the keys on which anything may have happened or was seen. */
export type LinearizabilityVerdict =
  | { readonly linearizable: true; readonly operationCount: number; readonly keyCount: number }
  | {
      readonly linearizable: false;
      readonly operationCount: number;
      readonly keyCount: number;
      /** Undefined for the one key of a history without keys. */
      readonly key: string | undefined;
      /**
       * Everything that completed earlier can be ordered, this cannot; the answers of operations that
       * were still under way are known. Of several keys that fail, the one whose operation completed first.
       */
      readonly firstUnplaceable: HistoryOperation;
      /** One line for people: what it saw or did, and what the key must or could have held by then. */
      readonly explanation: string;
    }
  /** The search gave up on `key`, and no other key was found bad. */
  | {
      readonly linearizable: 'unknown';
      readonly operationCount: number;
      readonly keyCount: number;
      readonly key: string | undefined;
      readonly explanation: string;
    };

/** What the search for an order may cost before its verdict is `unknown`. */
export interface LinearizabilityOptions {
  /** How many operations all searches may look at before they give up; default 2,000,000,000: half a minute. */
  readonly inspectionsMax?: number;
  /** How much memory one search may take before it gives up; default 256 MiB. */
  readonly searchBytesMax?: number;
}

const inspectionsMaxDefault = 2_000_000_000;
const searchBytesMaxDefault = 2 ** 28;
const valuesShownMax = 8;

/**
 * @throws ERR_HISTORY_INVALID naming the line, if the history holds operations that the model has not
 */
export function checkLinearizability(
  history: History,
  model: ModelName,
  options: LinearizabilityOptions = {},
): LinearizabilityVerdict {
  requireModel(model, history);
  const budget: SearchBudget = {
    inspectionsLeft: options.inspectionsMax ?? inspectionsMaxDefault,
    visitedBytesMax: options.searchBytesMax ?? searchBytesMaxDefault,
  };
  let keyCount = 0;
  let gaveUpOn: number | undefined;
  let worst: Stuck | undefined;
  for (const operations of operationsByKey(history)) {
    keyCount += 1;
    const finding = checkKey({ history, model, operations, budget });
    if (finding === 'gave-up') gaveUpOn ??= operations[0];
    else if (finding !== 'linearizable') worst = earlier(history, worst, finding);
  }
  const counts = { operationCount: history.kinds.length, keyCount };
  if (worst !== undefined) return { linearizable: false, ...counts, ...explain(history, worst) };
  if (gaveUpOn === undefined) return { linearizable: true, ...counts };
  const { key } = operationAt(history, gaveUpOn);
  const explanation = `the search for an order on ${nameOfKey(key)} gave up`;
  return { linearizable: 'unknown', ...counts, key, explanation };
}

/** An operation that cannot be placed, and why. */
interface Stuck {
  readonly operation: number;
  readonly reason: string;
}

function earlier(history: History, one: Stuck | undefined, other: Stuck): Stuck {
  if (one === undefined) return other;
  const { completedAt } = history;
  return (completedAt[one.operation] as number) < (completedAt[other.operation] as number) ? one : other;
}

interface KeyProblem {
  readonly history: History;
  readonly model: ModelName;
  readonly operations: Int32Array;
  readonly budget: SearchBudget;
}

function checkKey(problem: KeyProblem): 'linearizable' | 'gave-up' | Stuck {
  const { history, model, operations, budget } = problem;
  const zones = model === 'cas-register' ? RegisterZones.of(history, operations) : undefined;
  if (zones?.isLinearizable() === true) return 'linearizable';
  if (zones !== undefined) {
    const operation = zones.firstUnplaceable();
    return { operation, reason: zones.contradiction(operation) };
  }
  const semantics = keySemantics(model, history);
  const observable = observableOperations(model, history, operations);
  const outcome = searchLinearization({ history, semantics, operations: observable, budget });
  if (outcome.type !== 'stuck') return outcome.type;
  const values = outcome.states.map((state) => shownValue(semantics.describe(state)));
  if (values.length > valuesShownMax) values.splice(valuesShownMax, Infinity, 'something else');
  return { operation: outcome.operation, reason: `but it could only have held ${values.join(' or ')} then` };
}

/** The operations of each key that constrain anything, ascending: a counting sort by key. */
function* operationsByKey(history: History): Generator<Int32Array> {
  const { keyIds } = history;
  const keyIdMax = keyIds.reduce((max, key) => Math.max(max, key), -1);
  /** Where each key's operations begin among the sorted; one more entry ends the last key. */
  const starts = new Int32Array(keyIdMax + 2);
  for (let operation = 0; operation < keyIds.length; operation++) {
    if (constrains(history, operation)) increment(starts, (keyIds[operation] as number) + 1);
  }
  for (let key = 0; key <= keyIdMax; key++) {
    starts[key + 1] = (starts[key + 1] as number) + (starts[key] as number);
  }
  const sorted = new Int32Array(starts[keyIdMax + 1] as number);
  const filled = starts.slice();
  for (let operation = 0; operation < keyIds.length; operation++) {
    if (constrains(history, operation)) sorted[increment(filled, keyIds[operation] as number)] = operation;
  }
  for (let key = 0; key <= keyIdMax; key++) {
    const operations = sorted.subarray(starts[key], starts[key + 1]);
    if (operations.length > 0) yield operations;
  }
}

/** @returns the count as it was */
function increment(counts: Int32Array, at: number): number {
  const count = counts[at] as number;
  counts[at] = count + 1;
  return count;
}

function explain(history: History, { operation, reason }: Stuck) {
  const firstUnplaceable = operationAt(history, operation);
  const { process, f, key, value, result, invokedAtLine, completedAtLine } = firstUnplaceable;
  const did = {
    read: `saw ${shownValue(result)} in`,
    write: `wrote ${shownValue(value)} to`,
    cas: `did a cas of ${shownValue(value)}, which returned ${result}, on`,
    append: `appended ${shownValue(value)} to`,
  };
  const who = `lines ${invokedAtLine} to ${completedAtLine}: process ${process}`;
  return { key, firstUnplaceable, explanation: `${who} ${did[f]} ${nameOfKey(key)}, ${reason}` };
}

function nameOfKey(key: string | undefined): string {
  return key === undefined ? 'the register' : `key ${JSON.stringify(key)}`;
}
