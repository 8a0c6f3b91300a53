/** The example does what it tells. */
import { expect, test } from 'vitest';
import { runExample } from '../run-example.ts';

test('all holds in a run, and the run repeats', async () => {
  expect(await runExample('one-seed')).toEqual([
    expect.stringMatching(/^all held while \d{4,} operations were acknowledged$/),
    'the same run: true',
  ]);
});
