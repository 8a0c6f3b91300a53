/** A naive twin of the linearizability checker, and random small histories to hold the two against each other. */
import fc from 'fast-check';
import type { HistoryEvent, HistoryValue } from '../src/index.ts';

const never = Number.POSITIVE_INFINITY;

interface TwinOperation {
  readonly invoked: HistoryEvent;
  readonly invokedAt: number;
  /** Set while pairing. */
  completed: HistoryEvent | undefined;
  completedAt: number;
}

/** Tries every order of all operations of all keys at once: no partition, no memory, no shortcut. */
export function isLinearizableByTrying(events: readonly HistoryEvent[], initial: HistoryValue): boolean {
  return canBeOrdered(pair(events), new Map(), initial);
}

/**
 * The line of the first completion with which the history stops being linearizable, by trying every
 * prefix. An operation that completes after the prefix need not be placed in it; if it is, its answer holds.
 */
export function firstUnplaceableLineByTrying(
  events: readonly HistoryEvent[],
  initial: HistoryValue,
): number | undefined {
  const operations = pair(events);
  for (let line = 1; line <= events.length; line++) {
    const prefix = operations
      .filter((operation) => operation.invokedAt < line)
      .map((operation) => (operation.completedAt < line ? operation : { ...operation, completedAt: never }));
    if (!canBeOrdered(prefix, new Map(), initial)) return line;
  }
  return undefined;
}

function pair(events: readonly HistoryEvent[]): TwinOperation[] {
  const operations: TwinOperation[] = [];
  for (const [at, event] of events.entries()) {
    if (event.type === 'invoke') {
      const completedAt = never;
      operations.push({ invoked: event, invokedAt: at, completed: undefined, completedAt });
      continue;
    }
    const open = operations.find(
      (operation) => operation.completed === undefined && operation.invoked.process === event.process,
    );
    if (open === undefined) throw new Error('the generator pairs its events');
    open.completed = event;
    if (event.type === 'ok') open.completedAt = at;
  }
  return operations.filter((operation) => operation.completed?.type !== 'fail');
}

type Contents = ReadonlyMap<string | undefined, HistoryValue>;

function canBeOrdered(left: readonly TwinOperation[], contents: Contents, initial: HistoryValue): boolean {
  const firstCompletion = Math.min(...left.map((operation) => operation.completedAt));
  if (firstCompletion === never) return true;
  return left.some((operation) => {
    if (operation.invokedAt > firstCompletion) return false;
    const after = apply(operation, contents, initial);
    if (after === undefined) return false;
    return canBeOrdered(
      left.filter((other) => other !== operation),
      after,
      initial,
    );
  });
}

function apply(operation: TwinOperation, contents: Contents, initial: HistoryValue): Contents | undefined {
  const { f, key, value } = operation.invoked;
  const held = contents.has(key) ? (contents.get(key) as HistoryValue) : initial;
  const known = operation.completed?.type === 'ok' ? operation.completed : undefined;
  if (f === 'read') return known === undefined || known.result === held ? contents : undefined;
  if (f === 'write') return new Map(contents).set(key, value as HistoryValue);
  if (f === 'append') return new Map(contents).set(key, `${held}${value}`);
  const [from, to] = value as readonly [HistoryValue, HistoryValue];
  const matches = from === held;
  if (known !== undefined && known.result !== matches) return undefined;
  return matches ? new Map(contents).set(key, to) : contents;
}

interface Shape {
  readonly model: 'cas-register' | 'kv-append';
  /** No value is written twice. */
  readonly uniqueWrites: boolean;
  readonly stepsMax: number;
  readonly clientCount: number;
}

/**
 * Clients against a single copy that answers truly; then perhaps one answer is falsified. The history
 * is linearizable if `falsified` is false.
 */
