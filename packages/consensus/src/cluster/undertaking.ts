/**
 * An undertaking: what the app has ordered of the cluster, from the call to its end.
 *
 * Changes of the cluster are made one after the other, so an order first waits for its turn. Wherever it stands, it is
 * given up at its deadline, by its signal, or when the cluster stops; what its caller is told says what is true then,
 * and that depends on how far it got. Given up, it begins nothing more, and only takes back what it had prepared.
 */
import { type Clock, CodedError, type ErrorCode, messageOf } from '@quorate/core';
import { type CallOptions, timeoutMsOf } from './waiting-call.ts';

/** What ended an undertaking before its time. */
export type GivenUpBy = 'deadline' | 'signal' | 'stop';

/**
 * How far it got before anything was asked of any leader. `waiting`: for its turn. `preparing`: what can be taken back.
 * `wiped`: a member begins anew on a blank disk.
 */
type ProgressBefore = 'waiting' | 'preparing' | 'wiped';

/** How far it got. `asked`: a leader may carry it out. `decided`: one has, and the rest is to see that all follow. */
export type Progress = ProgressBefore | 'asked' | 'decided';

const whyGivenUp = {
  deadline: 'the deadline has passed',
  signal: 'aborted',
  stop: 'the cluster has stopped',
} as const satisfies Record<GivenUpBy, string>;

/** Before anything was asked: it did not happen, and never will. */
const codesBefore = {
  deadline: { waiting: 'ERR_OVERLOADED', preparing: 'ERR_NO_QUORUM', wiped: 'ERR_NO_QUORUM' },
  signal: { waiting: 'ERR_ABORTED', preparing: 'ERR_ABORTED', wiped: 'ERR_ABORTED' },
  stop: { waiting: 'ERR_STOPPED', preparing: 'ERR_STOPPED', wiped: 'ERR_STOPPED' },
} as const satisfies Record<GivenUpBy, Record<ProgressBefore, ErrorCode>>;

const whatIsTrue = {
  waiting: 'another change was under way until then, and nothing of this one was begun',
  preparing: 'nothing was asked of the leader, and the epoch is what it was',
  wiped:
    'nothing was asked of the leader, but the member has a blank disk, and no voice before it is ordered again',
  asked: 'the leader was asked, and the change may yet take effect',
  decided: 'the change was decided and takes effect, but was not seen to the end',
} as const satisfies Record<Progress, string>;

/** What the caller of an order is told that was given up: the rule, with nothing left to chance. */
export function givenUpError(by: GivenUpBy, progress: Progress, cause?: unknown): CodedError {
  const code = isBefore(progress) ? codesBefore[by][progress] : 'ERR_OUTCOME_UNKNOWN';
  return new CodedError(code, `${whyGivenUp[by]}: ${whatIsTrue[progress]}`, {}, { cause });
}

function isBefore(progress: Progress): progress is ProgressBefore {
  return progress !== 'asked' && progress !== 'decided';
}

/** The longest delay that a clock takes. */
const delayMsMax = 2 ** 31 - 1;

export class Undertaking {
  readonly deadlineMs: number;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #givenUp: Promise<never>;
  readonly #ending = new AbortController();
  #reject: (error: unknown) => void = () => undefined;
  #tell: (error: unknown) => void = () => undefined;
  #progress: Progress = 'waiting';
  /** Why it was given up. */
  #error: CodedError | undefined;
  /** Why it failed, when what was prepared is being taken back. */
  #failure: { readonly reason: unknown } | undefined;
  /** What the deadline means to each of the steps that are under way. */
  readonly #steps = new Set<{ readonly late: (() => CodedError) | undefined }>();
  #stopWatching: () => void = () => undefined;

