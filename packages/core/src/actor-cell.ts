/**
 * A cell: the life of one actor on its node, from spawn to end, through any number of restarts.
 *
 * One *life* is the time between a call of the factory and the next failure or the end. Whatever belongs
 * to a life (behaviour, timers, stash, answers still owed) ends with it; what comes late from an earlier
 * life is recognised by its number and ignored. The mailbox belongs to the cell and outlives them.
 */
import { type ActorContextHost, contextFor, type LifeResources } from './actor-context.ts';
import type { ActorDefinition, Behavior, Signal, SpawnOptions } from './behavior.ts';
import type { NodeId } from './brand.ts';
import type { Timer } from './clock.ts';
import { CodedError, type ErrorData, errorCodes, errorToData } from './coded-error.ts';
import { assertNever } from './exhaustive.ts';
import { invariant } from './invariant.ts';
import { Mailbox } from './mailbox.ts';
import { judge } from './supervision.ts';

/** A message in a mailbox. `ask` is 0 for a tell. */
export interface Letter {
  readonly fromNode: NodeId;
  readonly fromName: string;
  readonly ask: number;
  readonly message: unknown;
}

export type CellState = 'starting' | 'running' | 'backing-off' | 'stopped';

/** What a cell needs of its node. */
export interface CellHost extends ActorContextHost {
  /** The cell has something to do: call its `work` in the coming turn. */
  ready(cell: Cell): void;
  answer(letter: Letter, from: string, value: unknown): void;
  refuse(letter: Letter, from: string, error: ErrorData): void;
  lost(letter: Letter, to: string, reason: 'stopped' | 'invalid'): void;
  /** The cell is over; its name is free. */
  ended(cell: Cell, reason: 'stopped' | 'failed', error: unknown): void;
}

export class Cell {
  readonly name: string;
  readonly definition: ActorDefinition;
  readonly options: SpawnOptions;
  readonly parent: Cell | undefined;
  readonly children = new Set<Cell>();
  readonly mailbox: Mailbox<Letter, () => void>;
  /** Senders that know this mailbox to be full; forgotten when it has room again. */
  readonly toldOverloaded = new Set<string>();
  readonly #host: CellHost;
  state: CellState = 'starting';
  restarts = 0;
  /** Whether the node's turn has this cell in its queue. */
  isQueued = false;
  #life = 0;
  #behavior: Behavior<unknown, unknown> | undefined;
  #resources: LifeResources | undefined;
  /** Asks whose promise has not settled. */
  readonly #owed = new Set<Letter>();
  /** A sequential actor's promise has not settled: nothing else may happen meanwhile. */
  #isBusy = false;
  #failuresMs: number[] = [];
  #backOff: Timer | undefined;
  /** Resolves when the last life that ended has let go of what it held. */
  closed: Promise<void> = Promise.resolve();
  #settleStarted: { resolve(): void; reject(error: unknown): void } | undefined;
  /** Resolves when the factory has succeeded for the first time; rejects if the cell ends before. */
  readonly started: Promise<void>;

  constructor(
    host: CellHost,
    name: string,
    definition: ActorDefinition,
    options: SpawnOptions,
    parent: Cell | undefined,
  ) {
    this.#host = host;
    this.name = name;
    this.definition = definition;
    this.options = options;
    this.parent = parent;
    this.mailbox = new Mailbox(options.mailbox ?? {});
    this.started = new Promise((resolve, reject) => {
      this.#settleStarted = { resolve, reject };
    });
    // Few will wait for it; a failure is reported as an event all the same.
    this.started.catch(() => {});
  }

