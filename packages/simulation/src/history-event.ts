/**
 * One event of a history in the words of its file, and the pairing of invocations with completions.
 *
 * A process is a client that does one thing at a time: it invokes again only after a completion. An
 * `info` is a completion too. Clients of Jepsen go on under a new process number after one, and so do
 * all 115 histories under `test/histories`; here the number may be used again, because the `info` has
 * closed the operation and nothing is left that could be confused with the next one.
 */
import { CodedError } from '@quorate/core';
import { type History, type OperationKind, operationKinds } from './history.ts';
import { HistoryRecorder } from './history-recorder.ts';
import { type HistoryValue, InternedKeys, InternedValues, NO_VALUE } from './history-value.ts';

/** One line of a history: something was asked, or an answer came. The order of the lines is real time. */
export interface HistoryEvent {
  /** A whole number from 0 on. */
  readonly process: number;
  readonly type: 'invoke' | 'ok' | 'fail' | 'info';
  readonly f: OperationKind;
  /** Absent: the one key of a history without keys. */
  readonly key?: string | undefined;
  /** The input, on `invoke`; may be repeated on the completion. */
  readonly value?: HistoryValue | readonly [from: HistoryValue, to: HistoryValue] | undefined;
  /** On `ok`: what a read saw, or whether a cas took effect. */
  readonly result?: HistoryValue | undefined;
}

/** @param line counted from 1 */
export function historyInvalid(line: number, reason: string, options?: ErrorOptions): CodedError {
  return new CodedError('ERR_HISTORY_INVALID', `line ${line}: ${reason}`, { line, reason }, options);
}

/** Builds a history from events, each checked as it comes. */
export class HistoryBuilder {
  readonly #values = new InternedValues();
  readonly #keys = new InternedKeys();
  readonly #recorder = new HistoryRecorder({ values: this.#values, keys: this.#keys });
  readonly #openOperations = new Map<number, { readonly operation: number; readonly event: HistoryEvent }>();
  #line = 0;

  /**
   * @param event from anywhere: all of it is checked
   * @throws ERR_HISTORY_INVALID naming the line (the how-manieth event) and what is wrong with it
   */
  add(event: unknown): void {
    this.#line += 1;
    const violation = eventViolation(event);
    if (violation !== undefined) throw historyInvalid(this.#line, violation);
    const checked = event as HistoryEvent;
    if (checked.type === 'invoke') this.#invoke(checked);
    else this.#complete(checked);
  }

  /** Good until the next {@link add}. */
  history(): History {
    return this.#recorder.history();
  }

  #invoke(event: HistoryEvent): void {
    const { process } = event;
    if (this.#openOperations.has(process)) {
      throw historyInvalid(this.#line, `process ${process} invokes while its last operation is open`);
    }
    this.#openOperations.set(process, { operation: this.#record(event), event });
  }

  #record(event: HistoryEvent): number {
    const { process, value } = event;
    const key = this.#keys.idOf(event.key);
    if (event.f === 'read') return this.#recorder.invokeRead(process, key);
    if (event.f === 'cas') {
      const [from, to] = value as readonly [HistoryValue, HistoryValue];
      return this.#recorder.invokeCas(process, key, this.#values.idOf(from), this.#values.idOf(to));
    }
    const input = this.#values.idOf(value as HistoryValue);
    if (event.f === 'write') return this.#recorder.invokeWrite(process, key, input);
    return this.#recorder.invokeAppend(process, key, input);
  }

  #complete(event: HistoryEvent): void {
    const { process } = event;
    const open = this.#openOperations.get(process);
    if (open === undefined) {
      throw historyInvalid(this.#line, `process ${process} completes an operation that it has not invoked`);
    }
    const difference = completionDifference(open.event, event);
    if (difference !== undefined) throw historyInvalid(this.#line, difference);
    this.#openOperations.delete(process);
    if (event.type === 'fail') this.#recorder.fail(open.operation);
    else if (event.type === 'info') this.#recorder.info(open.operation);
    else this.#recorder.ok(open.operation, this.#resultId(event));
  }

  #resultId(event: HistoryEvent): number {
    if (event.f === 'cas') return event.result === true ? 1 : 0;
    return event.f === 'read' ? this.#values.idOf(event.result as HistoryValue) : NO_VALUE;
  }
}

const eventTypes = ['invoke', 'ok', 'fail', 'info'] as const;
const processMax = 0x7fff_ffff;

/** What is wrong with the fields of one event, or undefined. Fields that are not of the format are let be. */
function eventViolation(event: unknown): string | undefined {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) return 'not a JSON object';
  const { process, type, f, key, value, result } = event as Record<keyof HistoryEvent, unknown>;
  if (!Number.isInteger(process) || (process as number) < 0 || (process as number) > processMax) {
    return `"process" must be a whole number from 0 to ${processMax}, is ${shown(process)}`;
  }
  if (!(eventTypes as readonly unknown[]).includes(type)) {
    return `"type" must be one of ${eventTypes.join(', ')}, is ${shown(type)}`;
  }
  if (!(operationKinds as readonly unknown[]).includes(f)) {
    return `"f" must be one of ${operationKinds.join(', ')}, is ${shown(f)}`;
  }
  if (key !== undefined && typeof key !== 'string') return `"key" must be text, is ${shown(key)}`;
  const kind = f as OperationKind;
  if (type === 'invoke') return inputViolation(kind, value);
  if (value !== undefined && value !== null && kind !== 'read') return inputViolation(kind, value);
  return type === 'ok' ? resultViolation(kind, result) : undefined;
}

function inputViolation(f: OperationKind, value: unknown): string | undefined {
  if (f === 'read') return value === undefined || value === null ? undefined : 'a read takes no "value"';
  if (f === 'cas') {
    if (Array.isArray(value) && value.length === 2 && value.every(isHistoryValue)) return undefined;
    return `the "value" of a cas must be [from, to], is ${shown(value)}`;
  }
  if (isHistoryValue(value)) return undefined;
  return `the "value" of ${f} must be null, a boolean, a number or text, is ${shown(value)}`;
}

function resultViolation(f: OperationKind, result: unknown): string | undefined {
  if (f === 'cas' && typeof result !== 'boolean') {
    return `the "result" of an ok cas must be true or false, is ${shown(result)}`;
  }
  if (f === 'read' && !isHistoryValue(result)) {
    return `the "result" of an ok read must be null, a boolean, a number or text, is ${shown(result)}`;
  }
  return undefined;
}

/** How a completion contradicts its invocation, or undefined. What it leaves out it does not contradict. */
function completionDifference(invoked: HistoryEvent, completed: HistoryEvent): string | undefined {
  const { process } = invoked;
  if (completed.f !== invoked.f) {
    return `process ${process} completes a ${completed.f}, but its open operation is a ${invoked.f}`;
  }
  if (completed.key !== undefined && completed.key !== invoked.key) {
    return `process ${process} completes on key ${shown(completed.key)} what it invoked on key ${shown(invoked.key)}`;
  }
  const repeats = completed.value === undefined || completed.value === null || invoked.f === 'read';
  if (repeats || JSON.stringify(completed.value) === JSON.stringify(invoked.value)) return undefined;
  return `process ${process} completes with "value" ${shown(completed.value)} what it invoked with ${shown(invoked.value)}`;
}

function isHistoryValue(value: unknown): value is HistoryValue {
  return value === null || ['boolean', 'number', 'string'].includes(typeof value);
}

/** At most forty characters of a value that should not have been there. */
function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value);
  return text.length <= 40 ? text : `${text.slice(0, 37)}...`;
}
