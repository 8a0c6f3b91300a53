/** The digest of a state machine is part of the state hash, whatever it gives; and a snapshot is held to it. */
import { describe, expect, test } from 'vitest';
import type { Entry, LogIndex, Reign } from '../../src/protocol.ts';
import { encodeBatch, encodeOpen } from '../../src/replica/payload.ts';
import { ReplicatedState } from '../../src/replica/replicated-state.ts';
import { defineStateMachine, type StateMachineDefinition } from '../../src/state-machine.ts';
import { firstEpoch } from './first-epoch.ts';

type Digests = () => unknown;

/** Counts; `digest` is asked of the count, and `restored` says what a count comes back as. */
function counting(
  digest: ((count: number) => unknown) | undefined,
  restored = (count: number): number => count,
): StateMachineDefinition {
  return defineStateMachine<number, null, null>({ version: 1 }, () => {
    let count = 0;
    return {
      apply: (add) => {
        count += add;
        return null;
      },
      query: () => null,
      snapshot: () => count,
      restore: (saved) => {
        count = restored(saved as number);
      },
      ...(digest === undefined ? {} : { digest: (() => digest(count)) as Digests as () => number }),
    };
  }) as StateMachineDefinition;
}

function entry(index: number, payload: Uint8Array): Entry {
  return { index: index as LogIndex, reign: 1 as Reign, timeMs: 1_000, payload };
}

/** A state with one command applied. */
function stateAfter(add: number, machine: StateMachineDefinition): ReplicatedState {
  const state = new ReplicatedState(machine, firstEpoch);
  state.apply(entry(1, encodeOpen(undefined, 'n')));
  state.apply(entry(2, encodeBatch({ session: 1, batch: 1, acknowledgedBelow: 1 }, [add])));
  return state;
}

function hashAfter(add: number, digest?: (count: number) => unknown): string {
  return stateAfter(add, counting(digest)).stateHash();
}

describe('states that differ, with results that agree', () => {
  test.each<[string, (count: number) => unknown]>([
    ['a number', (count) => count],
    ['a number with a fraction', (count) => count / 7],
    ['a string', (count) => `count ${count}`],
    ['bytes', (count) => Uint8Array.of(count)],
    [
      'a throw, from some moment on',
      (count) => {
        if (count > 0) throw new Error(`no digest of ${count}`);
        return 0;
      },
    ],
  ])('have different hashes by a digest that is %s', (_, digest) => {
    expect(hashAfter(1, digest)).toBe(hashAfter(1, digest));
    expect(hashAfter(1, digest)).not.toBe(hashAfter(2, digest));
  });

  test('have the same hash without a digest', () => {
    expect(hashAfter(1)).toBe(hashAfter(2));
  });

  test.each<[string, unknown]>([
    ['an object', {}],
    ['half a character', '\ud83d'],
    ['a mark of byte order and much after it', `\ufeff${'x'.repeat(100)}`],
  ])('may give what is no digest after all, as %s: that ends nothing', (_, given) => {
    const digest = (count: number): unknown => (count > 0 ? given : 0);
    expect(hashAfter(1, digest)).toMatch(/^[0-9a-f]{16}$/);
  });
});

test.each<[string, Digests]>([
  ['throws', () => fail('too early')],
  ['gives nothing', () => undefined],
  ['gives an object', () => ({ sum: 1 })],
  ['is async', () => Promise.resolve(1)],
])('a digest that %s at the very start is refused by name', (_, digest) => {
  expect(() => new ReplicatedState(counting(digest), firstEpoch)).toThrow(
    expect.objectContaining({
      code: 'ERR_MODULE_INVALID',
      message: expect.stringContaining('digest()') as string,
    }) as Error,
  );
});

function fail(why: string): never {
  throw new Error(why);
}

describe('a snapshot', () => {
  test('brings the chain with it: what is applied afterwards comes to the same hash', async () => {
    const machine = counting((count) => count);
    const state = stateAfter(5, machine);
    const restored = new ReplicatedState(machine, firstEpoch);
    await restored.restore(state.snapshot());
    const next = entry(3, encodeBatch({ session: 1, batch: 2, acknowledgedBelow: 1 }, [1]));
    for (const each of [state, restored]) each.apply(next);
    expect(restored.stateHash()).toBe(state.stateHash());
  });

  test('that does not bring back what it was taken of is refused', async () => {
    const machine = counting(
      (count) => count,
      (count) => count + 1,
    );
    const restored = new ReplicatedState(machine, firstEpoch);
    await expect(restored.restore(stateAfter(5, machine).snapshot())).rejects.toMatchObject({
      code: 'ERR_STATE_DIVERGED',
      details: { index: 2 },
    });
  });
});
