/**
 * The state machine that simulations replicate: registers to read, write and compare-and-set, which also
 * keep account of what was applied, so that a command in effect twice cannot hide.
 */
import { defineStateMachine } from '@quorate/consensus';

/** `id` is unique for each command that any client ever proposed. */
export type RegisterCommand =
  | readonly ['write', id: number, key: number, value: number]
  | readonly ['cas', id: number, key: number, from: number | null, to: number];

export type RegisterQuery = readonly ['read', key: number] | readonly ['audit'];

/** Of a write: null. Of a cas: whether it took effect. Of a read: the value. */
export type RegisterAnswer = number | boolean | null | RegisterAudit;

/** Everything in the state, in a form to compare. */
export interface RegisterAudit {
  /** Pairs of key and value. */
  readonly values: readonly (readonly [number, number])[];
  /** How often each command was applied, as pairs of id and count; all counts should be 1. */
  readonly applied: readonly (readonly [number, number])[];
}

/** A command with a negative key makes the machine throw, as an app's may. */
export default defineStateMachine<RegisterCommand, RegisterQuery, boolean | null, RegisterAnswer>(
  { version: 1 },
  () => {
    let values = new Map<number, number>();
    let applied = new Map<number, number>();
    const audit = (): RegisterAudit => ({ values: [...values], applied: [...applied] });
    return {
      apply(command) {
        const [kind, id, key] = command;
        applied.set(id, (applied.get(id) ?? 0) + 1);
        if (key < 0) throw new RangeError(`there is no register ${key}`);
        if (kind === 'write') {
          values.set(key, command[3]);
          return null;
        }
        const isExpected = (values.get(key) ?? null) === command[3];
        if (isExpected) values.set(key, command[4]);
        return isExpected;
      },
      query: (query) => (query[0] === 'audit' ? audit() : (values.get(query[1]) ?? null)),
      snapshot: audit,
      restore(saved) {
        const restored = saved as RegisterAudit;
        values = new Map(restored.values);
        applied = new Map(restored.applied);
      },
    };
  },
);
