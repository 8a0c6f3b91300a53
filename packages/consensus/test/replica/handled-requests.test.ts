/** A request is handled once, however often the network delivers it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HandledRequests } from '../../src/replica/handled-requests.ts';

test('the second copy of a request is not handled, that of another client is', () => {
  const handled = new HandledRequests();
  expect(handled.isFirst('app/client', 1)).toBe(true);
  expect(handled.isFirst('app/client', 1)).toBe(false);
  expect(handled.isFirst('other/client', 1)).toBe(true);
});

test('no request is ever handled twice, and none within the window is missed', () => {
  const first = (2 ** 32 - 1) * 2 ** 20 + 2 ** 19;
  const steps = fc.array(
    fc.oneof(fc.integer({ min: -60, max: 60 }), fc.integer({ min: -5_000, max: 9_000 })),
    {
      maxLength: 200,
    },
  );
  fc.assert(
    fc.property(steps, (requests) => {
      const handled = new HandledRequests();
      const seen = new Set<number>();
      let request = first;
      // Far from where another life would begin.
      for (const step of requests) {
        request += step;
        const newest = Math.max(...seen);
        const isTooOld = request <= newest - 4_096;
        expect(handled.isFirst('app/client', request)).toBe(!seen.has(request) && !isTooOld);
        seen.add(request);
      }
    }),
  );
});

test('memory is bounded: what lies far back counts as handled', () => {
  const handled = new HandledRequests();
  for (let request = 1; request <= 20_000; request++) handled.isFirst('app/client', request);
  expect(handled.isFirst('app/client', 1)).toBe(false);
  expect(handled.isFirst('app/client', 20_000)).toBe(false);
  expect(handled.isFirst('app/client', 20_001)).toBe(true);
});

test('a client that follows another at its address is heard, whether its numbers are higher or lower', () => {
  const handled = new HandledRequests();
  for (const life of [7, 3, 9]) {
    for (let count = 1; count <= 20; count++)
      expect(handled.isFirst('app/client', life * 2 ** 20 + count)).toBe(true);
    expect(handled.isFirst('app/client', life * 2 ** 20 + 20)).toBe(false);
  }
});
