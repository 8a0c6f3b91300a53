/**
 * Sequential models: what one key would do if its operations came one at a time.
 *
 * The state of a key is an integer, so that a search can compare and hash it; each model says what the
 * integer means.
 */
import { assertNever, invariant } from '@quorate/core';
import { CAS, type History, OK, type OperationKind, operationKinds, READ, WRITE } from './history.ts';
import { historyInvalid } from './history-event.ts';
import { type HistoryValue, NO_VALUE, NULL_VALUE } from './history-value.ts';

/** No state: the operation cannot have had its outcome. */
export const IMPOSSIBLE = -2;
/** In place of a required state: any will do. */
export const ANY_STATE = -3;

/** The operations of one history, as the model sees those of one key. */
export interface KeySemantics {
  readonly initialState: number;
  /**
   * The state after the operation, or IMPOSSIBLE. An operation of unknown outcome is only ever asked
   * about as one that took effect.
   */
  step(state: number, operation: number): number;
  /** Whether the operation, with its outcome, never changes a state. */
  onlyLooks(operation: number): boolean;
  /** The one state in which the operation can take place, or ANY_STATE if there may be several. */
  requiredState(operation: number): number;
  /** False if no state exists from which the operation leads to `state`. */
  mayProduce(operation: number, state: number): boolean;
  /** The state in the words of the history. */
  describe(state: number): HistoryValue;
}

/**
 * What a history can be held against: a register for each key with read, write and compare-and-set, or a text
 * for each key with read and append.
 */
export const modelNames = ['cas-register', 'kv-append'] as const;
/** One of {@link modelNames}. */
export type ModelName = (typeof modelNames)[number];

export function keySemantics(model: ModelName, history: History): KeySemantics {
  if (model === 'cas-register') return new CasRegister(history);
  if (model === 'kv-append') return new KvAppend(history);
  return assertNever(model, 'model');
}

/** A register that is `null` at first. Its state is the id of its value. */
class CasRegister implements KeySemantics {
  readonly initialState = NULL_VALUE;
  readonly #history: History;

  constructor(history: History) {
    this.#history = history;
  }

  step(state: number, operation: number): number {
    const { kinds, inputs, targets, results, outcomes } = this.#history;
    const kind = kinds[operation];
    if (kind === READ) return results[operation] === state ? state : IMPOSSIBLE;
    if (kind === WRITE) return inputs[operation] as number;
    const matches = inputs[operation] === state;
    if (outcomes[operation] === OK && results[operation] === 0) return matches ? IMPOSSIBLE : state;
    return matches ? (targets[operation] as number) : IMPOSSIBLE;
  }

  onlyLooks(operation: number): boolean {
    const { kinds, results } = this.#history;
    return kinds[operation] === READ || (kinds[operation] === CAS && results[operation] === 0);
  }

  requiredState(operation: number): number {
    const { kinds, inputs, results } = this.#history;
    const kind = kinds[operation];
    if (kind === READ) return results[operation] as number;
    if (kind === CAS && results[operation] !== 0) return inputs[operation] as number;
    return ANY_STATE;
  }

  mayProduce(operation: number, state: number): boolean {
    const { kinds, inputs, targets, results } = this.#history;
    const kind = kinds[operation];
    if (kind === WRITE) return inputs[operation] === state;
    return kind === CAS && results[operation] !== 0 && targets[operation] === state;
  }

  describe(state: number): HistoryValue {
    return this.#history.values.valueOf(state);
  }
}

/** Appended values and states are numbered in one product; both stay below this, far below any memory. */
const statesMax = 2 ** 26;

/** A text that is empty at first, written whole or appended to. Its state numbers the text. */
class KvAppend implements KeySemantics {
  readonly initialState: number;
  readonly #history: History;
  readonly #texts: string[] = [];
  readonly #stateOfText = new Map<string, number>();
  /** From state and operation to the state after the append: a long text is joined and hashed once. */
  readonly #appended = new Map<number, number>();

  constructor(history: History) {
    this.#history = history;
    this.initialState = this.#stateOf('');
  }

  step(state: number, operation: number): number {
    const { kinds, inputs, results } = this.#history;
    const kind = kinds[operation];
    if (kind === READ) return this.#stateOfValue(results[operation]) === state ? state : IMPOSSIBLE;
    if (kind === WRITE) return this.#stateOfValue(inputs[operation]);
    const transition = state * statesMax + (inputs[operation] as number);
    const known = this.#appended.get(transition);
    if (known !== undefined) return known;
    const next = this.#stateOf(this.#text(state) + this.#textOfValue(inputs[operation]));
    this.#appended.set(transition, next);
    return next;
  }

  onlyLooks(operation: number): boolean {
    return this.#history.kinds[operation] === READ;
  }

  requiredState(operation: number): number {
    const { kinds, results } = this.#history;
    return kinds[operation] === READ ? this.#stateOfValue(results[operation]) : ANY_STATE;
  }

  mayProduce(operation: number, state: number): boolean {
    const { kinds, inputs } = this.#history;
    const kind = kinds[operation];
    if (kind === READ) return false;
    const input = this.#textOfValue(inputs[operation]);
    return kind === WRITE ? input === this.#text(state) : this.#text(state).endsWith(input);
  }

  describe(state: number): HistoryValue {
    return this.#text(state);
  }

  #stateOf(text: string): number {
    const known = this.#stateOfText.get(text);
    if (known !== undefined) return known;
    const state = this.#texts.push(text) - 1;
    invariant(state < statesMax, 'the states of one key stay countable');
    this.#stateOfText.set(text, state);
    return state;
  }

  #stateOfValue(value: number | undefined): number {
    return this.#stateOf(this.#textOfValue(value));
  }

  #textOfValue(value: number | undefined): string {
    return this.#history.values.valueOf(value as number) as string;
  }

  #text(state: number): string {
    return this.#texts[state] as string;
  }
}

const kindsOfModel: Readonly<Record<ModelName, readonly OperationKind[]>> = {
  'cas-register': ['read', 'write', 'cas'],
  'kv-append': ['read', 'write', 'append'],
};

/**
 * Refuses a history that the model has no words for.
 * @throws ERR_HISTORY_INVALID naming the first line that does not fit
 */
export function requireModel(model: ModelName, history: History): void {
  const isAllowed = operationKinds.map((kind) => kindsOfModel[model].includes(kind));
  for (let operation = 0; operation < history.kinds.length; operation++) {
    const kind = history.kinds[operation] as number;
    const line = (history.invokedAt[operation] as number) + 1;
    if (!isAllowed[kind]) {
      throw historyInvalid(line, `the model ${model} has no ${operationKinds[kind]}`);
    }
    if (model !== 'kv-append') continue;
    requireText(history, history.inputs[operation] as number, line);
    requireText(
      history,
      history.results[operation] as number,
      (history.completedAt[operation] as number) + 1,
    );
  }
}

function requireText(history: History, value: number, line: number): void {
  if (value === NO_VALUE || typeof history.values.valueOf(value) === 'string') return;
  throw historyInvalid(line, `the model kv-append holds text, not ${history.values.valueOf(value)}`);
}
