/**
 * The reporter: sends a worker's events to the app's thread, some at a time, and never more than it takes.
 *
 * A node that drowns in dead letters must not drown its app in reports of them: the next batch leaves
 * when the last one was taken, and what is too much is counted instead of kept.
 */
import { inspect } from 'node:util';
import type { Log, LogFields, LogLevel } from '../log.ts';
import type { DeadLetter } from '../node-runtime.ts';
import type { DeadLetterReport, NodeReport } from './control.ts';

/** Reports that wait at most. */
const waitingMax = 256;
const shownCharactersMax = 200;

export class Reporter {
  readonly #send: (reports: readonly NodeReport[]) => Promise<void>;
  #waiting: NodeReport[] = [];
  #suppressed = 0;
  #sending: Promise<void> | undefined;

  constructor(send: (reports: readonly NodeReport[]) => Promise<void>) {
    this.#send = send;
  }

  report(report: NodeReport): void {
    if (this.#waiting.length < waitingMax) this.#waiting.push(report);
    else this.#suppressed++;
    this.#sending ??= this.#sendAll();
  }

  /** Resolves when all that was reported has been taken. */
  async drain(): Promise<void> {
    await this.#sending;
  }

  /** A log whose lines become reports. */
  log(): Log {
    const at =
      (level: LogLevel) =>
      (line: string, fields: LogFields = {}) =>
        this.report({ type: 'log', level, line, fields: shownFields(fields) });
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }

  async #sendAll(): Promise<void> {
    // After the turn, so that what one turn reports goes together.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      if (this.#suppressed > 0) batch.push({ type: 'suppressed', count: this.#suppressed });
      this.#suppressed = 0;
      await this.#send(batch);
    }
    this.#sending = undefined;
  }
}

/** A dead letter without its message, which may be large, or unfit to cross a thread. */
export function shownLetter(letter: DeadLetter): DeadLetterReport {
  return { ...letter, message: shown(letter.message) };
}

function shownFields(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'object' ? shown(value) : value]),
  );
}

function shown(value: unknown): string {
  const text = inspect(value, { depth: 3, breakLength: Infinity, maxArrayLength: 20, maxStringLength: 100 });
  return text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax - 1)}…` : text;
}
