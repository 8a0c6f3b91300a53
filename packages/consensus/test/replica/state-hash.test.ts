/** The state hash: equal for equal histories, another one for whatever could have gone differently. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BatchHeader } from '../../src/replica/payload.ts';
import type { Applied } from '../../src/replica/replicated-state.ts';
import { StateHash } from '../../src/replica/state-hash.ts';

const header: BatchHeader = { session: 3, batch: 8, acknowledgedBelow: 2 };
const batch = (results: Uint8Array | undefined, of = header): Applied => ({
  type: 'batch',
  header: of,
  results,
});
const nothing = new Uint8Array(0);

function hashOf(history: readonly Applied[], last = nothing): string {
  const hash = new StateHash();
  for (const applied of history) hash.applied(applied);
  return hash.valueWith(last);
}

describe('another hash comes of', () => {
  const usual = batch(Uint8Array.of(1, 2, 3));
  const others: readonly (readonly [string, readonly Applied[]])[] = [
    ['nothing at all', []],
    ['another result', [batch(Uint8Array.of(1, 2, 4))]],
    ['another order of results', [batch(Uint8Array.of(2, 1, 3))]],
    ['one result more, though it is zero', [batch(Uint8Array.of(1, 2, 3, 0))]],
    ['results that were dropped', [batch(undefined)]],
    ['another batch with the same results', [batch(Uint8Array.of(1, 2, 3), { ...header, batch: 9 })]],
    ['another session with the same results', [batch(Uint8Array.of(1, 2, 3), { ...header, session: 4 })]],
    ['a session far away', [batch(Uint8Array.of(1, 2, 3), { ...header, session: 3 + 2 ** 32 })]],
    ['a refusal', [{ type: 'batch-refused', header, reason: 'expired' }]],
    ['another refusal', [{ type: 'batch-refused', header, reason: 'beyond-window' }]],
    ['an opening', [{ type: 'opened', nonce: 'n', session: 3 }]],
    ['another id for the opening', [{ type: 'opened', nonce: 'n', session: 4 }]],
    ['a close', [{ type: 'closed', session: 3 }]],
    ['the close of another', [{ type: 'closed', session: 4 }]],
    ['the same twice', [usual, usual]],
  ];

  test.each(others)('%s', (_, history) => {
    const values = [hashOf([usual]), ...others.map(([, other]) => hashOf(other))];
    expect(values.filter((value) => value === hashOf(history))).toHaveLength(1);
  });

  test('another end, which leaves the chain where it was', () => {
    const hash = new StateHash();
    hash.applied(usual);
    const before = hash.save();
    expect(hash.valueWith(Uint8Array.of(1))).not.toBe(hash.valueWith(Uint8Array.of(2)));
    expect(hash.save()).toEqual(before);
  });
});

test('a no-op changes nothing', () => {
  expect(hashOf([{ type: 'nothing' }])).toBe(hashOf([]));
});

test('a difference once made stays, whatever is applied alike afterwards', () => {
  const results = fc.uint8Array({ minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(results, results, fc.array(results, { maxLength: 20 }), (one, other, rest) => {
      fc.pre(Buffer.compare(one, other) !== 0);
      const alike = rest.map((bytes) => batch(bytes));
      expect(hashOf([batch(one), ...alike])).not.toBe(hashOf([batch(other), ...alike]));
    }),
  );
});

test('each lane alone sees a difference in any single byte', () => {
  const lanes = (bytes: Uint8Array): readonly [string, string] => {
    const value = hashOf([batch(bytes)]);
    expect(value).toMatch(/^[0-9a-f]{16}$/);
    return [value.slice(0, 8), value.slice(8)];
  };
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 70 });
  fc.assert(
    fc.property(bytes, fc.nat(), fc.integer({ min: 1, max: 255 }), (original, place, change) => {
      const changed = original.slice();
      const at = place % original.length;
      changed[at] = (changed[at] as number) ^ change;
      const [before, after] = [lanes(original), lanes(changed)];
      expect(before[0]).not.toBe(after[0]);
      expect(before[1]).not.toBe(after[1]);
    }),
  );
});

test('a chain that was saved and restored goes on as if nothing had been', () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(fc.array(bytes), fc.array(bytes), (before, after) => {
      const first = new StateHash();
      for (const results of before) first.applied(batch(results));
      const second = new StateHash();
      second.restore(first.save());
      for (const results of after) for (const hash of [first, second]) hash.applied(batch(results));
      expect(second.valueWith(nothing)).toBe(first.valueWith(nothing));
    }),
  );
});

test('the bytes count, not where they lie in a larger buffer', () => {
  const large = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
  expect(hashOf([batch(large.subarray(1, 8))])).toBe(hashOf([batch(large.slice(1, 8))]));
});
