import type { ApplyContext, StateMachine } from '@quorate/consensus';
import { seededRandom } from '@quorate/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRegisters, type RegisterCommand } from '../../src/workload/register-machine.ts';
import { paddedValues, registerOperations } from '../../src/workload/register-operations.ts';

const noContext: ApplyContext = { position: 1, timeMs: 0, random: () => 0 };

function operations(seed: number, shares: { reads: number; compareAndSets: number }) {
  return registerOperations({ keys: 10, ...shares, random: seededRandom(seed) });
}

test('values have exactly the bytes asked for, differ, and are found back from their text', () => {
  fc.assert(
    fc.property(fc.integer({ min: 8, max: 64 }), fc.nat(2 ** 31 - 1), (payloadBytes, id) => {
      const values = paddedValues(payloadBytes);
      const text = values.textOf(id);
      expect(Buffer.byteLength(text)).toBe(payloadBytes);
      expect(values.idOf(text)).toBe(id);
      expect(values.textOf(id + 1)).not.toBe(text);
    }),
  );
  const values = paddedValues(16);
  expect(values.valueOf(values.idOf(null))).toBeNull();
});

test('a value that the bench cannot have written is a broken invariant, not a wrong verdict', () => {
  expect(() => paddedValues(16).idOf('????')).toThrow(/only what the bench wrote/);
});

test('the same seed draws the same operations, another seed others', () => {
  const draw = (seed: number): unknown[] => {
    const stream = operations(seed, { reads: 0.5, compareAndSets: 0.5 });
    return Array.from({ length: 50 }, () => stream.next());
  };
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
});

test('operations come in the shares asked for, and no value is written twice', () => {
  const stream = operations(7, { reads: 0.4, compareAndSets: 0.25 });
  const drawn = Array.from({ length: 10_000 }, () => stream.next());
  const shareOf = (f: string): number => drawn.filter((operation) => operation.f === f).length / drawn.length;
  expect(shareOf('read')).toBeCloseTo(0.4, 1);
  expect(shareOf('cas')).toBeCloseTo(0.15, 1);
  const written = drawn.flatMap((operation) =>
    operation.f === 'read' ? [] : [operation.f === 'write' ? operation.value : operation.to],
  );
  expect(new Set(written).size).toBe(written.length);
});

test('a compare-and-set expects what its register was last seen to hold', () => {
  const stream = operations(3, { reads: 0, compareAndSets: 1 });
  for (let key = 0; key < 10; key += 1) stream.observe(key, 100 + key);
  for (let count = 0; count < 50; count += 1) {
    const operation = stream.next();
    expect(operation).toMatchObject({ f: 'cas', from: 100 + operation.key });
  }
});

test('registers agree with a naive twin, and a snapshot carries all of them', () => {
  const keys = fc.constantFrom('k0', 'k1', '__proto__');
  const values = fc.constantFrom('x', 'y', 'z');
  const command = fc.oneof(
    fc.tuple(keys, values),
    fc.tuple(keys, values, fc.oneof(values, fc.constant(null))),
  ) as fc.Arbitrary<RegisterCommand>;
  fc.assert(
    fc.property(fc.array(command), (commands) => {
      const machine = createRegisters();
      const twin: { key: string; value: string }[] = [];
      const held = (key: string): string | null => twin.findLast((write) => write.key === key)?.value ?? null;
      for (const one of commands) {
        const takesEffect = one.length === 2 || held(one[0]) === one[2];
        if (takesEffect) twin.push({ key: one[0], value: one[1] });
        expect(machine.apply(one, noContext)).toBe(takesEffect);
      }
      const copy: StateMachine<RegisterCommand, string, boolean, string | null> = createRegisters();
      void copy.restore(machine.snapshot());
      for (const key of ['k0', 'k1', '__proto__', 'never']) {
        expect(machine.query(key)).toBe(held(key));
        expect(copy.query(key)).toBe(held(key));
      }
    }),
  );
});
