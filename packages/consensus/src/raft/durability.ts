/**
 * What must be durable before what may leave: every write of a server, and the messages waiting for it.
 * [Raft fig. 2: "updated on stable storage before responding to RPCs"]
 *
 * A step collects what it wants written and said; `flush` turns that into one `persist` effect at most.
 * Writes complete in the order of their marks, so a message that waits for the newest write waits for all.
 */
import { invariant } from '@quorate/core';
import type { Effect, Entry, LogIndex, Outgoing } from '../protocol.ts';
import { encodeHardState, type HardState } from './hard-state.ts';
import type { LogPosition, Term } from './log.ts';
import type { RaftMessage } from './message.ts';

interface UnsyncedWrite {
  readonly mark: number;
  readonly term: Term;
  readonly sinceMs: number;
  /** Up to here this write and those before it make the log durable; a later truncation lowers it. */
  lastIndex: LogIndex;
}

/** What the server is when the step ends, for the writes that it leaves behind. */
export interface WriteContext {
  readonly hardState: HardState;
  readonly lastIndex: LogIndex;
  readonly nowMs: number;
}

const nothing: readonly never[] = [];

export class Durability {
  #lastMark = 0;
  #unsynced: UnsyncedWrite[] = [];
  #durableIndex: LogIndex;
  #durableTerm: Term;
  // What the step at hand wants written and said.
  #hardStateChanged = false;
  #truncateAfter: LogIndex | undefined;
  #entries: readonly Entry[] = nothing;
  #whenWritten: Outgoing<RaftMessage>[] = [];
  #whenTermWritten: Outgoing<RaftMessage>[] = [];

  constructor(recovered: { readonly lastIndex: LogIndex; readonly term: Term }) {
    this.#durableIndex = recovered.lastIndex;
    this.#durableTerm = recovered.term;
  }

  /** The server's own log, as it stands, is durable up to here. */
  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  /** The newest term whose hard state, vote included, is durable. */
  get durableTerm(): Term {
    return this.#durableTerm;
  }

  /** How long the oldest unfinished write has been waiting for the disk. */
  waitingMs(nowMs: number): number {
    const oldest = this.#unsynced[0];
    return oldest === undefined ? 0 : nowMs - oldest.sinceMs;
  }

  changeHardState(): void {
    this.#hardStateChanged = true;
  }

  truncateAfter(index: LogIndex): void {
    invariant(
      this.#truncateAfter === undefined && this.#entries.length === 0,
      'one truncation a step, and first',
    );
    this.#truncateAfter = index;
    this.#forgetAbove(index);
  }

  append(entries: readonly Entry[]): void {
    invariant(this.#entries.length === 0, 'one append a step');
    this.#entries = entries;
  }

  /** For what promises a vote or entries: leaves once everything that this step and earlier ones write is durable. */
  sendWhenWritten(to: Outgoing<RaftMessage>['to'], message: RaftMessage): void {
    this.#whenWritten.push({ to, message });
  }

  /** For what promises nothing but its term: leaves at once if that term is durable, and does not wait for entries. */
  sendWhenTermWritten(to: Outgoing<RaftMessage>['to'], message: RaftMessage): void {
    this.#whenTermWritten.push({ to, message });
  }

  /** Ends the step, or the part of it before a snapshot is installed. */
  flush(context: WriteContext, effects: Effect<RaftMessage>[]): void {
    const termIsDurable = this.#durableTerm === context.hardState.currentTerm;
    if (this.#whenTermWritten.length > 0) {
      if (termIsDurable) this.#sendAll(this.#whenTermWritten, effects);
      else this.#whenWritten.push(...this.#whenTermWritten);
      this.#whenTermWritten = [];
    }
    const writes = this.#hardStateChanged || this.#truncateAfter !== undefined || this.#entries.length > 0;
    // The effect owns its messages from here on: what later steps add must not slip into an earlier write.
    const thenSend = this.#whenWritten.length > 0 ? this.#whenWritten : nothing;
    if (thenSend.length > 0) this.#whenWritten = [];
    if (!writes && this.#unsynced.length === 0) {
      this.#sendAll(thenSend, effects);
      return;
    }
    if (!writes && thenSend.length === 0) return;
    effects.push({
      type: 'persist',
      mark: this.#newMark(context),
      ...(this.#hardStateChanged ? { hardState: encodeHardState(context.hardState) } : {}),
      ...(this.#truncateAfter === undefined ? {} : { truncateAfter: this.#truncateAfter }),
      entries: this.#entries,
      thenSend,
    });
    this.#hardStateChanged = false;
    this.#truncateAfter = undefined;
    this.#entries = nothing;
  }

  /** Writes a snapshot in place of the state; `thenSend` follows when it is durable. */
  install(
    snapshot: LogPosition,
    options: {
      readonly discardsLog: boolean;
      readonly thenSend: readonly Outgoing<RaftMessage>[];
      /** Before and after the log was changed. */
      readonly context: { readonly before: WriteContext; readonly after: WriteContext };
    },
    effects: Effect<RaftMessage>[],
  ): void {
    const { discardsLog, thenSend, context } = options;
    this.flush(context.before, effects);
    if (discardsLog) this.#forgetAbove(snapshot.index);
    effects.push({
      type: 'install',
      mark: this.#newMark(context.after),
      snapshot: { index: snapshot.index, reign: snapshot.term },
      discardsLog,
      thenSend,
    });
  }

  /** Everything up to `mark` is durable. */
  persisted(mark: number): void {
    invariant(mark <= this.#lastMark, 'only what was written can have become durable');
    for (;;) {
      const oldest = this.#unsynced[0];
      if (oldest === undefined || oldest.mark > mark) return;
      this.#unsynced.shift();
      this.#durableIndex = oldest.lastIndex;
      this.#durableTerm = oldest.term;
    }
  }

  #newMark({ hardState, lastIndex, nowMs }: WriteContext): number {
    this.#lastMark += 1;
    this.#unsynced.push({ mark: this.#lastMark, term: hardState.currentTerm, lastIndex, sinceMs: nowMs });
    return this.#lastMark;
  }

  /** What stood above `index` is not in the log any more, so no write counts for it. */
  #forgetAbove(index: LogIndex): void {
    for (const write of this.#unsynced) if (write.lastIndex > index) write.lastIndex = index;
    if (this.#durableIndex > index) this.#durableIndex = index;
  }

  #sendAll(outgoing: readonly Outgoing<RaftMessage>[], effects: Effect<RaftMessage>[]): void {
    for (const { to, message } of outgoing) effects.push({ type: 'send', to, message });
  }
}
