/** The order of application: what contradicts it, and what each level of reads may see of the past. */
import type { Consistency } from '@quorate/consensus';
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { AppliedOrder } from '../src/applied-order.ts';

const [a, b] = ['a', 'b'] as NodeId[] as [NodeId, NodeId];

/** k1 holds 11 from position 1 on, 13 from 3 on; k2 holds 12 from 2 on; the cas at 4 does nothing. */
function told(): AppliedOrder {
  const order = new AppliedOrder();
  order.note(a, 1, ['write', 11, 1, 11], null);
  order.note(a, 2, ['write', 12, 2, 12], null);
  order.note(a, 3, ['cas', 13, 1, 11, 13], true);
  order.note(a, 4, ['cas', 14, 1, 11, 14], false);
  return order;
}

describe('contradictions', () => {
  test('replicas that apply the same are of one mind', () => {
    const order = told();
    order.note(b, 1, ['write', 11, 1, 11], null);
    order.note(b, 2, ['write', 12, 2, 12], null);
    expect(order.violation).toBeUndefined();
    expect(order.ids()).toEqual([11, 12, 13, 14]);
    expect(order.find(13)).toEqual({ position: 3, answer: true });
    expect(order.find(15)).toBeUndefined();
  });

  test.each([
    [
      'another command in the same place',
      (order: AppliedOrder) => order.note(b, 2, ['write', 15, 2, 15], null),
      'b applied command 15 (null) at position 2, a command 12 (null)',
    ],
    [
      'another answer to the same command',
      (order: AppliedOrder) => order.note(b, 4, ['cas', 14, 1, 11, 14], true),
      'b applied command 14 (true) at position 4, a command 14 (false)',
    ],
    [
      'a command in two places',
      (order: AppliedOrder) => order.note(b, 5, ['write', 12, 2, 12], null),
      'command 12 was applied at 2 and at 5',
    ],
    [
      'a place left out',
      (order: AppliedOrder) => order.note(b, 6, ['write', 16, 2, 16], null),
      'b applied position 6, and nobody has applied 5',
    ],
  ])('%s', (_, contradict, violation) => {
    const order = told();
    contradict(order);
    expect(order.violation).toBe(violation);
  });
});

describe('reads', () => {
  const read = (level: Consistency, value: number | null, known: { seen?: number; told?: number } = {}) =>
    told().judge({ level, key: 1, value, seenBefore: known.seen ?? 0, toldBefore: known.told ?? 0 });

  test.each(['linearizable', 'lease', 'session', 'eventual'] as const)(
    'a %s read of the present is right, and so is one that overlaps with the change',
    (level) => {
      expect(read(level, 13, { seen: 4, told: 4 })).toEqual({
        from: 3,
        isStale: false,
        isBehindSession: false,
      });
      expect(read(level, 11, { seen: 2, told: 2 })).toEqual({
        from: 1,
        isStale: false,
        isBehindSession: false,
      });
    },
  );

  test.each(['linearizable', 'lease', 'session', 'eventual'] as const)(
    'no %s read sees what never was',
    (level) => {
      expect(read(level, 14)).toBe('a read of k1 saw 14, which was never in effect there');
      expect(read(level, 12)).toBe('a read of k1 saw 12, which was never in effect there');
    },
  );

  test.each(['linearizable', 'lease'] as const)('a %s read is not stale, whoever was told', (level) => {
    const stale = `a ${level} read of k1 saw 11, overwritten at 3, when 3 was known to have taken effect`;
    expect(read(level, 11, { seen: 0, told: 3 })).toBe(stale);
    expect(read(level, null, { seen: 0, told: 3 })).toContain('saw null, overwritten at 1');
  });

  test('a session read may be stale to others, not to its own session', () => {
    expect(read('session', 11, { seen: 2, told: 4 })).toEqual({
      from: 1,
      isStale: true,
      isBehindSession: false,
    });
    expect(read('session', 11, { seen: 3, told: 3 })).toBe(
      'a session read of k1 saw 11, overwritten at 3, when its session had seen 3',
    );
  });

  test('an eventual read may see any past', () => {
    expect(read('eventual', 11, { seen: 4, told: 4 })).toEqual({
      from: 1,
      isStale: true,
      isBehindSession: true,
    });
    expect(read('eventual', null, { seen: 4, told: 4 })).toEqual({
      from: 0,
      isStale: true,
      isBehindSession: true,
    });
  });
});
