/** The replicated state: the same entries give the same state, results and snapshot, whatever the app does. */
import { decodeValue } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import type { Entry, LogIndex, Reign } from '../../src/protocol.ts';
import { encodeBatch, encodeOpen } from '../../src/replica/payload.ts';
import { type Applied, ReplicatedState } from '../../src/replica/replicated-state.ts';
import { defineStateMachine } from '../../src/state-machine.ts';
import { firstEpoch } from './first-epoch.ts';

interface Seen {
  readonly value: number;
  readonly position: number;
  readonly timeMs: number;
  readonly random: number;
}

const machine = defineStateMachine<{ add: number } | { fail: string }, 'seen', unknown>(
  { version: 3 },
  () => {
    let seen: Seen[] = [];
    return {
      apply(command, context) {
        const { position, timeMs } = context;
        seen.push({ value: seen.length, position, timeMs, random: context.random() });
        if ('fail' in command) throw new Error(command.fail);
        return command.add === 13 ? () => 'no MessagePack value' : command.add + 1;
      },
      query: () => seen,
      snapshot: () => seen,
      restore: (saved) => {
        seen = saved as Seen[];
      },
    };
  },
);

function entry(index: number, payload: Uint8Array, timeMs = 1_000): Entry {
  return { index: index as LogIndex, reign: 1 as Reign, timeMs, payload };
}

function batch(number: number, commands: readonly unknown[]): Uint8Array {
  return encodeBatch({ session: 1, batch: number, acknowledgedBelow: 1 }, commands);
}

function outcomes(applied: Applied): unknown {
  return applied.type === 'batch' && applied.results !== undefined ? decodeValue(applied.results) : applied;
}

function opened(): ReplicatedState {
  const state = new ReplicatedState(machine, firstEpoch);
  expect(state.apply(entry(1, encodeOpen(undefined, 'n')))).toEqual({
    type: 'opened',
    nonce: 'n',
    session: 1,
  });
  return state;
}

describe('applying', () => {
  test('gives one result a command', () => {
    expect(outcomes(opened().apply(entry(2, batch(1, [{ add: 1 }, { add: 2 }]))))).toEqual([[2, 3], null]);
  });

  test('makes a throw a result of that command alone', () => {
    const state = opened();
    const applied = state.apply(entry(2, batch(1, [{ add: 1 }, { fail: 'no' }, { add: 3 }])));
    expect(outcomes(applied)).toEqual([[2, null, 4], [[1, 'no']]]);
    expect(state.position).toBe(3);
  });

  test('makes a result that cannot be encoded a failure of that command alone', () => {
    const applied = opened().apply(entry(2, batch(1, [{ add: 1 }, { add: 13 }])));
    expect(outcomes(applied)).toEqual([[2, null], [[1, expect.stringContaining('no MessagePack value')]]]);
  });

  test('a batch twice executes it once and gives the results of the first time', () => {
    const state = opened();
    const first = outcomes(state.apply(entry(2, batch(1, [{ add: 1 }]))));
    expect(outcomes(state.apply(entry(3, batch(1, [{ add: 1 }]))))).toEqual(first);
    expect(state.position).toBe(1);
  });

  test('no-ops and bytes that are no payload change nothing', () => {
    const state = opened();
    expect(state.apply(entry(2, new Uint8Array(0)))).toEqual({ type: 'nothing' });
    expect(state.apply(entry(3, Uint8Array.of(9, 9, 9)))).toEqual({ type: 'nothing' });
    expect(state.apply(entry(4, batch(1, []).subarray(0, 20)))).toEqual({ type: 'nothing' });
    expect(state.position).toBe(0);
    expect(state.appliedIndex).toBe(4);
  });

  test('out of order is a bug, and said so', () => {
    expect(() => opened().apply(entry(3, new Uint8Array(0)))).toThrow('entry 3 applied after 1');
  });

  test('shows time that never goes back and chance that the position seeds', () => {
    const [state, twin] = [opened(), opened()];
    for (const each of [state, twin]) {
      each.apply(entry(2, batch(1, [{ add: 1 }]), 5_000));
      each.apply(entry(3, batch(2, [{ add: 1 }]), 4_000));
    }
    const [first, second] = state.ask('seen') as Seen[];
    expect([first?.timeMs, second?.timeMs]).toEqual([5_000, 5_000]);
    expect([first?.position, second?.position]).toEqual([1, 2]);
    expect(first?.random).not.toBe(second?.random);
    expect(twin.ask('seen')).toEqual(state.ask('seen'));
  });
});

