/**
 * The session table: what makes a retried batch take effect exactly once. [RaftThesis §6.3]
 *
 * It is part of the replicated state: changed only by applied entries, by log time only, and saved in
 * every snapshot, so all replicas judge a batch alike. Batches may arrive out of order and doubled, with
 * thousands outstanding, so duplicates are known batch by batch inside a window and not by a highest
 * number. Below the window, or of an unknown session, a batch is refused and never executed.
 */
import {
  bytes,
  CodedError,
  decodeValue,
  encodeValue,
  finite,
  integer,
  invariant,
  list,
  optional,
  text,
  tuple,
} from '@quorate/core';
import type { BatchHeader } from './payload.ts';

export interface SessionLimits {
  /** Sessions kept; opening one more expires the one idle for longest. */
  readonly sessionsMax: number;
  /** A session idle for longer by log time is expired when another opens. */
  readonly idleMsMax: number;
  /** Batches of one session above `acknowledgedBelow` that may be known at once. */
  readonly windowBatchesMax: number;
  /** Encoded results kept for one session; beyond it the oldest results go, the knowledge of the batch stays. */
  readonly resultBytesMax: number;
}

export const defaultSessionLimits: SessionLimits = {
  sessionsMax: 10_000,
  idleMsMax: 60 * 60 * 1_000,
  windowBatchesMax: 4_096,
  resultBytesMax: 64 * 2 ** 20,
};

/** How the table judges a batch. */
export type Verdict =
  | { readonly type: 'execute' }
  /** Applied before. `results` is undefined once they were dropped for want of space. */
  | { readonly type: 'duplicate'; readonly results: Uint8Array | undefined }
  /** Not executed, now or later: the session is unknown or the client has acknowledged the batch. */
  | { readonly type: 'expired' }
  /** Not executed now: too many batches above the acknowledged ones. */
  | { readonly type: 'beyond-window' };

interface Session {
  readonly id: number;
  readonly name: string | undefined;
  readonly nonce: string;
  /** Nonces of those who held the name before. */
  readonly formerNonces: FormerNonces;
  lastActiveMs: number;
  acknowledgedBelow: number;
  /** Batches applied at or above `acknowledgedBelow`; undefined where the results were dropped. */
  readonly results: Map<number, Uint8Array | undefined>;
  resultBytes: number;
}

/** The latest first; at most {@link formerHoldersMax}. */
type FormerNonces = readonly string[];

/** A name that nobody holds now. */
interface EndedName {
  /** Whose session expired: it is still the latest holder, and may open the name anew. */
  readonly expired: string | undefined;
  readonly formerNonces: FormerNonces;
}

export class SessionTable {
  readonly #limits: SessionLimits;
  readonly #sessions = new Map<number, Session>();
  readonly #idByNonce = new Map<string, number>();
  readonly #idByName = new Map<string, number>();
  /** The one that ended last stands last. */
  readonly #endedNames = new Map<string, EndedName>();
  #lastId = 0;

