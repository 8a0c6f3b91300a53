import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigurationSet } from '../src/configuration-set.ts';

test('a set of rows holds each row once, like a set of texts', () => {
  const row = fc.tuple(fc.integer({ min: -2, max: 30 }), fc.constantFrom(0, 1, -1, 0x7fff_ffff), fc.nat(5));
  fc.assert(
    fc.property(fc.array(row, { maxLength: 2_000, size: 'max' }), (rows) => {
      const set = new ConfigurationSet(3);
      const texts = new Set<string>();
      for (const words of rows) {
        expect(set.add(Int32Array.from(words))).toBe(texts.has(words.join()) ? undefined : texts.size);
        texts.add(words.join());
      }
      for (const [row, text] of [...texts].entries()) {
        const copy = new Int32Array(3);
        set.copyRow(row, copy);
        expect(copy.join()).toBe(text);
      }
    }),
    { numRuns: 30 },
  );
});

test('all rows of a set have one length', () => {
  expect(() => new ConfigurationSet(3).add(new Int32Array(2))).toThrow('all rows of a set have one length');
});
