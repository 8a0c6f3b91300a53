/**
 * The workload of a simulation: processes that read, write and compare-and-set, one operation after the
 * other, and the history of what they were told.
 */
import type { Client, Session } from '@quorate/consensus';
import { hasCode, type Random } from '@quorate/core';
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
  readonly keys: number;
  /** Share of operations that compare and set, 0 to 0.65; a third read, the others write. */
  readonly casShare: number;
}

export class SimulatedWorkload {
  readonly history = new HistoryRecorder({ capacity: 4_096 });
  readonly #options: WorkloadOptions;
  /** The ids of commands whose proposer was told that they took effect. */
  readonly acknowledgedIds = new Set<number>();
  /** The ids of commands whose proposer was told that they did not and never will. */
  readonly refusedIds = new Set<number>();
  acknowledged = 0;
  refused = 0;
  unknown = 0;
  #lastId = 0;
  #lastProcess = 0;
  #running = 0;
  #isStopping = false;
  readonly #lastSeen = new Map<number, number | null>();

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  get isDone(): boolean {
    return this.#running === 0;
  }

  /** Starts `processes` loops that share one session of `client`. */
  start(client: Client, processes: number): void {
    const session = client.session() as RegisterSession;
    for (let at = 0; at < processes; at++) {
      this.#running += 1;
      this.#loop(session).then(
        () => {
          this.#running -= 1;
        },
        (error: unknown) => {
          throw error;
        },
      );
    }
  }

  /** Lets every process end after the operation it is in. */
  stop(): void {
    this.#isStopping = true;
  }

  async #loop(session: RegisterSession): Promise<void> {
    let process = this.#nextProcess();
    while (!this.#isStopping) {
      const isKnown = await this.#operate(session, process);
      // Whoever does not know the outcome may still have an operation under way: its number retires.
      if (!isKnown) process = this.#nextProcess();
    }
  }

  /** @returns whether the outcome is known */
  async #operate(session: RegisterSession, process: number): Promise<boolean> {
    const { random, keys, casShare } = this.#options;
    const key = random.below(keys);
    const draw = random.next();
    if (draw < 0.35) return this.#read(session, process, key);
    this.#lastId += 1;
    const id = this.#lastId;
    if (draw < 1 - casShare) {
      const operation = this.history.invokeWrite(process, key, id);
      return this.#complete(operation, id, session.propose(['write', id, key, id], this.#call()));
    }
    // Mostly what was seen last, so that many take effect; sometimes a guess, so that many do not.
    const from = random.chance(0.8) ? (this.#lastSeen.get(key) ?? null) : id;
    const operation = this.history.invokeCas(process, key, from ?? NULL_VALUE, id);
    return this.#complete(operation, id, session.propose(['cas', id, key, from, id], this.#call()));
  }

  async #read(session: RegisterSession, process: number, key: number): Promise<boolean> {
    const operation = this.history.invokeRead(process, key);
    try {
      const value = await session.query(['read', key], this.#call());
      this.history.ok(operation, value === null ? NULL_VALUE : (value as number));
      this.#lastSeen.set(key, value as number | null);
      this.#acknowledge(`read k${key} = ${String(value)}`);
    } catch (error) {
      this.history.fail(operation);
      this.refused += 1;
      this.#options.trace.add(this.#options.time.nowMs, `read refused: ${String(error)}`);
    }
    return true;
  }

  async #complete(operation: number, id: number, outcome: Promise<boolean | null>): Promise<boolean> {
    try {
      const result = await outcome;
      this.history.ok(operation, result === false ? 0 : 1);
      this.acknowledgedIds.add(id);
      this.#acknowledge(`command ${id} = ${String(result)}`);
      return true;
    } catch (error) {
      const isUnknown = hasCode(error, 'ERR_OUTCOME_UNKNOWN');
      this.#options.trace.add(this.#options.time.nowMs, `command ${id} ${isUnknown ? 'unknown' : 'refused'}`);
      if (isUnknown) {
        this.history.info(operation);
        this.unknown += 1;
        return false;
      }
      this.history.fail(operation);
      this.refusedIds.add(id);
      this.refused += 1;
      return true;
    }
  }

  #acknowledge(what: string): void {
    this.acknowledged += 1;
    this.#options.trace.add(this.#options.time.nowMs, what);
  }

  /** Some are impatient, so that there are operations whose outcome is never known. */
  #call(): { readonly timeoutMs: number } {
    const { random } = this.#options;
    return { timeoutMs: random.chance(0.05) ? 5 + random.below(200) : 3_000 };
  }

  #nextProcess(): number {
    this.#lastProcess += 1;
    return this.#lastProcess;
  }
}