  /** Begins a life. */
  start(): void {
    const life = ++this.#life;
    this.state = 'starting';
    this.#resources = contextFor(this, this.#host);
    let made: Behavior<unknown, unknown> | Promise<Behavior<unknown, unknown>>;
    try {
      made = this.definition.factory(this.#resources.context);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (!isThenable(made)) {
      this.#run(made);
      return;
    }
    made.then(
      (behavior) => {
        if (life === this.#life) this.#run(behavior);
        else this.closed = this.#close(this.closed, [], behavior);
      },
      (error) => {
        if (life === this.#life) this.#fail(error);
      },
    );
  }

  /** Handles the next thing that waits. Returns whether there was one. */
  work(): boolean {
    if (this.state !== 'running' || this.#isBusy) return false;
    const errand = this.mailbox.takeErrand();
    if (errand !== undefined) {
      this.#guard(errand);
      return true;
    }
    const letter = this.mailbox.take();
    if (letter === undefined) return false;
    if (this.toldOverloaded.size > 0 && this.mailbox.depth * 2 <= this.mailbox.capacity)
      this.toldOverloaded.clear();
    this.#handle(letter);
    return true;
  }

  /** Whether `work` would find something. */
  get hasWork(): boolean {
    return this.state === 'running' && !this.#isBusy && !this.mailbox.isEmpty;
  }

  signal(signal: Signal): void {
    this.#enqueue(() => {
      // Said twice by a link that duplicates, or unwatched while it waited: it is no news any more.
      if (signal.type === 'terminated' && !this.#resources?.watched.delete(signal.address)) return;
      this.#behavior?.signal?.(signal);
    });
  }

  /** Runs `task` of this life when the actor does nothing else; a failure of it is the actor's. */
  perform(task: () => void): void {
    if (this.state === 'running' && !this.#isBusy) this.#guard(task);
    else this.#enqueue(task);
  }

  stash(): void {
    const resources = this.#resources;
    invariant(resources?.current !== undefined, 'stash() is for the message that receive is handling');
    if (resources.stashed.length >= this.mailbox.capacity) {
      throw new CodedError('ERR_OVERLOADED', `${this.name}: ${this.mailbox.capacity} messages are stashed`);
    }
    resources.stashed.push(resources.current);
    resources.current = undefined;
  }

  unstashAll(): void {
    const stashed = this.#resources?.stashed.splice(0) ?? [];
    this.mailbox.putBack(stashed);
    if (stashed.length > 0) this.#host.ready(this);
  }

  /** Ends the actor once the message being handled is done with. */
  stopSoon(): void {
    this.#enqueue(() => this.end('stopped', undefined));
  }

  /** Ends the actor now, with its children. */
  end(reason: 'stopped' | 'failed', error: unknown): void {
    if (this.state === 'stopped') return;
    const stopped = new CodedError('ERR_STOPPED', `actor ${this.name} has ${reason}`);
    this.#endLife(errorToData(error ?? stopped));
    this.state = 'stopped';
    this.#backOff?.cancel();
    for (let letter = this.mailbox.take(); letter !== undefined; letter = this.mailbox.take()) {
      if (letter.ask !== 0) this.#host.refuse(letter, this.name, errorToData(stopped));
      else this.#host.lost(letter, this.name, 'stopped');
    }
    this.parent?.children.delete(this);
    this.#settleStarted?.reject(error ?? stopped);
    this.#host.ended(this, reason, error);
  }

  #run(behavior: Behavior<unknown, unknown>): void {
    if (typeof behavior?.receive !== 'function') {
      this.#fail(
        new CodedError('ERR_MODULE_INVALID', `actor ${this.name}: its factory returned no behaviour`),
      );
      return;
    }
    this.#behavior = behavior;
    this.state = 'running';
    this.#settleStarted?.resolve();
    if (!this.mailbox.isEmpty) this.#host.ready(this);
  }

  #enqueue(errand: () => void): void {
    if (this.state === 'stopped') return;
    const life = this.#life;
    this.mailbox.offerErrand(() => {
      if (life === this.#life) errand();
    });
    this.#host.ready(this);
  }

  #guard(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#fail(error);
    }
  }

