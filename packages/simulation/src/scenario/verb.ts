/**
 * A verb of the scenario language: how its command reads, and what it does.
 *
 * Words in capitals stand for arguments. One whose name ends in `S` takes as many words as there are, every
 * other takes one: `expect leader among NODES within TIME`.
 */
import { optionInvalid } from '@quorate/core';
import type { Stage } from './stage.ts';

type ArgumentOf<Word extends string> =
  Word extends Uppercase<Word> ? (Word extends Lowercase<Word> ? never : Word) : never;
type ArgumentsOf<Form extends string> = Form extends `${infer Word} ${infer Rest}`
  ? ArgumentOf<Word> | ArgumentsOf<Rest>
  : ArgumentOf<Form>;

export interface Verb {
  /** How a command of it reads. */
  readonly form: string;
  readonly pattern: RegExp;
  run(stage: Stage, words: Readonly<Record<string, string>>): void | Promise<void>;
}

/** @param run given the words that stand in the places of the form's arguments */
export function verb<Form extends string>(
  form: Form,
  run: (stage: Stage, words: Readonly<Record<ArgumentsOf<Form>, string>>) => void | Promise<void>,
): Verb {
  const parts = form.split(' ').map((word) => {
    if (!/^[A-Z]+$/.test(word)) return word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return word.endsWith('S') ? `(?<${word}>.+?)` : `(?<${word}>\\S+)`;
  });
  const pattern = new RegExp(`^${parts.join(' ')}$`);
  return { form, pattern, run: run as Verb['run'] };
}

/** Milliseconds of `250ms` or `15s`. @throws CodedError ERR_OPTION_INVALID */
export function durationMs(word: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(word) ?? [];
  if (number === undefined) throw optionInvalid('time', word, 'a duration like 250ms or 15s');
  return Number(number) * (unit === 's' ? 1_000 : 1);
}

/** @throws CodedError ERR_OPTION_INVALID */
export function wholeNumber(word: string): number {
  if (!/^\d+$/.test(word)) throw optionInvalid('number', word, 'a whole number');
  return Number(word);
}
