/**
 * The ask table: every question of this node that waits for an answer, with its deadline.
 *
 * One timer serves all: it is set to the earliest deadline it knows of and looks through the table when
 * it fires. A timer per ask would cost more than the ask; most are answered long before they are due.
 */
import type { AskOptions } from './actor-ref.ts';
import type { NodeId } from './brand.ts';
import { type Clock, delayMsMax, type Timer } from './clock.ts';
import { CodedError, optionInvalid } from './coded-error.ts';

interface PendingAsk {
  readonly node: NodeId;
  readonly address: string;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly release: (() => void) | undefined;
}

/** Looking through the table more often than this buys nothing that a person could notice. */
const sweepPauseMsMin = 1;

export class AskTable {
  readonly #clock: Clock;
  readonly #pending = new Map<number, PendingAsk>();
  #lastId = 0;
  #timer: Timer | undefined;
  #timerDueMs = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#pending.size;
  }

  /**
   * Opens an ask to `node`; `send` is given its number (>= 1) and puts it on its way, and may throw.
   * @throws (by rejecting) see `ActorRef.ask`
   */
  open(
    to: { readonly node: NodeId; readonly address: string },
    { timeoutMs, signal }: AskOptions,
    send: (ask: number) => void,
  ): Promise<unknown> {
    if (typeof timeoutMs !== 'number' || !(timeoutMs > 0 && timeoutMs <= delayMsMax)) {
      return Promise.reject(optionInvalid('timeoutMs', timeoutMs, `milliseconds > 0, at most ${delayMsMax}`));
    }
    if (signal?.aborted) {
      return Promise.reject(
        new CodedError('ERR_ABORTED', `ask of ${to.address}: given up before it was sent`),
      );
    }
    return new Promise((resolve, reject) => {
      const ask = ++this.#lastId;
      const deadlineMs = this.#clock.nowMs() + timeoutMs;
      const release = signal === undefined ? undefined : this.#abortable(ask, signal);
      this.#pending.set(ask, { ...to, timeoutMs, deadlineMs, resolve, reject, release });
      this.#sweepBy(deadlineMs);
      try {
        send(ask);
      } catch (error) {
        this.fail(ask, to.node, error);
      }
    });
  }

  /** The answer to `ask` came from `node`; late, unknown and foreign ones return false. */
  answer(ask: number, node: NodeId, value: unknown): boolean {
    const pending = this.#close(ask, node);
    pending?.resolve(value);
    return pending !== undefined;
  }

  fail(ask: number, node: NodeId, error: unknown): boolean {
    const pending = this.#close(ask, node);
    pending?.reject(error);
    return pending !== undefined;
  }

  /** Fails whatever waits for `node`, or for anyone. */
  failAll(node: NodeId | undefined, why: (address: string) => CodedError): void {
    for (const [ask, pending] of this.#pending) {
      if (node === undefined || pending.node === node) this.fail(ask, pending.node, why(pending.address));
    }
  }

  #close(ask: number, node: NodeId): PendingAsk | undefined {
    const pending = this.#pending.get(ask);
    if (pending === undefined || pending.node !== node) return undefined;
    this.#pending.delete(ask);
    pending.release?.();
    if (this.#pending.size === 0) this.#disarm();
    return pending;
  }

  #abortable(ask: number, signal: AbortSignal): () => void {
    const onAbort = (): void => {
      const pending = this.#pending.get(ask);
      if (pending === undefined) return;
      const line = `ask of ${pending.address}: given up while it was under way`;
      this.fail(ask, pending.node, new CodedError('ERR_OUTCOME_UNKNOWN', line));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    return () => signal.removeEventListener('abort', onAbort);
  }

  #sweepBy(dueMs: number): void {
    if (dueMs >= this.#timerDueMs) return;
    this.#disarm();
    this.#timerDueMs = dueMs;
    this.#timer = this.#clock.after(Math.max(sweepPauseMsMin, dueMs - this.#clock.nowMs()), () =>
      this.#sweep(),
    );
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerDueMs = Infinity;
  }

  #sweep(): void {
    this.#disarm();
    const nowMs = this.#clock.nowMs();
    let nextMs = Infinity;
    for (const [ask, { node, address, deadlineMs, timeoutMs }] of this.#pending) {
      if (deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, deadlineMs);
        continue;
      }
      const line = `ask of ${address}: no answer within ${timeoutMs} ms`;
      this.fail(ask, node, new CodedError('ERR_ASK_TIMEOUT', line, { address, timeoutMs }));
    }
    if (this.#pending.size > 0) this.#sweepBy(nextMs);
  }
}
