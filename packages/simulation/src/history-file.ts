/**
 * A history file: one JSON event a line, in real-time order.
 *
 * `{"process":0,"type":"invoke","f":"write","key":"k","value":3}` and later, for the same process,
 * `{"process":0,"type":"ok","f":"write","key":"k"}`. The fields: {@link HistoryEvent}.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { type History, NEVER, operationAt } from './history.ts';
import { HistoryBuilder, type HistoryEvent, historyInvalid } from './history-event.ts';

/** Longer lines are refused: no event needs them, and a file that is no history may be one long line. */
const lineCharactersMax = 2 ** 24;
/** How much text {@link historyText} yields at a time, about. */
const chunkCharacters = 2 ** 16;

/** @throws ERR_HISTORY_INVALID naming the line and what is wrong with it */
export function parseHistory(text: string): History {
  const lines = new HistoryLines();
  lines.push(text);
  return lines.end();
}

/**
 * Reads a history file of any size; only the columns are held in memory, not the text.
 * @throws ERR_HISTORY_INVALID naming the line; what opening or reading the file throws comes as it is
 */
export async function readHistoryFile(path: string): Promise<History> {
  const lines = new HistoryLines();
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 2 ** 20 })) {
    lines.push(chunk as string);
  }
  return lines.end();
}

/** Cuts text that comes in chunks into lines. The last line needs no line break. */
class HistoryLines {
  readonly #builder = new HistoryBuilder();
  #line = 0;
  #rest = '';

  push(chunk: string): void {
    const text = this.#rest + chunk;
    let start = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      this.#add(text.slice(start, end));
      start = end + 1;
    }
    this.#rest = text.slice(start);
    if (this.#rest.length > lineCharactersMax) throw historyInvalid(this.#line + 1, 'the line is too long');
  }

  end(): History {
    if (this.#rest !== '') this.#add(this.#rest);
    return this.#builder.history();
  }

  #add(line: string): void {
    this.#line += 1;
    let event: unknown;
    try {
      event = JSON.parse(line);
    } catch (cause) {
      const reason = line.trim() === '' ? 'the line is empty' : 'not JSON';
      throw historyInvalid(this.#line, reason, { cause });
    }
    this.#builder.add(event);
  }
}

/** The text of a history's file, in chunks. */
export function* historyText(history: History): Generator<string> {
  const operationOfEvent = new Int32Array(history.eventCount);
  for (let operation = 0; operation < history.invokedAt.length; operation++) {
    operationOfEvent[history.invokedAt[operation] as number] = operation;
    const completedAt = history.completedAt[operation] as number;
    if (completedAt !== NEVER) operationOfEvent[completedAt] = operation;
  }
  let chunk = '';
  for (let event = 0; event < operationOfEvent.length; event++) {
    const operation = operationOfEvent[event] as number;
    const isInvocation = history.invokedAt[operation] === event;
    chunk += `${JSON.stringify(eventOf(history, operation, isInvocation))}\n`;
    if (chunk.length < chunkCharacters) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}

function eventOf(history: History, operation: number, isInvocation: boolean): HistoryEvent {
  const { process, f, key, value, result, outcome } = operationAt(history, operation);
  if (isInvocation || outcome === 'open') return { process, type: 'invoke', f, key, value };
  return { process, type: outcome, f, key, result };
}

/** Writes the history to a new file, or in place of an old one. What the file system throws comes as it is. */
export async function writeHistoryFile(path: string, history: History): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const chunk of historyText(history)) await file.write(chunk);
  } finally {
    await file.close();
  }
}
