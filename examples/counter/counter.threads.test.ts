/** The example does what it tells, and a second run goes on where the first one ended. */
import { expect, test } from 'vitest';
import { runExample, temporaryDirectory } from '../run-example.ts';

test('the counter goes on without its leader, and where it was in the next run', async () => {
  const directory = temporaryDirectory();
  expect(await runExample('counter', directory)).toEqual([
    'added one: 1',
    'value: 1',
    expect.stringMatching(/^[abc] is dead, and one more: 2$/),
  ]);
  expect(await runExample('counter', directory)).toEqual([
    'added one: 3',
    'value: 3',
    expect.stringMatching(/^[abc] is dead, and one more: 4$/),
  ]);
});
