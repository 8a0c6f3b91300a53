/** The cluster goes on through everything that is done to it, and what was put aside is still there. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runExample, temporaryDirectory } from '../run-example.ts';

test('reads of each kind see the command, and no change loses or doubles one', async () => {
  const directory = temporaryDirectory();
  const [reads, ...changes] = await runExample('operations', directory);
  // What c has by now may still be nothing.
  expect(reads).toMatch(/^reads: 1 1 1 1 [01]$/);
  expect(changes).toEqual([
    'as orders-worker-7: 2',
    'leader: b',
    'epoch 2: multi-paxos',
    'epoch 3: b c d e f',
    'epoch 4: c is back',
    'without its leader: 3',
  ]);
  const folders = readdirSync(directory).filter((name) => /^[a-f](\.|$)/.test(name));
  expect(folders.sort()).toEqual(['a', 'b', 'c', 'c.replaced-1', 'd', 'e', 'f']);
});
