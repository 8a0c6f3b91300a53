/**
 * A transcript: a story, and blocks of commands with what was seen after them, as plain text.
 *
 * ```text
 * # 12. One link is cut for a hundred election timeouts
 * # Source: Cloudflare's outage of November 2020
 * # Protocols: raft, multi-paxos
 *
 * cluster a b c
 * lead a
 * ----
 * a leads
 * ```
 *
 * The comment that opens the file says what happens and where it happened before. Commands stand one a line;
 * below `----` stands what was seen, up to an empty line. A command that begins with `[raft]` or
 * `[multi-paxos]` is meant for that protocol alone. What was seen is the same under all protocols.
 */
import { CodedError } from '@quorate/core';

export interface Command {
  /** Counted from 1. */
  readonly line: number;
  /** The only protocol that it is meant for; undefined: all. */
  readonly only: string | undefined;
  readonly text: string;
}

export interface Block {
  /** Comments and empty lines before the commands, as they stand. */
  readonly before: readonly string[];
  readonly commands: readonly Command[];
  readonly output: readonly string[];
}

/** A scenario as its file tells it: a story in comments, commands, and what is seen after each. */
export interface Transcript {
  /** Number and name of the scenario, as its file is called. */
  readonly name: string;
  /** The first line of the comment that opens the file. */
  readonly title: string;
  readonly source: string;
  readonly protocols: readonly string[];
  /** The whole file. */
  readonly text: string;
  readonly blocks: readonly Block[];
  /** Comments and empty lines after the last block. */
  readonly after: readonly string[];
}

const separator = '----';

/** @throws CodedError ERR_OPTION_INVALID naming what the opening comment lacks */
export function parseTranscript(name: string, text: string): Transcript {
  const lines = text.replace(/\n$/, '').split('\n');
  const blocks: Block[] = [];
  let before: string[] = [];
  let at = 0;
  const isApart = (line: string | undefined): boolean =>
    line !== undefined && (line === '' || line.startsWith('#'));
  while (at < lines.length) {
    const commands: Command[] = [];
    const output: string[] = [];
    while (isApart(lines[at])) before.push(lines[at++] as string);
    while (at < lines.length && !isApart(lines[at]) && lines[at] !== separator) {
      commands.push(parseCommand(lines[at] as string, at + 1));
      at += 1;
    }
    if (lines[at] === separator) {
      at += 1;
      while (at < lines.length && lines[at] !== '') output.push(lines[at++] as string);
    }
    if (commands.length === 0) break;
    blocks.push({ before, commands, output });
    before = [];
  }
  return { name, text, ...parseOpening(name, lines), blocks, after: before };
}

function parseCommand(text: string, line: number): Command {
  const [, only, command = text] = /^\[([\w-]+)\] (.*)$/.exec(text) ?? [];
  return { line, only, text: command };
}

function parseOpening(
  name: string,
  lines: readonly string[],
): Pick<Transcript, 'title' | 'source' | 'protocols'> {
  const end = lines.findIndex((line) => !line.startsWith('#'));
  const opening = lines.slice(0, end < 0 ? lines.length : end).map((line) => line.replace(/^# ?/, ''));
  const field = (key: string): string => {
    const line = opening.find((one) => one.startsWith(`${key}: `));
    if (line === undefined) throw invalid(name, `its opening comment has no line "${key}: "`);
    return line.slice(key.length + 2);
  };
  const [title] = opening;
  if (title === undefined || title === '')
    throw invalid(name, 'it does not open with its title as a comment');
  return { title, source: field('Source'), protocols: field('Protocols').split(', ') };
}

function invalid(name: string, why: string): CodedError {
  return new CodedError('ERR_OPTION_INVALID', `scenario ${name}: ${why}`, {
    option: 'scenario',
    value: name,
  });
}

/** The text of the transcript with these outputs, one for each block, in place of its own. */
export function renderTranscript(transcript: Transcript, outputs: readonly (readonly string[])[]): string {
  const lines: string[] = [];
  for (const [at, { before, commands }] of transcript.blocks.entries()) {
    const followsOutput = lines.length > 0 && (outputs[at - 1]?.length ?? 0) > 0;
    if (followsOutput && before[0] !== '') lines.push('');
    lines.push(...before);
    for (const { only, text } of commands) lines.push(only === undefined ? text : `[${only}] ${text}`);
    const output = outputs[at] ?? [];
    if (output.length > 0) lines.push(separator, ...output);
  }
  lines.push(...transcript.after);
  return `${lines.join('\n')}\n`;
}
