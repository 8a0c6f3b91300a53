/** Majorities against twins that are plainly right: sets are listed, and members are counted one by one. */
import type { NodeId } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isMajority, majorityReached, majoritySize } from '../../src/quorum/majority.ts';

const sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const membersOf = (count: number): NodeId[] => Array.from({ length: count }, (_, at) => `n${at}` as NodeId);

/** Every set of so many members, as the bits of a number. */
const setsOf = (count: number): number[] => Array.from({ length: 2 ** count }, (_, bits) => bits);
const bitsIn = (set: number): number => [...set.toString(2)].filter((bit) => bit === '1').length;

const someMembers = fc.integer({ min: 1, max: 15 }).map(membersOf);

describe('the size of a majority', () => {
  test.each(sizes)('of %i members is the smallest with which any two sets share one', (count) => {
    const sets = setsOf(count);
    const shareOne = (size: number): boolean => {
      const large = sets.filter((set) => bitsIn(set) === size);
      return large.every((one) => large.every((other) => (one & other) !== 0));
    };
    const smallest = Array.from({ length: count }, (_, at) => at + 1).find(shareOne);
    expect(majoritySize(count)).toBe(smallest);
  });

  test.each(sizes)('of %i members can be had without any minority, and without no more', (count) => {
    expect(count - majoritySize(count)).toBe(Math.ceil(count / 2) - 1);
  });

  test('of nobody there is none', () => {
    expect(() => majoritySize(0)).toThrow('at least one member');
    expect(() => majorityReached([])).toThrow('at least one member');
  });
});

describe('whether members are a majority', () => {
  test('is the same as counting those who agree against those who do not, strangers left out', () => {
    const anyName = fc.integer({ min: 0, max: 25 }).map((at) => `n${at}` as NodeId);
    fc.assert(
      fc.property(someMembers, fc.array(anyName, { maxLength: 40 }), (members, agreed) => {
        let [ayes, noes] = [0, 0];
        for (const member of members) {
          if (agreed.includes(member)) ayes += 1;
          else noes += 1;
        }
        expect(isMajority(members, new Set(agreed))).toBe(ayes > noes);
      }),
      { numRuns: 500 },
    );
  });

  test.each(sizes)('[PaxosSimple §2.2] any two majorities of %i have a member in common', (count) => {
    const members = membersOf(count);
    const named = (set: number): Set<NodeId> => new Set(members.filter((_, at) => (set & (1 << at)) !== 0));
    const majorities = setsOf(count).filter((set) => isMajority(members, named(set)));
    expect(majorities.length).toBe(setsOf(count).filter((set) => bitsIn(set) > count - bitsIn(set)).length);
    expect(majorities.every((one) => majorities.every((other) => (one & other) !== 0))).toBe(true);
  });

  test('is not undone by one more who agrees', () => {
    fc.assert(
      fc.property(someMembers, fc.nat(), fc.nat(), (members, bits, more) => {
        const agreed = new Set(members.filter((_, at) => (bits & (1 << at)) !== 0));
        const before = isMajority(members, agreed);
        agreed.add(members[more % members.length] as NodeId);
        expect(isMajority(members, agreed) || !before).toBe(true);
      }),
    );
  });
});

describe('what a majority has reached', () => {
  const anyReached = fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 15 });

  test('is the same as trying each number, highest first, and counting who is there', () => {
    fc.assert(
      fc.property(anyReached, (reached) => {
        let tried = 30;
        const isReached = (): boolean => {
          const there = reached.filter((number) => number >= tried).length;
          return there > reached.length - there;
        };
        while (!isReached()) tried -= 1;
        expect(majorityReached(reached)).toBe(tried);
      }),
      { numRuns: 1_000 },
    );
  });

  test('does not depend on who reached it, and leaves the numbers as they are', () => {
    fc.assert(
      fc.property(anyReached, fc.infiniteStream(fc.nat()), (reached, keys) => {
        const before = [...reached];
        const shuffled = reached
          .map((number) => ({ number, key: keys.next().value as number }))
          .sort((one, other) => one.key - other.key)
          .map(({ number }) => number);
        expect(majorityReached(shuffled)).toBe(majorityReached(reached));
        expect(reached).toEqual(before);
      }),
    );
  });

  test('never falls when somebody gets further, and compares numbers as numbers', () => {
    fc.assert(
      fc.property(anyReached, fc.nat(), fc.nat({ max: 10 }), (reached, who, further) => {
        const at = who % reached.length;
        const later = reached.map((number, member) => (member === at ? number + further : number));
        expect(majorityReached(later)).toBeGreaterThanOrEqual(majorityReached(reached));
      }),
    );
    expect(majorityReached([9, 10, 100])).toBe(10);
  });
});
