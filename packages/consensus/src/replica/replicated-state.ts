/**
 * The replicated state: the app's state machine with the session table and the applied position.
 *
 * Whatever is in here is a function of the applied entries alone, so it is equal on every replica that
 * has applied as far, and it is what a snapshot holds. Nothing here knows who leads or who waits.
 */
import {
  anything,
  assertNever,
  bytes,
  CodedError,
  decodeValue,
  encodeValue,
  finite,
  flag,
  integer,
  invariant,
  messageOf,
  tuple,
} from '@quorate/core';
import type { Entry, LogIndex } from '../protocol.ts';
import {
  ReplicaApplyContext,
  type SnapshotBytes,
  type StateMachine,
  type StateMachineDefinition,
} from '../state-machine.ts';
import { decodeNextEpoch, type Epoch, encodeNextEpoch, endsEpoch, epochAfter } from './epoch.ts';
import { type BatchHeader, decodePayload, type Payload } from './payload.ts';
import { type SessionLimits, SessionTable } from './session-table.ts';

/** What applying one entry meant for whoever waits for it. */
export type Applied =
  /** The batch is in effect; `results` as of its first application, undefined once dropped. */
  | { readonly type: 'batch'; readonly header: BatchHeader; readonly results: Uint8Array | undefined }
  | {
      readonly type: 'batch-refused';
      readonly header: BatchHeader;
      readonly reason: 'expired' | 'beyond-window';
    }
  | { readonly type: 'opened'; readonly nonce: string; readonly session: number }
  /** The epoch ends here; `next` goes on after this entry, and no later entry of this epoch is ever applied. */
  | { readonly type: 'sealed'; readonly nonce: string; readonly next: Epoch }
  /** A no-op, or bytes that are no payload of ours: nothing changed, on every replica alike. */
  | { readonly type: 'nothing' };

const formatVersion = 2;
const chunkBytes = 256 * 1024;

export class ReplicatedState {
  readonly #definition: StateMachineDefinition;
  readonly #machine: StateMachine<unknown, unknown, unknown, unknown>;
  readonly #sessions: SessionTable;
  readonly #context = new ReplicaApplyContext();
  #appliedIndex = 0 as LogIndex;
  #epoch: Epoch;

  /** @param founding the group's first epoch */
  constructor(definition: StateMachineDefinition, founding: Epoch, limits?: SessionLimits) {
    this.#definition = definition;
    this.#epoch = founding;
    this.#machine = requireMethods(definition.create());
    this.#sessions = new SessionTable(limits);
  }

  /** The last entry that is in the state. */
  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** Commands applied, over all epochs. */
  get position(): number {
    return this.#context.position;
  }

  /** The epoch that the next entry belongs to. */
  get epoch(): Epoch {
    return this.#epoch;
  }

  get sessions(): Pick<SessionTable, 'judge' | 'size'> {
    return this.#sessions;
  }

