/** The example does what it tells: what was durable is known in the next run. */
import { expect, test } from 'vitest';
import { runExample, temporaryDirectory } from '../run-example.ts';

test('the log knows in each run what the runs before it made durable', async () => {
  const directory = temporaryDirectory();
  expect(await runExample('log', directory)).toEqual(['durable: entry 1']);
  expect(await runExample('log', directory)).toEqual(['known: entry 1', 'durable: entry 2']);
  expect(await runExample('log', directory)).toEqual([
    'known: entry 1',
    'known: entry 2',
    'durable: entry 3',
  ]);
});