export function arbitraryHistory(shape: Shape): fc.Arbitrary<{ events: HistoryEvent[]; falsified: boolean }> {
  const step = fc.record({
    client: fc.nat(shape.clientCount - 1),
    kind: fc.nat(5),
    key: fc.constantFrom('a', 'a', 'b'),
    first: fc.nat(2),
    second: fc.nat(2),
    outcome: fc.nat(9),
  });
  return fc
    .record({
      steps: fc.array(step, { maxLength: shape.stepsMax, size: 'max' }),
      lie: fc.option(fc.record({ at: fc.nat(20), value: fc.nat(3) })),
    })
    .map(({ steps, lie }) => {
      const events = play(steps, shape);
      const answers = events.filter((event) => event.type === 'ok' && event.result !== undefined);
      const chosen = lie === null ? undefined : answers[lie.at % Math.max(1, answers.length)];
      if (lie === null || chosen === undefined) return { events, falsified: false };
      const result =
        chosen.f === 'cas' ? !chosen.result : shape.model === 'kv-append' ? `${lie.value}` : lie.value;
      return {
        events: events.map((event) => (event === chosen ? { ...event, result } : event)),
        falsified: true,
      };
    });
}

interface Step {
  readonly client: number;
  readonly kind: number;
  readonly key: string;
  readonly first: number;
  readonly second: number;
  readonly outcome: number;
}

interface Client {
  process: number;
  invoked: HistoryEvent;
  answer: HistoryEvent | undefined;
}

function play(steps: readonly Step[], shape: Shape): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  const clients = new Map<number, Client>();
  const contents = new Map<string | undefined, HistoryValue>();
  const initial = shape.model === 'kv-append' ? '' : null;
  let nextProcess = shape.clientCount;
  let nextValue = 0;
  const processes = Array.from({ length: shape.clientCount }, (_, process) => process);
  for (const step of steps) {
    const process = processes[step.client] as number;
    const client = clients.get(step.client);
    if (client === undefined) {
      const invoked = invocation(step, process, shape, () => nextValue++);
      events.push(invoked);
      clients.set(step.client, { process, invoked, answer: undefined });
    } else if (client.answer === undefined) {
      client.answer = answer(client.invoked, step, contents, initial);
    } else {
      const lost = step.outcome === 1 && client.answer.type === 'ok';
      events.push(
        lost
          ? { process: client.process, type: 'info', f: client.invoked.f, key: client.invoked.key }
          : client.answer,
      );
      if (lost) processes[step.client] = nextProcess++;
      clients.delete(step.client);
    }
  }
  return events;
}

function invocation(step: Step, process: number, shape: Shape, fresh: () => number): HistoryEvent {
  const { kind, key, first, second } = step;
  const base = { process, type: 'invoke', key } as const;
  if (kind <= 1) return { ...base, f: 'read' };
  if (shape.model === 'kv-append') {
    return { ...base, f: kind === 2 ? 'write' : 'append', value: `${shape.uniqueWrites ? fresh() : first}` };
  }
  if (shape.uniqueWrites) return { ...base, f: 'write', value: fresh() };
  if (kind <= 3) return { ...base, f: 'write', value: first };
  return { ...base, f: 'cas', value: [first, second] };
}

/** The single copy does what was asked, at this moment; sometimes it fails without doing anything. */
function answer(
  invoked: HistoryEvent,
  step: Step,
  contents: Map<string | undefined, HistoryValue>,
  initial: HistoryValue,
): HistoryEvent {
  const { process, f, key, value } = invoked;
  if (step.outcome === 0) return { process, type: 'fail', f, key };
  const held = contents.has(key) ? (contents.get(key) as HistoryValue) : initial;
  if (f === 'read') return { process, type: 'ok', f, key, result: held };
  if (f === 'write') contents.set(key, value as HistoryValue);
  if (f === 'append') contents.set(key, `${held}${value}`);
  if (f !== 'cas') return { process, type: 'ok', f, key };
  const [from, to] = value as readonly [HistoryValue, HistoryValue];
  if (from === held) contents.set(key, to);
  return { process, type: 'ok', f, key, result: from === held };
}
