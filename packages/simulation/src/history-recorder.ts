/**
 * Records a history while it happens: a few stores into typed arrays per event, nothing allocated.
 *
 * A bench run records millions of operations in the thread that also drives the load, so the calls take
 * plain integers, side by side, and check only what costs a comparison.
 */
import { invariant } from '@quorate/core';
import { APPEND, CAS, FAIL, type History, INFO, NEVER, OK, OPEN, READ, WRITE } from './history.ts';
import { integerValues, type KeyTable, NO_VALUE, numberedKeys, type ValueTable } from './history-value.ts';

/** Event numbers are 32 bits wide, and every operation takes up to two. */
const operationsMax = 2 ** 30;

/** What the ids mean that are recorded, and how many operations are expected. */
export interface HistoryRecorderOptions {
  /** What value ids mean; default: they are the values, whole numbers from 0 on. */
  readonly values?: ValueTable;
  /** What key ids mean; default: key 7 is called `k7`. */
  readonly keys?: KeyTable;
  /** Operations that fit before the columns grow, by doubling; default 1,024. */
  readonly capacity?: number;
}

/**
 * The order of the calls is the real-time order of the events. `invoke…` returns the operation, which is
 * completed at most once by {@link ok}, {@link fail} or {@link info}; what never completes has an unknown
 * outcome. A process has at most one operation open.
 */
export class HistoryRecorder {
  readonly #values: ValueTable;
  readonly #keys: KeyTable;
  #capacity: number;
  #operationCount = 0;
  #eventCount = 0;
  #processes: Int32Array;
  #kinds: Uint8Array;
  #outcomes: Uint8Array;
  #keyIds: Int32Array;
  #inputs: Int32Array;
  #targets: Int32Array;
  #results: Int32Array;
  #invokedAt: Int32Array;
  #completedAt: Int32Array;

  constructor(options: HistoryRecorderOptions = {}) {
    this.#values = options.values ?? integerValues;
    this.#keys = options.keys ?? numberedKeys;
    this.#capacity = options.capacity ?? 1_024;
    this.#processes = new Int32Array(this.#capacity);
    this.#kinds = new Uint8Array(this.#capacity);
    this.#outcomes = new Uint8Array(this.#capacity);
    this.#keyIds = new Int32Array(this.#capacity);
    this.#inputs = new Int32Array(this.#capacity);
    this.#targets = new Int32Array(this.#capacity);
    this.#results = new Int32Array(this.#capacity);
    this.#invokedAt = new Int32Array(this.#capacity);
    this.#completedAt = new Int32Array(this.#capacity);
  }

  get operationCount(): number {
    return this.#operationCount;
  }

  invokeRead(process: number, key: number): number {
    return this.#invoke(READ, process, key, NO_VALUE, NO_VALUE);
  }

  invokeWrite(process: number, key: number, value: number): number {
    return this.#invoke(WRITE, process, key, value, NO_VALUE);
  }

  invokeCas(process: number, key: number, from: number, to: number): number {
    return this.#invoke(CAS, process, key, from, to);
  }

  invokeAppend(process: number, key: number, value: number): number {
    return this.#invoke(APPEND, process, key, value, NO_VALUE);
  }

  /** @param result of a read the id of the value it saw, of a cas 1 if it took effect and 0 if not */
  ok(operation: number, result: number = NO_VALUE): void {
    this.#complete(operation, OK);
    this.#results[operation] = result;
  }

  fail(operation: number): void {
    this.#complete(operation, FAIL);
  }

  info(operation: number): void {
    this.#complete(operation, INFO);
  }

  /** What was recorded so far, not copied: it is good until the next event is recorded. */
  history(): History {
    const end = this.#operationCount;
    return {
      eventCount: this.#eventCount,
      processes: this.#processes.subarray(0, end),
      kinds: this.#kinds.subarray(0, end),
      outcomes: this.#outcomes.subarray(0, end),
      keyIds: this.#keyIds.subarray(0, end),
      inputs: this.#inputs.subarray(0, end),
      targets: this.#targets.subarray(0, end),
      results: this.#results.subarray(0, end),
      invokedAt: this.#invokedAt.subarray(0, end),
      completedAt: this.#completedAt.subarray(0, end),
      values: this.#values,
      keys: this.#keys,
    };
  }

  #invoke(kind: number, process: number, key: number, input: number, target: number): number {
    const operation = this.#operationCount;
    if (operation === this.#capacity) this.#grow();
    this.#operationCount = operation + 1;
    this.#kinds[operation] = kind;
    this.#outcomes[operation] = OPEN;
    this.#processes[operation] = process;
    this.#keyIds[operation] = key;
    this.#inputs[operation] = input;
    this.#targets[operation] = target;
    this.#results[operation] = NO_VALUE;
    this.#invokedAt[operation] = this.#eventCount;
    this.#completedAt[operation] = NEVER;
    this.#eventCount += 1;
    return operation;
  }

  #complete(operation: number, outcome: number): void {
    invariant(operation < this.#operationCount, 'only what was invoked completes');
    invariant(this.#outcomes[operation] === OPEN, 'an operation completes once');
    this.#outcomes[operation] = outcome;
    this.#completedAt[operation] = this.#eventCount;
    this.#eventCount += 1;
  }

  #grow(): void {
    const capacity = Math.max(2 * this.#capacity, 1_024);
    invariant(capacity <= operationsMax, 'a history has room for 2^30 operations');
    this.#capacity = capacity;
    const widen = (column: Int32Array): Int32Array => {
      const wider = new Int32Array(capacity);
      wider.set(column);
      return wider;
    };
    const widenBytes = (column: Uint8Array): Uint8Array => {
      const wider = new Uint8Array(capacity);
      wider.set(column);
      return wider;
    };
    this.#processes = widen(this.#processes);
    this.#kinds = widenBytes(this.#kinds);
    this.#outcomes = widenBytes(this.#outcomes);
    this.#keyIds = widen(this.#keyIds);
    this.#inputs = widen(this.#inputs);
    this.#targets = widen(this.#targets);
    this.#results = widen(this.#results);
    this.#invokedAt = widen(this.#invokedAt);
    this.#completedAt = widen(this.#completedAt);
  }
}
