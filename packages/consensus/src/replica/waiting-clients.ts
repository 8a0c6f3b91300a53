/**
 * The clients that wait for something this replica has in hand: an appended batch, a session, a read.
 *
 * Waiting is volatile and local. A client whose replica forgets it asks again, and the session table
 * makes asking again harmless.
 */
import { type ActorRef, assertNever, type ErrorCode, type NodeId } from '@quorate/core';
import type { LogIndex } from '../protocol.ts';
import type { ClientMessage } from './message.ts';
import { encodeClientMessage } from './message-codec.ts';
import type { BatchHeader } from './payload.ts';
import type { Applied } from './replicated-state.ts';

/** Whom to answer, under which number. */
export interface Asker {
  readonly client: ActorRef;
  readonly request: number;
}

interface Waiting {
  /** The newest. */
  asker: Asker;
  /** Where this leader has appended what is waited for, once it has. */
  index: LogIndex | undefined;
}

export class WaitingClients {
  /** By session and batch, or by nonce: what this leader has appended and not applied yet. */
  readonly #appended = new Map<string, Waiting>();

  get size(): number {
    return this.#appended.size;
  }

  /**
   * Notes who waits for `key`. Returns false when it was awaited already: the same batch is in this
   * leader's log, so appending it again would only cost space; the newest asker is answered.
   */
  expect(key: string, asker: Asker): boolean {
    const waiting = this.#appended.get(key);
    if (waiting === undefined) this.#appended.set(key, { asker, index: undefined });
    else waiting.asker = asker;
    return waiting === undefined;
  }

  /** What is awaited under `key` stands in the log now. */
  appendedAt(key: string, index: LogIndex): void {
    const waiting = this.#appended.get(key);
    if (waiting !== undefined) waiting.index = index;
  }

  forget(key: string): void {
    this.#appended.delete(key);
  }

  /** Answers whoever waits for what was just applied. */
  applied(outcome: Applied, index: LogIndex): void {
    if (outcome.type === 'nothing' || this.#appended.size === 0) return;
    const key = keyOf(outcome);
    const waiting = this.#appended.get(key);
    if (waiting === undefined || isOfFormerCopy(outcome, index, waiting)) return;
    this.#appended.delete(key);
    answer(waiting.asker, toClient(outcome, waiting.asker.request, index));
  }

  /** Tells all that wait that this replica cannot say any more what becomes of their batches. */
  release(leader: NodeId | undefined): void {
    for (const { asker } of this.#appended.values()) {
      refuse(asker, 'ERR_OUTCOME_UNKNOWN', 'the leader was deposed before the batch was applied', leader);
    }
    this.#appended.clear();
  }
}

/**
 * Whether this says nothing of the copy that is waited for. A copy that an earlier leader has appended comes to the
 * same as all later ones, with one exception: beyond the window it has no effect, and a later one may be within.
 */
function isOfFormerCopy(outcome: Applied, index: LogIndex, waiting: Waiting): boolean {
  const isForNow = outcome.type === 'batch-refused' && outcome.reason === 'beyond-window';
  return isForNow && (waiting.index === undefined || index < waiting.index);
}

export function batchKey({ session, batch }: BatchHeader): string {
  return `${session}/${batch}`;
}

export function openKey(nonce: string): string {
  return `open/${nonce}`;
}

export function closeKey(session: number): string {
  return `close/${session}`;
}

export function stopKey(nonce: string): string {
  return `stop/${nonce}`;
}

function keyOf(outcome: Exclude<Applied, { type: 'nothing' }>): string {
  switch (outcome.type) {
    case 'opened':
    case 'open-refused':
      return openKey(outcome.nonce);
    case 'closed':
      return closeKey(outcome.session);
    case 'sealed':
      return stopKey(outcome.nonce);
    case 'batch':
    case 'batch-refused':
      return batchKey(outcome.header);
    default:
      return assertNever(outcome, 'applied');
  }
}

export function answer({ client }: Asker, message: ClientMessage): void {
  client.tell(encodeClientMessage(message));
}

/** Refuses for now: the client may ask again, here or at `leader`. */
export function refuse(asker: Asker, code: ErrorCode, message: string, leader: NodeId | undefined): void {
  answer(asker, { type: 'refused', request: asker.request, code, message, leader, isFinal: false });
}

/** Refuses for good. */
export function reject(asker: Asker, code: ErrorCode, message: string): void {
  answer(asker, { type: 'refused', request: asker.request, code, message, leader: undefined, isFinal: true });
}

/** What a client is told of an applied batch or opening. */
export function toClient(
  outcome: Exclude<Applied, { type: 'nothing' }>,
  request: number,
  index: LogIndex,
): ClientMessage {
  switch (outcome.type) {
    case 'opened':
      return { type: 'opened', request, index, session: outcome.session };
    case 'open-refused':
      return {
        type: 'refused',
        request,
        code: 'ERR_SESSION_EXPIRED',
        message: 'another holder has opened the session of this name since',
        leader: undefined,
        isFinal: true,
      };
    case 'closed':
      return { type: 'closed', request };
    case 'sealed':
      return { type: 'reconfigured', request, index, epoch: outcome.next.number };
    case 'batch':
      if (outcome.results !== undefined) return { type: 'results', request, index, results: outcome.results };
      return {
        type: 'refused',
        request,
        code: 'ERR_OUTCOME_UNKNOWN',
        message: 'the batch took effect, but its results are no longer kept',
        leader: undefined,
        isFinal: true,
      };
    case 'batch-refused': {
      const expired = outcome.reason === 'expired';
      return {
        type: 'refused',
        request,
        code: expired ? 'ERR_SESSION_EXPIRED' : 'ERR_OVERLOADED',
        message: expired
          ? 'the session is unknown or has acknowledged this batch'
          : 'too many batches of the session outstanding',
        leader: undefined,
        isFinal: expired,
      };
    }
    default:
      return assertNever(outcome, 'applied');
  }
}
