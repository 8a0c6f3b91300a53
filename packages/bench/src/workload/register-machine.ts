/**
 * The bench's replicated state machine: registers, each written, or compared and set, and read.
 */
import { defineStateMachine, type StateMachine } from '@quorate/consensus';
import { CodedError } from '@quorate/core';

/** A write `[key, value]`, or a compare-and-set `[key, to, from]`: positions instead of names, to be small. */
export type RegisterCommand =
  | readonly [key: string, value: string]
  | readonly [key: string, to: string, from: string | null];

/** Whether the command took effect: always for a write, for a compare-and-set if the value was `from`. */
export type RegisterResult = boolean;

/** What a register holds; null: never written. */
export type RegisterAnswer = string | null;

export function createRegisters(): StateMachine<RegisterCommand, string, RegisterResult, RegisterAnswer> {
  const values = new Map<string, string>();
  return {
    apply(command) {
      const [key, value] = command;
      if (command.length === 3 && (values.get(key) ?? null) !== command[2]) return false;
      values.set(key, value);
      return true;
    },
    query: (key) => values.get(key) ?? null,
    snapshot: () => [...values],
    restore(saved) {
      if (!Array.isArray(saved)) throw new CodedError('ERR_FOREIGN_DATA', 'not a snapshot of registers');
      values.clear();
      for (const [key, value] of saved as [string, string][]) values.set(key, value);
    },
  };
}

export default defineStateMachine<RegisterCommand, string, RegisterResult, RegisterAnswer>(
  { version: 1 },
  createRegisters,
);
