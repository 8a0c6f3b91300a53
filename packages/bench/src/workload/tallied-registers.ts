/**
 * Registers that keep a tally: how often each write was carried out, so that one that was acknowledged and
 * lost, or done twice, can be named.
 *
 * A history of writes and reads shows a lost write only to a read that comes before the next write of the same
 * register. Here every value is written by one command only, so its number names the command.
 */
import { defineStateMachine, type StateMachine } from '@quorate/consensus';
import { CodedError } from '@quorate/core';
import {
  createRegisters,
  type RegisterAnswer,
  type RegisterCommand,
  type RegisterResult,
} from './register-machine.ts';
import { numberOf } from './register-operations.ts';

/** A register's name, or which part of the tally: commands `from` to below `to`. */
export type TalliedQuery = string | readonly [from: number, to: number];
/** What the register holds; or for each command how often it was carried out, up to 255. */
export type TalliedAnswer = RegisterAnswer | Uint8Array;

export function createTalliedRegisters(): StateMachine<
  RegisterCommand,
  TalliedQuery,
  RegisterResult,
  TalliedAnswer
> {
  const registers = createRegisters();
  let tally = new Uint8Array(1_024);
  const note = (command: number): void => {
    if (command >= tally.length) {
      const wider = new Uint8Array(2 ** Math.ceil(Math.log2(command + 1)));
      wider.set(tally);
      tally = wider;
    }
    const before = tally[command] ?? 0;
    if (before < 255) tally[command] = before + 1;
  };
  return {
    apply(command, context) {
      note(numberOf(command[1]));
      return registers.apply(command, context);
    },
    query: (query) => (typeof query === 'string' ? registers.query(query) : partOf(tally, query)),
    snapshot: () => [registers.snapshot(), tally.slice()],
    restore(saved) {
      const [values, counts] = Array.isArray(saved) ? saved : [];
      if (!(counts instanceof Uint8Array))
        throw new CodedError('ERR_FOREIGN_DATA', 'not a snapshot of a tally');
      registers.restore(values);
      tally = counts.slice();
    },
  };
}

/** Exactly `to - from` bytes: a command beyond the tally was never carried out. */
function partOf(tally: Uint8Array, [from, to]: readonly [from: number, to: number]): Uint8Array {
  const part = new Uint8Array(Math.max(to - from, 0));
  part.set(tally.subarray(from, to));
  return part;
}

export default defineStateMachine<RegisterCommand, TalliedQuery, RegisterResult, TalliedAnswer>(
  { version: 1 },
  createTalliedRegisters,
);
