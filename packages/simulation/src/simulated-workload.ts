/**
 * The workload of a simulation: processes that read, write and compare-and-set, one operation after the
 * other, and the history of what they were told.
 */
import type { Client, Consistency, Session } from '@quorate/consensus';
import { hasCode, type NodeId, type Random } from '@quorate/core';
import type { AppliedOrder, CommandAnswer } from './applied-order.ts';
import { drawWeighted } from './fault-plan.ts';
import { HistoryRecorder } from './history-recorder.ts';
import { NULL_VALUE } from './history-value.ts';
import type { RegisterAnswer, RegisterCommand, RegisterQuery } from './registers.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

type RegisterSession = Session<RegisterCommand, RegisterQuery, boolean | null, RegisterAnswer>;

export interface WorkloadOptions {
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly random: Random;
  readonly order: AppliedOrder;
  readonly members: readonly NodeId[];
  readonly keys: number;
  /** Share of operations that compare and set, 0 to 0.6; a third read, the others write. */
  readonly casShare: number;
  readonly readShares: readonly (readonly [Consistency, number])[];
  /** How long all are silent between two bursts of operations; 0: no lulls. */
  readonly lullMs: number;
}

/** One session in the hands of one process of the operating system, until either is over. */
interface Holder {
  readonly client: string;
  /** Names are taken over by the holder after this one. */
  readonly name: string | undefined;
  /** Grows with each holder. */
  readonly generation: number;
  readonly session: RegisterSession;
  /** The last position that the session has seen or been told of. */
  seen: number;
  running: number;
  /** Its process is gone: nobody hears what becomes of what it asked. */
  isGone: boolean;
}

const refusedPauseMs = 2;
/** How long a burst of operations lasts, where there are lulls. */
const burstMs = 400;

/** One operation of one process. */
interface Turn {
  readonly holder: Holder;
  readonly process: number;
  /** Grows with each operation that anyone asks for. */
  readonly asked: number;
}

/** How it ended, as far as the process was told. */
type End = 'done' | 'refused' | 'unknown';

/** How many, for each consistency level. */
export type CountsByLevel = Record<Consistency, number>;

const noCounts = (): CountsByLevel => ({ linearizable: 0, lease: 0, session: 0, eventual: 0 });

export class SimulatedWorkload {
  readonly history = new HistoryRecorder({ capacity: 4_096 });
  readonly #options: WorkloadOptions;
  /** The ids of commands whose proposer was told that they took effect. */
  readonly acknowledgedIds = new Set<number>();
  /** The ids of commands whose proposer was told that they did not and never will. */
  readonly refusedIds = new Set<number>();
  acknowledged = 0;
  /** Whether anything asked since {@link mark} was acknowledged. */
  answeredSinceMark = false;
  refused = 0;
  unknown = 0;
  /** Reads answered, and those among them that saw what somebody knew to be overwritten. */
  readonly reads = noCounts();
  readonly staleReads = noCounts();
  /** Those that saw what their own session knew to be overwritten. */
  readonly readsBehindSession = noCounts();
  /** The first answer that broke a promise, in one line. */
  violation: string | undefined;
  #lastId = 0;
  #lastProcess = 0;
  #lastGeneration = 0;
  #isStopping = false;
  #lastAsked = 0;
  #isMarked = false;
  #markedAsked = 0;
  /** The last position that anybody was told of, or saw by a read that must not be stale. */
  #told = 0;
  readonly #holders = new Set<Holder>();
  readonly #holderOf = new Map<number, Holder>();
  readonly #lastSeen = new Map<number, number | null>();

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  get isDone(): boolean {
    return [...this.#holders].every(({ running, isGone }) => isGone || running === 0);
  }

  /** Starts `processes` loops that share one session of `client`; a name is taken over from whoever had it. */
  start(of: {
    readonly clientName: string;
    readonly client: Client;
    readonly processes: number;
    readonly name?: string | undefined;
  }): void {
    this.#lastGeneration += 1;
    const holder: Holder = {
      client: of.clientName,
      name: of.name,
      generation: this.#lastGeneration,
      session: of.client.session(of.name) as RegisterSession,
      seen: 0,
      running: of.processes,
      isGone: false,
    };
    this.#holders.add(holder);
    for (let at = 0; at < of.processes; at++) {
      this.#loop(holder).then(
        () => {
          holder.running -= 1;
        },
        (error: unknown) => {
          this.violation ??= `the workload failed: ${String(error)}`;
        },
      );
    }
  }

