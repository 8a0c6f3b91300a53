/** The watch of a node over the others: who is called silent, when, and who is not blamed for our own absence. */
import type { NodeId } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NodeWatch } from '../../src/replica/node-watch.ts';

const [b, c] = ['b', 'c'] as [NodeId, NodeId];

function watchOver(...peers: NodeId[]): NodeWatch {
  const watch = new NodeWatch(150, 0);
  watch.watchOver(new Set(peers), 0);
  return watch;
}

/** Looks every ten milliseconds up to `untilMs`; who was called silent, and when. */
function look(watch: NodeWatch, fromMs: number, untilMs: number): string[] {
  const told: string[] = [];
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 10)
    for (const peer of watch.silent(nowMs)) told.push(`${peer} at ${nowMs}`);
  return told;
}

describe('a node that says nothing', () => {
  test('is called silent after an election timeout, and again after each further one', () => {
    expect(look(watchOver(b), 10, 450)).toEqual(['b at 150', 'b at 300', 'b at 450']);
  });

  test('is given the time anew by whatever is heard of it', () => {
    const watch = watchOver(b, c);
    expect(look(watch, 10, 100)).toEqual([]);
    watch.heard(b, 100);
    expect(look(watch, 110, 260)).toEqual(['c at 150', 'b at 250']);
  });

  test('is given its time when it is new, and none when it is not watched any more', () => {
    const watch = watchOver(b);
    look(watch, 10, 100);
    watch.watchOver(new Set([c]), 100);
    watch.heard(b, 110);
    expect(look(watch, 110, 260)).toEqual(['c at 250']);
  });

  test('is not blamed for a silence in which we did not listen', () => {
    const watch = watchOver(b);
    look(watch, 10, 100);
    // Our thread stood still. What came meanwhile is read after this.
    expect(watch.silent(5_000)).toEqual([]);
    expect(look(watch, 5_010, 5_160)).toEqual(['b at 5150']);
  });
});

test('nobody is called silent who was heard within the timeout, and nobody is overlooked who was not', () => {
  const step = fc.record({ passMs: fc.integer({ min: 1, max: 60 }), hears: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const watch = watchOver(b);
      let nowMs = 0;
      let sinceMs = 0;
      for (const { passMs, hears } of steps) {
        nowMs += passMs;
        const isSilent = nowMs - sinceMs >= 150;
        expect(watch.silent(nowMs)).toEqual(isSilent ? [b] : []);
        if (hears) watch.heard(b, nowMs);
        if (hears || isSilent) sinceMs = nowMs;
      }
    }),
  );
});