  constructor(limits: SessionLimits = defaultSessionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Opens a session and returns its id. The same nonce gives the same id again: a retried opening is no
   * second one. Opening a name anew closes the session that had it, so that what is still under way
   * from its former holder is refused from here on. A former holder does not get the name back, whether its
   * opening was on its way for long or it asks again, and neither does one that has closed it: undefined.
   */
  open(name: string | undefined, nonce: string, nowMs: number): number | undefined {
    const known = this.#idByNonce.get(nonce);
    if (known !== undefined) {
      this.#touch(this.#opened(known), nowMs);
      return known;
    }
    const formerNonces = name === undefined ? [] : this.#formerNonces(name, nonce);
    if (formerNonces.includes(nonce)) return undefined;
    if (name !== undefined) this.#dismissHolder(name);
    this.#expire(nowMs);
    this.#lastId += 1;
    this.#insert({
      id: this.#lastId,
      name,
      nonce,
      formerNonces,
      lastActiveMs: nowMs,
      acknowledgedBelow: 1,
      results: new Map(),
      resultBytes: 0,
    });
    return this.#lastId;
  }

  /** Forgets a session that its client uses no more; one that is unknown is forgotten already. */
  close(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#remove(session);
    // Its own opening, if a copy of it still comes, is that of a former holder.
    this.#noteEnd(session, {
      expired: undefined,
      formerNonces: withLatest(session.nonce, session.formerNonces),
    });
  }

  /** Judges a batch without changing anything. */
  judge({ session: id, batch, acknowledgedBelow }: BatchHeader): Verdict {
    const session = this.#sessions.get(id);
    if (session === undefined || batch < session.acknowledgedBelow) return { type: 'expired' };
    if (session.results.has(batch)) return { type: 'duplicate', results: session.results.get(batch) };
    const floor = Math.max(session.acknowledgedBelow, acknowledgedBelow);
    if (batch >= floor + this.#limits.windowBatchesMax) return { type: 'beyond-window' };
    return { type: 'execute' };
  }

  /** Notes that a batch judged `execute` was applied, with its encoded results. */
  record(header: BatchHeader, results: Uint8Array, nowMs: number): void {
    const session = this.#sessions.get(header.session);
    invariant(
      session !== undefined && !session.results.has(header.batch),
      'only a batch judged "execute" is recorded',
    );
    this.#acknowledge(session, header.acknowledgedBelow);
    session.results.set(header.batch, results);
    session.resultBytes += results.byteLength;
    this.#boundResults(session, header.batch);
    this.#touch(session, nowMs);
  }

  /** The table as MessagePack bytes; equal on replicas that applied the same entries. */
  encode(): Uint8Array {
    const rows = [...this.#sessions.values()].map((session) => [
      session.id,
      session.name ?? null,
      session.nonce,
      session.lastActiveMs,
      session.acknowledgedBelow,
      [...session.results].map(([batch, results]) => [batch, results ?? null]),
      session.formerNonces,
    ]);
    const ended = [...this.#endedNames].map(([name, { expired, formerNonces }]) => [
      name,
      expired ?? null,
      formerNonces,
    ]);
    return encodeValue([this.#lastId, rows, ended]);
  }

  /** Replaces the content by what `encode` gave. @throws CodedError ERR_FRAME_INVALID */
  restore(encoded: Uint8Array): void {
    const [lastId, rows, ended] = tableSchema(decodeValue(encoded), 'sessions');
    this.#sessions.clear();
    this.#idByNonce.clear();
    this.#idByName.clear();
    this.#endedNames.clear();
    for (const [name, expired, formerNonces] of ended) this.#endedNames.set(name, { expired, formerNonces });
    this.#lastId = lastId;
    for (const [id, name, nonce, lastActiveMs, acknowledgedBelow, results, formerNonces] of rows) {
      if (id > lastId)
        throw new CodedError('ERR_FRAME_INVALID', `sessions: id ${id} was never given out`, {});
      const copied = results.map(
        ([batch, kept]) => [batch, kept === undefined ? undefined : kept.slice()] as const,
      );
      const resultBytes = copied.reduce((sum, [, kept]) => sum + (kept?.byteLength ?? 0), 0);
      this.#insert({
        id,
        name,
        nonce,
        formerNonces,
        lastActiveMs,
        acknowledgedBelow,
        results: new Map(copied),
        resultBytes,
      });
    }
  }

  #insert(session: Session): void {
    this.#sessions.set(session.id, session);
    this.#idByNonce.set(session.nonce, session.id);
    if (session.name !== undefined) this.#idByName.set(session.name, session.id);
  }

  #opened(id: number): Session {
    const session = this.#sessions.get(id);
    invariant(session !== undefined, 'nonces and names lead to open sessions');
    return session;
  }

  /** The order of the map is the order of idleness: who was touched last stands last. */
  #touch(session: Session, nowMs: number): void {
    session.lastActiveMs = nowMs;
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
  }

  /** Who held the name before a session that `nonce` opens. */
  #formerNonces(name: string, nonce: string): FormerNonces {
    const id = this.#idByName.get(name);
    if (id !== undefined) {
      const holder = this.#opened(id);
      return withLatest(holder.nonce, holder.formerNonces);
    }
    const { expired, formerNonces = [] } = this.#endedNames.get(name) ?? {};
    return expired === undefined || expired === nonce ? formerNonces : withLatest(expired, formerNonces);
  }

  #dismissHolder(name: string): void {
    const id = this.#idByName.get(name);
    if (id !== undefined) this.#remove(this.#opened(id));
    this.#endedNames.delete(name);
  }

  #noteEnd({ name }: Session, ended: EndedName): void {
    if (name === undefined) return;
    this.#endedNames.set(name, ended);
    if (this.#endedNames.size <= endedNamesMax) return;
    const [oldest] = this.#endedNames.keys();
    if (oldest !== undefined) this.#endedNames.delete(oldest);
  }

  #remove({ id, name, nonce }: Session): void {
    this.#sessions.delete(id);
    this.#idByNonce.delete(nonce);
    if (name !== undefined && this.#idByName.get(name) === id) this.#idByName.delete(name);
  }

  #expire(nowMs: number): void {
    for (const session of this.#sessions.values()) {
      const isIdle = nowMs - session.lastActiveMs > this.#limits.idleMsMax;
      if (!isIdle && this.#sessions.size < this.#limits.sessionsMax) return;
      this.#remove(session);
      this.#noteEnd(session, { expired: session.nonce, formerNonces: session.formerNonces });
    }
  }

  #acknowledge(session: Session, below: number): void {
    if (below <= session.acknowledgedBelow) return;
    session.acknowledgedBelow = below;
    for (const [batch, results] of session.results) {
      if (batch >= below) continue;
      session.resultBytes -= results?.byteLength ?? 0;
      session.results.delete(batch);
    }
  }

  /** Drops the oldest results until the bound holds; those of `newest` stay, however large. */
  #boundResults(session: Session, newest: number): void {
    if (session.resultBytes <= this.#limits.resultBytesMax) return;
    for (const [batch, results] of session.results) {
      if (batch === newest || results === undefined) continue;
      session.results.set(batch, undefined);
      session.resultBytes -= results.byteLength;
      if (session.resultBytes <= this.#limits.resultBytesMax) return;
    }
  }
}

/** Of how many former holders of a name it is known that they are; an earlier one that wakes up is like anyone new. */
const formerHoldersMax = 16;
/** Of how many names that nobody holds it is known who held them. */
const endedNamesMax = 1_000;

function withLatest(nonce: string, formerNonces: FormerNonces): FormerNonces {
  return [nonce, ...formerNonces].slice(0, formerHoldersMax);
}

const formerNoncesSchema = list(text(64), formerHoldersMax);

const tableSchema = tuple(
  integer(),
  list(
    tuple(
      integer(1),
      optional(text(256)),
      text(64),
      finite,
      integer(1),
      list(tuple(integer(1), optional(bytes(2 ** 31))), 1 << 20),
      formerNoncesSchema,
    ),
    1 << 20,
  ),
  list(tuple(text(256), optional(text(64)), formerNoncesSchema), endedNamesMax),
);