  /** Applies the next entry. Entries come in order, each once, without a gap. */
  apply(entry: Entry): Applied {
    invariant(
      entry.index === this.#appliedIndex + 1,
      `entry ${entry.index} applied after ${this.#appliedIndex}`,
    );
    this.#appliedIndex = entry.index;
    if (entry.payload.byteLength === 0) return { type: 'nothing' };
    let payload: Payload;
    try {
      payload = decodePayload(entry.payload);
    } catch {
      // Deterministic: every replica holds the same bytes and decodes them alike.
      return { type: 'nothing' };
    }
    switch (payload.type) {
      case 'open': {
        const nowMs = Math.max(entry.timeMs, this.#context.timeMs);
        return {
          type: 'opened',
          nonce: payload.nonce,
          session: this.#sessions.open(payload.name, payload.nonce, nowMs),
        };
      }
      case 'stop':
        // Proposed twice, or by a leader of an epoch that had ended: it comes too late to end this one.
        if (!endsEpoch(this.#epoch, payload.next)) return { type: 'nothing' };
        this.#epoch = epochAfter(this.#epoch, payload.next, entry.index);
        return { type: 'sealed', nonce: payload.nonce, next: this.#epoch };
      case 'begun':
        return { type: 'nothing' };
      case 'batch':
        return this.#applyBatch(payload, payload.commands, entry.timeMs);
      default:
        return assertNever(payload, 'payload');
    }
  }

  /**
   * Answers queries from the state as it is; the array has one answer or failure for each.
   * @returns undefined when the answers of several queries are too large together
   */
  query(queries: readonly unknown[]): Uint8Array | undefined {
    const outcomes = runAll(queries, (query) => this.#machine.query(query));
    return encodeOutcomes(outcomes) ?? (queries.length > 1 ? undefined : tooLarge(queries.length));
  }

  /** One answer, not encoded: for checkers in the same thread. */
  ask(query: unknown): unknown {
    return this.#machine.query(query);
  }

  /** Everything as bytes, as of this call, though more may be applied while the chunks are drawn. */
  snapshot(): AsyncIterable<Uint8Array> {
    const saved = this.#machine.snapshot();
    const asBytes = isSnapshotBytes(saved);
    const header = encodeValue([
      formatVersion,
      this.#definition.version,
      this.#appliedIndex,
      this.#context.position,
      this.#context.timeMs,
      asBytes,
      this.#sessions.encode(),
      encodeNextEpoch(this.#epoch),
      this.#epoch.base,
    ]);
    const body = asBytes ? saved : slices(encodeValue(saved ?? null));
    return joined(header, body);
  }

  /** Replaces everything by a snapshot. @throws CodedError ERR_FRAME_INVALID, ERR_FOREIGN_DATA */
  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const reader = new SnapshotChunks(chunks);
    const headerBytes = new DataView((await reader.take(4)).buffer).getUint32(0);
    if (headerBytes > 2 ** 31) throw new CodedError('ERR_FRAME_INVALID', 'snapshot: header too long', {});
    const header = decodeValue(await reader.take(headerBytes));
    const [format, version, index, position, timeMs, asBytes, sessions, epoch, base] = headerSchema(
      header,
      'snapshot',
    );
    if (format !== formatVersion || version !== this.#definition.version) {
      throw new CodedError(
        'ERR_FOREIGN_DATA',
        `snapshot of state machine version ${version}, form ${format}; this is version ${this.#definition.version}, form ${formatVersion}`,
        { version, expected: this.#definition.version },
      );
    }
    if (asBytes) await this.#machine.restore(reader.rest());
    else await this.#machine.restore(decodeValue(await reader.all()));
    this.#sessions.restore(sessions);
    this.#context.restore({ position, timeMs });
    this.#appliedIndex = index as LogIndex;
    this.#epoch = { ...decodeNextEpoch(epoch, 'snapshot.epoch'), base: base as LogIndex };
  }

  #applyBatch(header: BatchHeader, commands: readonly unknown[], stampMs: number): Applied {
    const verdict = this.#sessions.judge(header);
    switch (verdict.type) {
      case 'duplicate':
        return { type: 'batch', header, results: verdict.results };
      case 'expired':
      case 'beyond-window':
        return { type: 'batch-refused', header, reason: verdict.type };
      case 'execute': {
        const outcomes = runAll(commands, (command) => {
          this.#context.advance(stampMs);
          return this.#machine.apply(command, this.#context);
        });
        const results = encodeOutcomes(outcomes) ?? tooLarge(commands.length);
        this.#sessions.record(header, results, this.#context.timeMs);
        return { type: 'batch', header, results };
      }
      default:
        return assertNever(verdict, 'verdict');
    }
  }
}

/** Says at the start, and not at the first snapshot, that a method is missing. */
function requireMethods<M extends StateMachine<unknown, unknown, unknown, unknown>>(machine: M): M {
  for (const method of ['apply', 'query', 'snapshot', 'restore'] as const) {
    if (typeof (machine as Partial<M> | null | undefined)?.[method] === 'function') continue;
    throw new CodedError('ERR_MODULE_INVALID', `the state machine has no method ${method}`, { method });
  }
  return machine;
}

/** Values and, for items that threw, `[at, message]` pairs. */
type Outcomes = readonly [
  values: readonly unknown[],
  failures: readonly (readonly [number, string])[] | null,
];

function runAll(items: readonly unknown[], run: (item: unknown) => unknown): Outcomes {
  const values = new Array<unknown>(items.length);
  let failures: [number, string][] | null = null;
  for (let at = 0; at < items.length; at++) {
    try {
      const value = run(items[at]);
      refusePromise(value);
      values[at] = value === undefined ? null : value;
    } catch (error) {
      values[at] = null;
      failures ??= [];
      failures.push([at, shortMessageOf(error)]);
    }
  }
  return [values, failures];
}

/** Encoded outcomes of one batch, at most: they must fit one message on their way to the client. */
const outcomesBytesMax = 32 * 2 ** 20;

/**
 * A value that MessagePack cannot carry is a failure like any other.
 * @returns undefined when the outcomes are too large for one message
 */
function encodeOutcomes(outcomes: Outcomes): Uint8Array | undefined {
  return encodeBounded(outcomes) ?? encodeBounded(withoutUnencodable(outcomes));
}

function encodeBounded(outcomes: Outcomes): Uint8Array | undefined {
  try {
    const encoded = encodeValue(outcomes);
    return encoded.byteLength <= outcomesBytesMax ? encoded : undefined;
  } catch {
    return undefined;
  }
}

function withoutUnencodable([values, failures]: Outcomes): Outcomes {
  const allFailures = [...(failures ?? [])];
  const kept = values.map((value, at) => {
    try {
      encodeValue(value);
      return value;
    } catch (error) {
      allFailures.push([at, `the result is no MessagePack value: ${shortMessageOf(error)}`]);
      return null;
    }
  });
  return [kept, allFailures];
}

/** All were carried out, and none of the results can be told: in place of the values stands how many there were. */
function tooLarge(count: number): Uint8Array {
  return encodeValue([count, null]);
}

/** What is told of a throw: enough to find it, bounded. */
function shortMessageOf(error: unknown): string {
  return messageOf(error).slice(0, 1_000);
}

/** A promise is no result: by the time it resolves, other commands have been applied. */
function refusePromise(value: unknown): void {
  if (!(value instanceof Promise)) return;
  // Nobody will wait for it; rejected and unhandled it would end the thread.
  value.catch(() => undefined);
  throw new TypeError('apply and query must return their result, not a promise: they cannot be async');
}

function isSnapshotBytes(saved: unknown): saved is SnapshotBytes {
  if (saved instanceof Map || saved instanceof Set) {
    throw new CodedError(
      'ERR_MODULE_INVALID',
      'snapshot() gave a Map or Set; give an array of its entries',
      {},
    );
  }
  if (typeof saved !== 'object' || saved === null || Array.isArray(saved) || saved instanceof Uint8Array)
    return false;
  return Symbol.iterator in saved || Symbol.asyncIterator in saved;
}

function* slices(encoded: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < encoded.byteLength; at += chunkBytes) yield encoded.subarray(at, at + chunkBytes);
}

async function* joined(header: Uint8Array, body: SnapshotBytes): AsyncIterable<Uint8Array> {
  const head = new Uint8Array(4 + header.byteLength);
  new DataView(head.buffer).setUint32(0, header.byteLength);
  head.set(header, 4);
  yield head;
  yield* body;
}

/** Reads a stream of chunks by length. */
class SnapshotChunks {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #current: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#iterator = chunks[Symbol.asyncIterator]();
  }

  async take(lengthBytes: number): Promise<Uint8Array> {
    const taken = new Uint8Array(lengthBytes);
    let filled = 0;
    while (filled < lengthBytes) {
      if (this.#current.byteLength === 0 && !(await this.#next())) {
        throw new CodedError('ERR_FRAME_INVALID', 'snapshot: ends in the middle', {});
      }
      const part = this.#current.subarray(0, lengthBytes - filled);
      taken.set(part, filled);
      filled += part.byteLength;
      this.#current = this.#current.subarray(part.byteLength);
    }
    return taken;
  }

  async *rest(): AsyncIterable<Uint8Array> {
    if (this.#current.byteLength > 0) yield this.#current;
    while (await this.#next()) yield this.#current;
  }

  async all(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const part of this.rest()) parts.push(part);
    return new Uint8Array(Buffer.concat(parts));
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#iterator.next();
    if (done === true) return false;
    this.#current = value;
    return true;
  }
}

const headerSchema = tuple(
  integer(),
  integer(),
  integer(),
  integer(),
  finite,
  flag,
  bytes(2 ** 31),
  anything,
  integer(),
);
