/**
 * A history: what clients asked of the system and what it answered, in real-time order.
 *
 * It is kept in columns, one slot per operation in order of invocation, so that millions of them cost
 * some thirty bytes each and no object. Every invocation and every completion is one *event*; events
 * are numbered from 0, and event `n` is line `n + 1` of the history's file.
 */
import { invariant } from '@quorate/core';
import { type HistoryValue, type KeyTable, NO_VALUE, type ValueTable } from './history-value.ts';

/** What an operation does; its place in this list is its code in {@link History.kinds}. */
export const operationKinds = ['read', 'write', 'cas', 'append'] as const;
/** One of {@link operationKinds}. */
export type OperationKind = (typeof operationKinds)[number];

/** How an operation ended; its place in this list is its code in {@link History.outcomes}. */
export const operationOutcomes = ['open', 'ok', 'fail', 'info'] as const;
/** One of {@link operationOutcomes}. */
export type OperationOutcome = (typeof operationOutcomes)[number];

export const READ = 0;
export const WRITE = 1;
export const CAS = 2;
export const APPEND = 3;

/** No completion was seen: the outcome is unknown, as with {@link INFO}. */
export const OPEN = 0;
/** It took effect between its invocation and its completion. */
export const OK = 1;
/** It did not happen. */
export const FAIL = 2;
/** The client gave up: it may have taken effect, may take effect at any later time, or never. */
export const INFO = 3;

/** Later than every event. */
export const NEVER = 0x7fff_ffff;

/** All columns have the same length, one slot per operation, ascending by `invokedAt`. */
export interface History {
  readonly eventCount: number;
  readonly processes: Int32Array;
  readonly kinds: Uint8Array;
  readonly outcomes: Uint8Array;
  readonly keyIds: Int32Array;
  /** What is written or appended, or what a cas expects; NO_VALUE for a read. */
  readonly inputs: Int32Array;
  /** What a cas writes; NO_VALUE otherwise. */
  readonly targets: Int32Array;
  /** Of an `ok` read the value it saw; of an `ok` cas 1 if it took effect, else 0; NO_VALUE otherwise. */
  readonly results: Int32Array;
  readonly invokedAt: Int32Array;
  /** The event that ended it, whatever the outcome; NEVER while open. Invariant: > invokedAt. */
  readonly completedAt: Int32Array;
  readonly values: ValueTable;
  readonly keys: KeyTable;
}

/** One operation in the words of the history file. */
export interface HistoryOperation {
  readonly process: number;
  readonly f: OperationKind;
  readonly key: string | undefined;
  readonly value: HistoryValue | readonly [from: HistoryValue, to: HistoryValue] | undefined;
  readonly result: HistoryValue | undefined;
  readonly outcome: OperationOutcome;
  readonly invokedAtLine: number;
  /** Undefined while open. */
  readonly completedAtLine: number | undefined;
}

/** @param operation its place in the columns */
export function operationAt(history: History, operation: number): HistoryOperation {
  const f = operationKinds[history.kinds[operation] ?? -1];
  const outcome = operationOutcomes[history.outcomes[operation] ?? -1];
  invariant(f !== undefined && outcome !== undefined, 'an operation has its place in the columns');
  const completedAt = history.completedAt[operation] as number;
  return {
    process: history.processes[operation] as number,
    f,
    key: history.keys.nameOf(history.keyIds[operation] as number),
    value: inputOf(history, operation),
    result: resultOf(history, operation),
    outcome,
    invokedAtLine: (history.invokedAt[operation] as number) + 1,
    completedAtLine: completedAt === NEVER ? undefined : completedAt + 1,
  };
}

function inputOf(history: History, operation: number): HistoryOperation['value'] {
  const input = history.inputs[operation] as number;
  if (input === NO_VALUE) return undefined;
  const value = history.values.valueOf(input);
  const target = history.targets[operation] as number;
  return target === NO_VALUE ? value : [value, history.values.valueOf(target)];
}

function resultOf(history: History, operation: number): HistoryOperation['result'] {
  const result = history.results[operation] as number;
  if (result === NO_VALUE) return undefined;
  return history.kinds[operation] === CAS ? result === 1 : history.values.valueOf(result);
}
