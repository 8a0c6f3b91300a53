/**
 * The state machine that an app supplies: what is replicated.
 *
 * Every replica feeds the same commands in the same order to its own instance, so `apply` must be a
 * function of the command, the context and the state alone: no clock, no randomness, no I/O. What it
 * needs of time and chance, the context gives, the same on every replica.
 */
import { CodedError, invariant, type Random, seededRandom } from '@quorate/core';

/** What `apply` may know besides the command. The object is reused: read it during the call only. */
export interface ApplyContext {
  /** Commands applied so far, this one included; grows by one with each, over restarts and epochs too. */
  readonly position: number;
  /** Milliseconds since 1970 as stamped by the leader that proposed the command; never goes back. */
  readonly timeMs: number;
  /** A float in [0, 1), drawn from a stream that `position` seeds: equal on every replica. */
  random(): number;
}

/** A snapshot too large for one value: bytes in order, the state as of the call while `apply` goes on. */
export type SnapshotBytes = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * The instance inside one replica. Commands, results, queries and answers are MessagePack values: null,
 * booleans, numbers, strings, `Uint8Array`s, arrays and plain objects. `undefined` arrives as `null`.
 */
export interface StateMachine<Command, Query, Result, Answer> {
  /** Applies one command. A throw is a result: the proposer gets `ERR_COMMAND_FAILED`, every replica goes on. */
  apply(command: Command, context: ApplyContext): Result;
  /** Answers without changing anything. A throw gives the asker `ERR_COMMAND_FAILED`. */
  query(query: Query): Answer;
  /** The state as of now: a MessagePack value, encoded before the next command is applied, or bytes. */
  snapshot(): unknown | SnapshotBytes;
  /** Replaces the state by what `snapshot` gave: the value, or the bytes as an async iterable. */
  restore(saved: unknown): void | Promise<void>;
  /**
   * What this state comes down to, in a few bytes: equal for equal states, and most likely different for
   * different ones. Replicas compare it, so that one whose state differs is stopped with
   * `ERR_STATE_DIVERGED` though its results agree; without it they compare results alone. Called between
   * two commands, every 64 log entries, and before the first command: keep it up to date in `apply` rather
   * than walk the state here. A throw counts as a value, by its text.
   */
  digest?(): Digest;
}

/** A state in a few bytes: what `digest` may give. */
export type Digest = number | string | Uint8Array;

/** What a state machine says of itself. */
export interface StateMachineOptions {
  /** Grows when `apply` or the snapshot's form changes; a directory of another version is refused. */
  readonly version: number;
}

const definitionMark = 'quorate.state-machine';

/** A state machine as a module exports it. Made by {@link defineStateMachine} only. */
export interface StateMachineDefinition<
  Command = unknown,
  Query = unknown,
  Result = unknown,
  Answer = Result,
> {
  readonly kind: typeof definitionMark;
  readonly version: number;
  create(): StateMachine<Command, Query, Result, Answer>;
}

/**
 * Makes the default export of a state machine's module.
 *
 * @param options `version`: a whole number >= 1
 * @param create called once for each replica, inside its worker
 * @throws CodedError `ERR_OPTION_INVALID` for another version
 */
export function defineStateMachine<Command, Query = never, Result = void, Answer = Result>(
  options: StateMachineOptions,
  create: () => StateMachine<Command, Query, Result, Answer>,
): StateMachineDefinition<Command, Query, Result, Answer> {
  if (!Number.isSafeInteger(options.version) || options.version < 1) {
    throw new CodedError(
      'ERR_OPTION_INVALID',
      `option version: ${options.version} is not allowed; allowed: a whole number >= 1`,
      { option: 'version', value: String(options.version), allowed: 'a whole number >= 1' },
    );
  }
  return { kind: definitionMark, version: options.version, create };
}

/** Checks what a module exported. @throws CodedError ERR_MODULE_INVALID */
export function asStateMachineDefinition(exported: unknown, source: string): StateMachineDefinition {
  const candidate = exported as Partial<StateMachineDefinition> | null | undefined;
  if (candidate?.kind === definitionMark && typeof candidate.create === 'function') {
    return candidate as StateMachineDefinition;
  }
  throw new CodedError(
    'ERR_MODULE_INVALID',
    `${source}: the default export is not a state machine; make it with defineStateMachine`,
    { module: source },
  );
}

/** The types that a definition was made with. */
export type CommandOf<D> =
  D extends StateMachineDefinition<infer C, infer _Q, infer _R, infer _A> ? C : never;
/** The queries of a definition. */
export type QueryOf<D> = D extends StateMachineDefinition<infer _C, infer Q, infer _R, infer _A> ? Q : never;
/** What `apply` returns. */
export type ResultOf<D> = D extends StateMachineDefinition<infer _C, infer _Q, infer R, infer _A> ? R : never;
/** What `query` returns. */
export type AnswerOf<D> = D extends StateMachineDefinition<infer _C, infer _Q, infer _R, infer A> ? A : never;

/** The one context object of a replica, moved on from command to command. */
export class ReplicaApplyContext implements ApplyContext {
  position = 0;
  timeMs = 0;
  #random: Random | undefined;
  #randomPosition = -1;

  /** Moves to the next command. @param stampMs the leader's stamp; a smaller one than before is raised */
  advance(stampMs: number): void {
    this.position += 1;
    if (stampMs > this.timeMs) this.timeMs = stampMs;
  }

  random(): number {
    if (this.#random === undefined || this.#randomPosition !== this.position) {
      this.#random = seededRandom(this.position);
      this.#randomPosition = this.position;
    }
    return this.#random.next();
  }

  restore(saved: { readonly position: number; readonly timeMs: number }): void {
    invariant(saved.position >= 0, 'a position counts commands');
    this.position = saved.position;
    this.timeMs = saved.timeMs;
  }
}
