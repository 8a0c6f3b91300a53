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
  tuple,
} from '@quorate/core';
import type { Entry, LogIndex } from '../protocol.ts';
import { ReplicaApplyContext, type StateMachine, type StateMachineDefinition } from '../state-machine.ts';
import { digestOf, requireDigest } from './digest.ts';
import { decodeNextEpoch, type Epoch, encodeNextEpoch, endsEpoch, epochAfter } from './epoch.ts';
import { asItIs, encodeOutcomes, runAll, tooLarge } from './outcomes.ts';
import { type BatchHeader, decodePayload, type Payload } from './payload.ts';
import { type SessionLimits, SessionTable } from './session-table.ts';
import { isSnapshotBytes, joined, SnapshotChunks, slices } from './snapshot-stream.ts';
import { type HashValue, hashValueSchema, StateHash, savedStateHashSchema } from './state-hash.ts';

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
  /** The name was taken by another holder since. */
  | { readonly type: 'open-refused'; readonly nonce: string }
  | { readonly type: 'closed'; readonly session: number }
  /** The epoch ends here; `next` goes on after this entry, and no later entry of this epoch is ever applied. */
  | { readonly type: 'sealed'; readonly nonce: string; readonly next: Epoch }
  /** A no-op, or bytes that are no payload of ours: nothing changed, on every replica alike. */
  | { readonly type: 'nothing' };

const formatVersion = 3;

export class ReplicatedState {
  readonly #definition: StateMachineDefinition;
  readonly #machine: StateMachine<unknown, unknown, unknown, unknown>;
  readonly #sessions: SessionTable;
  readonly #context = new ReplicaApplyContext();
  readonly #hash = new StateHash();
  #appliedIndex = 0 as LogIndex;
  #epoch: Epoch;

  /** @param founding the group's first epoch */
  constructor(definition: StateMachineDefinition, founding: Epoch, limits?: SessionLimits) {
    this.#definition = definition;
    this.#epoch = founding;
    this.#machine = requireMethods(definition.create());
    requireDigest(this.#machine);
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
    const applied = this.#applyPayload(entry);
    this.#hash.applied(applied);
    return applied;
  }

  /**
   * What all that was applied came to, results and state: equal on every replica that has applied as far,
   * or their state machines are not deterministic.
   */
  stateHash(): HashValue {
    const { position, timeMs } = this.#context;
    return this.#hash.valueWith(encodeValue([position, timeMs, digestOf(this.#machine)]));
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
      this.#hash.save(),
      this.stateHash(),
    ]);
    const body = asBytes ? saved : slices(encodeValue(saved ?? null));
    return joined(header, body);
  }

  /**
   * Replaces everything by a snapshot.
   * @throws CodedError ERR_FRAME_INVALID, ERR_FOREIGN_DATA, ERR_STATE_DIVERGED (it gave another state than it was taken of)
   */
  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const reader = new SnapshotChunks(chunks);
    const headerBytes = new DataView((await reader.take(4)).buffer).getUint32(0);
    if (headerBytes > 2 ** 31) throw new CodedError('ERR_FRAME_INVALID', 'snapshot: header too long', {});
    const header = decodeValue(await reader.take(headerBytes));
    const [format, version, index, position, timeMs, asBytes, sessions, epoch, base, hash, stateHash] =
      headerSchema(header, 'snapshot');
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
    this.#hash.restore(hash);
    this.#appliedIndex = index as LogIndex;
    this.#epoch = { ...decodeNextEpoch(epoch, 'snapshot.epoch'), base: base as LogIndex };
    this.#requireStateHash(stateHash);
  }

  /** A snapshot that does not bring back what it was taken of would part this replica from the others. */
  #requireStateHash(expected: HashValue): void {
    const found = this.stateHash();
    if (found === expected) return;
    throw new CodedError(
      'ERR_STATE_DIVERGED',
      `restore() of the state machine does not bring back what snapshot() was taken of: at index ${this.#appliedIndex} the digest is another one`,
      { index: this.#appliedIndex, expected, found },
    );
  }

  #applyPayload(entry: Entry): Applied {
    if (entry.payload.byteLength === 0) return { type: 'nothing' };
    let payload: Payload;
    try {
      // A copy: the bytes of a command are views into what they are decoded from, a machine may keep and change them,
      // and the entry belongs to the log, which sends it to others.
      payload = decodePayload(new Uint8Array(entry.payload));
    } catch {
      // Deterministic: every replica holds the same bytes and decodes them alike.
      return { type: 'nothing' };
    }
    switch (payload.type) {
      case 'open': {
        const nowMs = Math.max(entry.timeMs, this.#context.timeMs);
        const { name, nonce } = payload;
        const session = this.#sessions.open(name, nonce, nowMs);
        return session === undefined ? { type: 'open-refused', nonce } : { type: 'opened', nonce, session };
      }
      case 'close':
        this.#sessions.close(payload.session);
        return { type: 'closed', session: payload.session };
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
          return asItIs(this.#machine.apply(command, this.#context));
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
  savedStateHashSchema,
  hashValueSchema,
);