  #handle(letter: Letter): void {
    const resources = this.#resources;
    const behavior = this.#behavior;
    if (resources === undefined || behavior === undefined) return;
    let { message } = letter;
    if (this.definition.options.accepts !== undefined) {
      try {
        message = this.definition.options.accepts(message, 'message');
      } catch (error) {
        if (letter.ask !== 0) this.#host.refuse(letter, this.name, errorToData(error, 'ERR_FRAME_INVALID'));
        else this.#host.lost(letter, this.name, 'invalid');
        return;
      }
    }
    const life = this.#life;
    resources.current = letter;
    let answer: unknown;
    try {
      answer = behavior.receive(message, this.#host.refFrom(this.name, letter.fromNode, letter.fromName));
    } catch (error) {
      resources.current = undefined;
      if (life === this.#life) this.#threw(letter, error);
      else if (letter.ask !== 0) this.#host.refuse(letter, this.name, errorToData(error));
      return;
    }
    const wasStashed = resources.current === undefined;
    resources.current = undefined;
    if (isThenable(answer)) this.#await(life, letter, answer);
    else if (letter.ask !== 0 && !wasStashed) this.#host.answer(letter, this.name, answer);
  }

  #await(life: number, letter: Letter, answer: PromiseLike<unknown>): void {
    if (letter.ask !== 0) this.#owed.add(letter);
    if (this.definition.options.turns === 'sequential') this.#isBusy = true;
    const settled = (then: () => void): void => {
      if (life !== this.#life) return;
      this.#owed.delete(letter);
      this.#isBusy = false;
      then();
      if (this.hasWork) this.#host.ready(this);
    };
    answer.then(
      (value) => settled(() => letter.ask !== 0 && this.#host.answer(letter, this.name, value)),
      (error) => settled(() => this.#threw(letter, error)),
    );
  }

  /** A coded error at an ask is an answer; anything else is a failure. */
  #threw(letter: Letter, error: unknown): void {
    if (letter.ask !== 0) this.#host.refuse(letter, this.name, errorToData(error));
    if (letter.ask === 0 || !isCoded(error)) this.#fail(error);
  }

  #fail(error: unknown): void {
    if (this.state === 'stopped') return;
    const { clock, log } = this.#host;
    this.#endLife(errorToData(error));
    const nowMs = clock.nowMs();
    const policy = this.options.restart;
    this.#failuresMs.push(nowMs);
    const verdict = judge(this.#failuresMs, nowMs, policy);
    log.warn(`actor ${this.name} failed`, { error: errorToData(error), verdict: verdict.type });
    switch (verdict.type) {
      case 'restart':
        this.#failuresMs = this.#failuresMs.slice(-((policy?.max ?? 0) + 1));
        this.state = 'backing-off';
        this.#backOff = clock.after(verdict.afterMs, () => void this.#restart());
        break;
      case 'stop':
        this.end('failed', error);
        break;
      case 'escalate': {
        const { parent } = this;
        this.end('failed', error);
        parent?.fail(error);
        break;
      }
      default:
        assertNever(verdict, 'verdict');
    }
  }

  /** A child failed, and escalated. */
  fail(error: unknown): void {
    this.#fail(error);
  }

  async #restart(): Promise<void> {
    const life = this.#life;
    await this.closed;
    if (life !== this.#life || this.state !== 'backing-off') return;
    this.restarts++;
    this.start();
  }

  /** Ends the life, if one is on: children, timers, watches, answers owed, and then the behaviour itself. */
  #endLife(owed: ErrorData): void {
    this.#life++;
    const behavior = this.#behavior;
    this.#behavior = undefined;
    this.#isBusy = false;
    const children = [...this.children];
    for (const child of children) child.end('stopped', undefined);
    this.mailbox.putBack(this.#resources?.stashed ?? []);
    this.#resources?.release();
    this.#resources = undefined;
    for (const letter of this.#owed) this.#host.refuse(letter, this.name, owed);
    this.#owed.clear();
    this.closed = this.#close(this.closed, children, behavior);
  }

  /** Waits for what children hold, and earlier lives, before this life lets go of its own. Never rejects. */
  async #close(
    before: Promise<void>,
    children: readonly Cell[],
    behavior: Behavior<unknown, unknown> | undefined,
  ): Promise<void> {
    await Promise.all([before, ...children.map((child) => child.closed)]);
    try {
      await behavior?.stopped?.();
    } catch (error) {
      this.#host.log.error(`actor ${this.name}: stopped() failed`, { error: errorToData(error) });
    }
  }
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> & Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<T>).then === 'function';
}

/** Whether `error` is one of ours, perhaps from another copy of the class. */
function isCoded(error: unknown): boolean {
  return error instanceof Error && Object.hasOwn(errorCodes, String((error as { code?: unknown }).code));
}
