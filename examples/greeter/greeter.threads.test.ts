/** The example does what it tells. */
import { expect, test } from 'vitest';
import { runExample } from '../run-example.ts';

test('the greeter answers from another thread', async () => {
  expect(await runExample('greeter')).toEqual(['hello you']);
});