  /** The process of a client has ended: what it had under way stays open. */
  abandon(clientName: string): void {
    for (const holder of this.#holders) {
      if (holder.client !== clientName) continue;
      holder.isGone = true;
      this.unknown += holder.running;
      this.#holders.delete(holder);
    }
  }

  /** From here on it is noticed when something is answered that was asked after this call. */
  mark(): void {
    this.#isMarked = true;
    this.#markedAsked = this.#lastAsked;
    this.answeredSinceMark = false;
  }

  /** Lets every process end after the operation it is in. */
  stop(): void {
    this.#isStopping = true;
  }

  /**
   * What a holder proposed takes effect before whatever its successor did, or never.
   * @returns the command for which that is not so
   */
  takeoverViolation(): string | undefined {
    const newest = new Map<string, number>();
    for (const id of this.#options.order.ids()) {
      const { name, generation } = this.#holderOf.get(id) as Holder;
      if (name === undefined) continue;
      const reached = newest.get(name) ?? 0;
      if (generation < reached)
        return `command ${id} of a former holder of ${name} took effect after one of its successor`;
      newest.set(name, generation);
    }
    return undefined;
  }

  async #loop(holder: Holder): Promise<void> {
    let process = this.#nextProcess();
    while (!this.#isStopping && !holder.isGone) {
      await this.#sitOutLull();
      this.#lastAsked += 1;
      const end = await this.#operate({ holder, process, asked: this.#lastAsked });
      // Whoever does not know the outcome may still have an operation under way: its number retires.
      if (end === 'unknown') process = this.#nextProcess();
      // A client that knows of no quorum refuses at once: asking again without a pause would stop time.
      if (end === 'refused') await this.#pause();
    }
  }

  #operate(turn: Turn): Promise<End> {
    const { holder, process } = turn;
    const { random, keys, casShare, readShares } = this.#options;
    const key = random.below(keys);
    const draw = random.next();
    if (draw < 0.35) return this.#read(turn, { key, level: drawWeighted(random, readShares) });
    this.#lastId += 1;
    const id = this.#lastId;
    this.#holderOf.set(id, holder);
    if (draw < 0.36) return this.#throw(turn, id);
    if (draw < 1 - casShare) {
      const operation = this.history.invokeWrite(process, key, id);
      return this.#complete(turn, { operation, id, command: ['write', id, key, id] });
    }
    // Mostly what was seen last, so that many take effect; sometimes a guess, so that many do not.
    const from = random.chance(0.8) ? (this.#lastSeen.get(key) ?? null) : id;
    const operation = this.history.invokeCas(process, key, from ?? NULL_VALUE, id);
    return this.#complete(turn, { operation, id, command: ['cas', id, key, from, id] });
  }

  async #read(turn: Turn, read: { readonly key: number; readonly level: Consistency }): Promise<End> {
    const { holder, process } = turn;
    const { key, level } = read;
    const isStrong = level === 'linearizable' || level === 'lease';
    const operation = isStrong ? this.history.invokeRead(process, key) : undefined;
    const known = { seenBefore: holder.seen, toldBefore: this.#told };
    try {
      const options = { ...this.#call(), ...this.#where(), consistency: level };
      const query = holder.session.query(['read', key], options);
      const value = (await query) as number | null;
      if (holder.isGone) return 'unknown';
      if (operation !== undefined) this.history.ok(operation, value ?? NULL_VALUE);
      this.#judge(holder, { level, key, value, ...known });
      if (isStrong) this.#lastSeen.set(key, value);
      this.#acknowledge(turn, `${level} read k${key} = ${String(value)}`);
      return 'done';
    } catch (error) {
      if (holder.isGone) return 'unknown';
      if (operation !== undefined) this.history.fail(operation);
      this.refused += 1;
      this.#options.trace.add(this.#options.time.nowMs, `read refused: ${String(error)}`);
      return 'refused';
    }
  }

  #judge(holder: Holder, answer: Parameters<AppliedOrder['judge']>[0]): void {
    const { level } = answer;
    const verdict = this.#options.order.judge(answer);
    if (typeof verdict === 'string') {
      this.violation ??= verdict;
      return;
    }
    this.reads[level] += 1;
    if (verdict.isStale) this.staleReads[level] += 1;
    if (verdict.isBehindSession) this.readsBehindSession[level] += 1;
    // An eventual read says nothing about what its session sees next.
    if (level !== 'eventual') holder.seen = Math.max(holder.seen, verdict.from);
    if (level === 'linearizable' || level === 'lease') this.#told = Math.max(this.#told, verdict.from);
  }

  /** A command that the machine refuses: it has its place in the order all the same, once. */
  async #throw(turn: Turn, id: number): Promise<End> {
    const { holder } = turn;
    try {
      await holder.session.propose(['write', id, -1, id], this.#call());
      this.violation ??= `command ${id} throws, and was reported to have been carried out`;
      return 'done';
    } catch (error) {
      if (holder.isGone) return 'unknown';
      if (!hasCode(error, 'ERR_COMMAND_FAILED')) return this.#notDone(id, error);
      this.#tookEffect(holder, id, 'threw');
      this.#acknowledge(turn, `command ${id} threw`);
      return 'done';
    }
  }

  async #complete(
    turn: Turn,
    proposed: { readonly operation: number; readonly id: number; readonly command: RegisterCommand },
  ): Promise<End> {
    const { holder } = turn;
    const { operation, id, command } = proposed;
    try {
      const result = await holder.session.propose(command, this.#call());
      if (holder.isGone) return 'unknown';
      this.history.ok(operation, result === false ? 0 : 1);
      this.#tookEffect(holder, id, result);
      this.#acknowledge(turn, `command ${id} = ${String(result)}`);
      return 'done';
    } catch (error) {
      if (holder.isGone) return 'unknown';
      const end = this.#notDone(id, error);
      if (end === 'refused') this.history.fail(operation);
      else this.history.info(operation);
      return end;
    }
  }

  #tookEffect(holder: Holder, id: number, answer: CommandAnswer): void {
    this.acknowledgedIds.add(id);
    const applied = this.#options.order.find(id);
    if (applied === undefined) {
      this.violation ??= `command ${id} was acknowledged before anybody had applied it`;
      return;
    }
    const { position } = applied;
    if (applied.answer !== answer) {
      this.violation ??= `command ${id} came to ${applied.answer}, and its proposer was told ${answer}`;
    }
    holder.seen = Math.max(holder.seen, position);
    this.#told = Math.max(this.#told, position);
  }

  #notDone(id: number, error: unknown): 'refused' | 'unknown' {
    const isUnknown = hasCode(error, 'ERR_OUTCOME_UNKNOWN');
    this.#options.trace.add(this.#options.time.nowMs, `command ${id} ${isUnknown ? 'unknown' : 'refused'}`);
    if (isUnknown) this.unknown += 1;
    else {
      this.refused += 1;
      this.refusedIds.add(id);
    }
    return isUnknown ? 'unknown' : 'refused';
  }

  #acknowledge({ asked }: Turn, what: string): void {
    if (asked > this.#markedAsked) this.answeredSinceMark = true;
    this.acknowledged += 1;
    this.#options.trace.add(this.#options.time.nowMs, what);
  }

  /** Some are impatient, so that there are operations whose outcome is never known. */
  #call(): { readonly timeoutMs: number } {
    const { random } = this.#options;
    return { timeoutMs: random.chance(0.05) ? 5 + random.below(200) : 3_000 };
  }

  /** Mostly of whoever is fit to answer, sometimes of a certain member: a follower as likely as not. */
  #where(): { readonly node?: NodeId } {
    const { random, members } = this.#options;
    return random.chance(0.25) ? { node: members[random.below(members.length)] as NodeId } : {};
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#options.time.after(refusedPauseMs, resolve));
  }

  /** Bursts and lulls take turns for all alike, until everything is mended: then answers are demanded at once. */
  async #sitOutLull(): Promise<void> {
    const { time, lullMs } = this.#options;
    const intoTurnMs = time.nowMs % (burstMs + lullMs);
    if (lullMs === 0 || this.#isMarked || intoTurnMs < burstMs) return;
    await new Promise<void>((resolve) => time.after(burstMs + lullMs - intoTurnMs, resolve));
  }

  #nextProcess(): number {
    this.#lastProcess += 1;
    return this.#lastProcess;
  }
}
