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
  /** Kept up to date step by step: what all changes so far come down to. */
  readonly digest: number;
}

/** A digest that has `one` and `other` in it too, in this order. */
function digestAfter(digest: number, one: number, other: number): number {
  return Math.imul(Math.imul(digest ^ one, 0x01000193) ^ other, 0x01000193);
}

/** A command with a negative key makes the machine throw, as an app's may. */
export default defineStateMachine<RegisterCommand, RegisterQuery, boolean | null, RegisterAnswer>(
  { version: 1 },
  () => {
    let values = new Map<number, number>();
    let applied = new Map<number, number>();
    let digest = 0;
    const count = (id: number): void => {
      applied.set(id, (applied.get(id) ?? 0) + 1);
      digest = digestAfter(digest, id, 0);
    };
    const set = (key: number, value: number): void => {
      values.set(key, value);
      digest = digestAfter(digest, key, value);
    };
    const audit = (): RegisterAudit => ({ values: [...values], applied: [...applied], digest });
    return {
      apply(command) {
        const [kind, id, key] = command;
        count(id);
        if (key < 0) throw new RangeError(`there is no register ${key}`);
        if (kind === 'write') {
          set(key, command[3]);
          return null;
        }
        const isExpected = (values.get(key) ?? null) === command[3];
        if (isExpected) set(key, command[4]);
        return isExpected;
      },
      query: (query) => (query[0] === 'audit' ? audit() : (values.get(query[1]) ?? null)),
      snapshot: audit,
      restore(saved) {
        const restored = saved as RegisterAudit;
        values = new Map(restored.values);
        applied = new Map(restored.applied);
        digest = restored.digest;
      },
      digest: () => digest,
    };
  },
);
