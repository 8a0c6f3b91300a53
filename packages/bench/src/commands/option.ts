/** How the subcommands declare an option: with a strict reader, and a default that reads as it would be typed. */
import { algorithms } from '@quorate/consensus';
import { Option } from 'commander';
import { choice, listOf, wholeNumber } from '../options.ts';

/** An option with a value that is read strictly; its default is shown as it would be typed. */
export function option<T>(
  flags: string,
  about: string,
  read: (name: string, text: string) => T,
  byDefault?: string,
): Option {
  const name = flags.split(' ')[0] ?? flags;
  const made = new Option(flags, about).argParser((text) => read(name, text));
  return byDefault === undefined ? made : made.default(read(name, byDefault), byDefault);
}

/** Which algorithms; all of them unless it is said. */
export const algorithmsOption = (flags = '--algorithm <list>', about = algorithms.join(', ')) =>
  option(
    flags,
    about,
    (name, text) => listOf(name, text, (item, one) => choice(item, one, algorithms)),
    algorithms.join(','),
  );

export const count = (min: number, max: number) => (name: string, text: string) =>
  wholeNumber(name, text, { min, max });

/** Seeds are 32 bits wide. */
export const seedMax = 2 ** 32 - 1;

export function drawnSeed(): number {
  return Math.floor(Math.random() * (seedMax + 1));
}