  /** @throws CodedError ERR_OPTION_INVALID for a wrong `timeoutMs` */
  constructor(options: CallOptions, clock: Clock) {
    const timeoutMs = timeoutMsOf(options);
    this.#clock = clock;
    this.#signal = options.signal;
    this.deadlineMs = clock.nowMs() + timeoutMs;
    this.#givenUp = new Promise((_, reject) => {
      this.#reject = reject;
    });
    // Whoever waits hears of it there; perhaps nobody does.
    this.#givenUp.catch(() => undefined);
    const timer = clock.after(Math.min(timeoutMs, delayMsMax), () => this.giveUp('deadline'));
    const aborted = (): void => this.giveUp('signal');
    options.signal?.addEventListener('abort', aborted, { once: true });
    this.#stopWatching = () => {
      timer.cancel();
      options.signal?.removeEventListener('abort', aborted);
    };
    if (options.signal?.aborted === true) this.giveUp('signal');
  }

  /** Resolves or rejects with `done`, and before that when it is given up while nothing can have happened yet. */
  outcome<T>(done: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#tell = reject;
      if (this.#error !== undefined) reject(this.#error);
      done.then(resolve, reject).finally(() => this.#stopWatching());
    });
  }

  /** Raised when it is given up. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Its turn has come. @throws CodedError when it was given up meanwhile */
  begin(): void {
    this.check();
    this.#progress = 'preparing';
  }

  /** From here on a member has lost what it had. */
  wiped(): void {
    this.#progress = 'wiped';
  }

  /** From here on a leader may carry it out. @throws CodedError when it was given up */
  asking(): void {
    this.check();
    if (isBefore(this.#progress)) this.#progress = 'asked';
  }

  /** Every leader that was asked has carried it out. */
  decided(): void {
    this.#progress = 'decided';
  }

  /** To be called before each step. @throws CodedError when it was given up */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /**
   * Takes a step that may last: it is waited for until it ends or the undertaking is given up.
   * @param late what the deadline means while this step is under way and nothing can have happened yet
   */
  async wait<T>(step: () => Promise<T>, late?: () => CodedError): Promise<T> {
    this.check();
    const underWay = { late };
    this.#steps.add(underWay);
    try {
      return await Promise.race([step(), this.#givenUp]);
    } finally {
      this.#steps.delete(underWay);
    }
  }

  /** Waits for what goes on by itself, until it ends or the undertaking is given up, which is no failure of it. */
  async waitIfTime(goingOn: Promise<void>): Promise<void> {
    await Promise.race([goingOn, this.#givenUp.catch(() => undefined)]);
  }

  /**
   * It has failed for `reason`, and nothing has changed: takes back what was prepared. The caller is told when that is
   * done, and no later than the undertaking is given up. @throws `reason`
   */
  async undo(
    reason: unknown,
    takeBack: () => Promise<void>,
    warn: (message: string) => void,
  ): Promise<never> {
    this.#failure = { reason };
    if (this.#error !== undefined) this.#tell(reason);
    await takeBack().catch((error) => warn(`what was prepared could not be taken back: ${messageOf(error)}`));
    throw reason;
  }

  /** For a call that is part of it: the time that is left, and the signal. */
  callOptions(): CallOptions {
    const timeoutMs = Math.max(1, this.deadlineMs - this.#clock.nowMs());
    return { timeoutMs, ...(this.#signal === undefined ? {} : { signal: this.#signal }) };
  }

  giveUp(by: GivenUpBy): void {
    if (this.#failure !== undefined) return this.#tell(this.#failure.reason);
    if (this.#error !== undefined) return;
    const isUnasked = isBefore(this.#progress);
    const late = by === 'deadline' && isUnasked ? this.#lateness() : undefined;
    const cause = by === 'signal' ? this.#signal?.reason : undefined;
    this.#error = late ?? givenUpError(by, this.#progress, cause);
    this.#reject(this.#error);
    this.#ending.abort();
    // Once a leader was asked, whoever waits for its answer knows better what has become of it.
    if (isUnasked) this.#tell(this.#error);
  }

  /** What the deadline means to the first step under way that has something to say of it. */
  #lateness(): CodedError | undefined {
    for (const { late } of this.#steps) if (late !== undefined) return late();
    return undefined;
  }
}

/** The undertakings of a cluster, one after the other. */
export class Undertakings {
  readonly #clock: Clock;
  readonly #open = new Set<Undertaking>();
  #last: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Does `task` when all before it have ended. @throws CodedError see {@link givenUpError}; what `task` throws */
  async inTurn<T>(options: CallOptions, task: (undertaking: Undertaking) => Promise<T>): Promise<T> {
    const undertaking = new Undertaking(options, this.#clock);
    if (this.#isStopped) undertaking.giveUp('stop');
    this.#open.add(undertaking);
    const done = this.#last.then(() => {
      undertaking.begin();
      return task(undertaking);
    });
    this.#last = done.then(
      () => this.#open.delete(undertaking),
      () => this.#open.delete(undertaking),
    );
    return undertaking.outcome(done);
  }

  /** Gives up all of them, and those to come. Resolves when none is at work any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const undertaking of this.#open) undertaking.giveUp('stop');
    await this.#last;
  }
}
