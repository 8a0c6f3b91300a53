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
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 200 }), (requests) => {
      const handled = new HandledRequests();
      const seen = new Set<number>();
      for (const request of requests) {
        expect(handled.isFirst('app/client', request)).toBe(!seen.has(request));
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
