/** The example does what it tells. */
import { expect, test } from 'vitest';
import { runExample, temporaryDirectory } from '../run-example.ts';

test('each group counts by itself, and one changes its algorithm alone', async () => {
  expect(await runExample('many-groups', temporaryDirectory())).toEqual([
    'group 7: 7',
    'group 7 runs multi-paxos',
    'group 8 runs raft',
  ]);
});