describe('whatever apply does', () => {
  const hostile: readonly [string, () => unknown][] = [
    ['throws what has no text', () => Promise.resolve(fail(Object.create(null)))],
    ['throws a message that is no string', () => fail(Object.assign(new Error('x'), { message: { a: 1 } }))],
    [
      'throws a message that throws',
      () => fail(Object.defineProperty({}, 'message', { get: () => fail(new Error('again')) })),
    ],
    [
      'throws a long text that is cut in the middle of a character',
      () => fail(new Error(`${'x'.repeat(999)}\u{1f600}`)),
    ],
    ['throws half a character', () => fail('\ud83d')],
    ['throws nothing', () => fail(undefined)],
    ['throws a symbol', () => fail(Symbol('s'))],
    ['returns a promise that is rejected', () => Promise.reject(new Error('later'))],
    ['returns a promise', () => Promise.resolve(1)],
    ['returns a function', () => () => 1],
  ];
  function fail(thrown: unknown): never {
    throw thrown;
  }

  test.each(hostile)('it %s: that is the result, and the next command goes on', (_, run) => {
    const state = new ReplicatedState(
      defineStateMachine<boolean, null, unknown>({ version: 1 }, () => ({
        apply: (isHostile) => (isHostile ? run() : 'fine'),
        query: () => run(),
        snapshot: () => null,
        restore: () => undefined,
      })),
      firstEpoch,
    );
    state.apply(entry(1, encodeOpen(undefined, 'n')));
    const applied = state.apply(entry(2, batch(1, [true, false])));
    expect(outcomes(applied)).toEqual([[null, 'fine'], [[0, expect.any(String)]]]);
    expect(decodeValue(state.query([null]) as Uint8Array)).toEqual([[null], [[0, expect.any(String)]]]);
  });

  test('it returns what it keeps and changes: each command is answered by what its own application gave', () => {
    const words: string[] = [];
    const list = defineStateMachine<string, null, unknown>({ version: 1 }, () => ({
      apply(word) {
        words.push(word);
        return words;
      },
      query: () => null,
      snapshot: () => null,
      restore: () => undefined,
    }));
    const state = new ReplicatedState(list, firstEpoch);
    state.apply(entry(1, encodeOpen(undefined, 'n')));
    const applied = state.apply(entry(2, batch(1, ['one', 'two'])));
    expect(outcomes(applied)).toEqual([[['one'], ['one', 'two']], null]);
  });

  test('it keeps the bytes of a command and changes them: the entry in the log stays as it was', () => {
    const keeper = defineStateMachine<Uint8Array, null, null>({ version: 1 }, () => ({
      apply(bytes) {
        bytes.fill(0xff);
        return null;
      },
      query: () => null,
      snapshot: () => null,
      restore: () => undefined,
    }));
    const state = new ReplicatedState(keeper, firstEpoch);
    state.apply(entry(1, encodeOpen(undefined, 'n')));
    const payload = batch(1, [Uint8Array.of(1, 2, 3)]);
    const before = payload.slice();
    state.apply(entry(2, payload));
    expect(payload).toEqual(before);
  });

  test('a machine without a method is refused by the name of the method', () => {
    const incomplete = defineStateMachine(
      { version: 1 },
      () => ({ apply: () => null, query: () => null }) as never,
    );
    expect(() => new ReplicatedState(incomplete, firstEpoch)).toThrow('no method snapshot');
  });
});

describe('a snapshot', () => {
  test('scenario 35: restores state, position, time and sessions, as of its call, though applying went on', async () => {
    const state = opened();
    state.apply(entry(2, batch(1, [{ add: 1 }]), 7_000));
    const chunks = state.snapshot();
    state.apply(entry(3, batch(2, [{ add: 2 }]), 8_000));
    const restored = new ReplicatedState(machine, firstEpoch);
    await restored.restore(chunks);
    expect(restored.appliedIndex).toBe(2);
    expect(restored.position).toBe(1);
    expect(outcomes(restored.apply(entry(3, batch(1, [{ add: 1 }]))))).toEqual([[2], null]);
    expect(outcomes(restored.apply(entry(4, batch(2, [{ add: 2 }]), 1)))).toEqual([[3], null]);
    expect(restored.ask('seen')).toMatchObject([{ timeMs: 7_000 }, { position: 2, timeMs: 7_000 }]);
  });

  test('of another version of the state machine is refused', async () => {
    const other = defineStateMachine({ version: 4 }, machine.create);
    await expect(new ReplicatedState(other, firstEpoch).restore(opened().snapshot())).rejects.toMatchObject({
      code: 'ERR_FOREIGN_DATA',
    });
  });

  test('that ends in the middle is refused', async () => {
    const cut = async function* (): AsyncIterable<Uint8Array> {
      for await (const chunk of opened().snapshot()) yield chunk.subarray(0, chunk.byteLength - 1);
    };
    await expect(new ReplicatedState(machine, firstEpoch).restore(cut())).rejects.toMatchObject({
      code: 'ERR_FRAME_INVALID',
    });
  });

  test('may be given as bytes and comes back as bytes', async () => {
    const bytesMachine = defineStateMachine<null, null, number>({ version: 1 }, () => {
      let kept = Buffer.from('abcdef');
      return {
        apply: () => kept.length,
        query: () => kept.toString() as never,
        snapshot: () => [kept.subarray(0, 2), kept.subarray(2)],
        restore: async (saved) => {
          const parts: Uint8Array[] = [];
          for await (const part of saved as AsyncIterable<Uint8Array>) parts.push(part);
          kept = Buffer.concat(parts);
        },
      };
    });
    const restored = new ReplicatedState(bytesMachine, firstEpoch);
    await restored.restore(new ReplicatedState(bytesMachine, firstEpoch).snapshot());
    expect(restored.ask(null)).toBe('abcdef');
  });
});
