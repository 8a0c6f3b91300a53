/**
 * Linearizability: is there an order of the operations, each at one moment between its invocation and
 * its completion, in which every answer is what a single copy of the data would have given? [HerlihyWing]
 *
 * Each key is checked alone: a history is linearizable if and only if that of each object is
 * (locality, [HerlihyWing §3.1]). Registers whose written values are unique are decided by zones, in
 * time n log n; everything else by a search, whose effort is bounded: it gives up rather than guess.
 */

import { type History, type HistoryOperation, NEVER, operationAt } from './history.ts';
import {
  constrains,
  keySemantics,
  type ModelName,
  observableOperations,
  requireModel,
} from './history-models.ts';
import type { HistoryValue } from './history-value.ts';
import { searchLinearization } from './linearization-search.ts';
import { RegisterZones } from './register-zones.ts';

export type LinearizabilityVerdict =
  | { readonly linearizable: true; readonly operationCount: number; readonly keyCount: number }
  | {
      readonly linearizable: false;
      readonly operationCount: number;
      readonly keyCount: number;
      /** Undefined for the one key of a history without keys. */
      readonly key: string | undefined;
      /**
       * Everything that completed earlier can be ordered, this cannot. Of several keys that fail, the
       * one whose operation completed first.
       */
      readonly firstUnplaceable: HistoryOperation;
      /** What the key could have held when it completed; not all, and none if that took too long to find. */
      readonly possibleValues: readonly HistoryValue[];
      /** One line for people. */
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

export interface LinearizabilityOptions {
  /** Configurations a search visits per key before it gives up; default 5,000,000, some 100 bytes each. */
  readonly configurationsMax?: number;
}

const configurationsMaxDefault = 5_000_000;
/** To explain a failure that zones have found, a search may not take longer than a blink. */
const explanationConfigurationsMax = 20_000;

/**
 * @throws ERR_HISTORY_INVALID naming the line, if the history holds operations that the model has not
 */
export function checkLinearizability(
  history: History,
  model: ModelName,
  options: LinearizabilityOptions = {},
): LinearizabilityVerdict {
  requireModel(model, history);
  const configurationsMax = options.configurationsMax ?? configurationsMaxDefault;
  let keyCount = 0;
  let gaveUp: number | undefined;
  let worst: Stuck | undefined;
  for (const operations of operationsByKey(history)) {
    keyCount += 1;
    const finding = checkKey(history, operations, model, configurationsMax);
    if (finding === 'gave-up') gaveUp ??= operations[0];
    else if (
      finding !== 'linearizable' &&
      (worst === undefined || completion(history, finding) < completion(history, worst))
    ) {
      worst = finding;
    }
  }
  const counts = { operationCount: history.kinds.length, keyCount };
  if (worst !== undefined) return { linearizable: false, ...counts, ...explain(history, worst) };
  if (gaveUp === undefined) return { linearizable: true, ...counts };
  const { key } = operationAt(history, gaveUp);
  const explanation = `gave up on ${nameKey(key)} after ${configurationsMax} configurations`;
  return { linearizable: 'unknown', ...counts, key, explanation };
}

interface Stuck {
  readonly operation: number;
  readonly possibleValues: readonly HistoryValue[];
}

function completion(history: History, stuck: Stuck): number {
  return history.completedAt[stuck.operation] as number;
}

function checkKey(
  history: History,
  operations: Int32Array,
  model: ModelName,
  configurationsMax: number,
): 'linearizable' | 'gave-up' | Stuck {
  const zones = model === 'cas-register' ? RegisterZones.of(history, operations) : undefined;
  if (zones?.isLinearizable() === true) return 'linearizable';
  const stuckAt = zones?.firstUnplaceable();
  const semantics = keySemantics(model, history);
  const outcome = searchLinearization({
    history,
    semantics,
    operations: observableOperations(model, history, operations),
    horizon: stuckAt === undefined ? NEVER : (history.completedAt[stuckAt] as number),
    configurationsMax: stuckAt === undefined ? configurationsMax : explanationConfigurationsMax,
  });
  if (outcome.type === 'stuck') {
    const possibleValues = outcome.states.map((state) => semantics.describe(state));
    return { operation: outcome.operation, possibleValues };
  }
  return stuckAt === undefined ? outcome.type : { operation: stuckAt, possibleValues: [] };
}

/** The operations of each key that constrain anything, ascending. */
function* operationsByKey(history: History): Generator<Int32Array> {
  const { keyIds } = history;
  const keyIdMax = keyIds.reduce((max, key) => Math.max(max, key), -1);
  const ends = new Int32Array(keyIdMax + 1);
  for (let operation = 0; operation < keyIds.length; operation++) {
    if (constrains(history, operation)) bump(ends, keyIds[operation] as number);
  }
  for (let key = 1; key <= keyIdMax; key++) ends[key] = (ends[key] as number) + (ends[key - 1] as number);
  const sorted = new Int32Array(ends.at(-1) ?? 0);
  const starts = new Int32Array(keyIdMax + 1);
  starts.set(ends.subarray(0, -1), 1);
  const fill = starts.slice();
  for (let operation = 0; operation < keyIds.length; operation++) {
    if (!constrains(history, operation)) continue;
    sorted[bump(fill, keyIds[operation] as number)] = operation;
  }
  for (let key = 0; key <= keyIdMax; key++) {
    const operations = sorted.subarray(starts[key], ends[key]);
    if (operations.length > 0) yield operations;
  }
}

/** @returns the count as it was */
function bump(counts: Int32Array, at: number): number {
  const count = counts[at] as number;
  counts[at] = count + 1;
  return count;
}

function explain(history: History, stuck: Stuck) {
  const firstUnplaceable = operationAt(history, stuck.operation);
  const { process, f, key, value, result, invokedAtLine, completedAtLine } = firstUnplaceable;
  const did =
    f === 'read'
      ? `saw ${shown(result)}`
      : `${f} of ${shown(value)}${f === 'cas' ? ` returned ${result}` : ''}`;
  const { possibleValues } = stuck;
  const could =
    possibleValues.length === 0
      ? 'which no order of what came before allows'
      : `but ${nameKey(key)} could only have held ${possibleValues.map(shown).join(' or ')}`;
  const where = `lines ${invokedAtLine} to ${completedAtLine}: process ${process}`;
  return { key, firstUnplaceable, possibleValues, explanation: `${where}, ${did}, ${could}` };
}

function nameKey(key: string | undefined): string {
  return key === undefined ? 'the register' : `key ${JSON.stringify(key)}`;
}

/** At most eighty characters of a value: its end, where appended texts differ. */
function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 80 ? text : `...${text.slice(-77)}`;
}
