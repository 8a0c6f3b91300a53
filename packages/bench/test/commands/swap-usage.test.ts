import { expect, test } from 'vitest';
import { swapCommand } from '../../src/commands/swap.ts';

/** Parses as the command line does; what is refused, is refused before anything starts. */
async function refusal(...args: readonly string[]): Promise<string> {
  const command = swapCommand()
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  try {
    await command.parseAsync(args, { from: 'user' });
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('was accepted');
}

test.each([
  ['--algorithm', 'raft', /two different algorithms/],
  ['--algorithm', 'raft,zab', /raft, multi-paxos/],
  ['--algorithm', 'raft,raft', /nothing twice/],
  ['--swaps', '0', /1 to/],
  ['--outstanding', 'many', /1 to/],
  ['--election-timeout', '300', /two whole numbers/],
  ['--heartbeat', '80ms', /at most half/],
  ['--seed', '-1', /0 to/],
  ['--json', '/', /EISDIR/],
  ['--jsno', 'x', /unknown option/],
])('%s %s is refused in words that name the option and what is allowed', async (option, value, allowed) => {
  const message = await refusal(option, value);
  expect(message).toContain(option);
  expect(message).toMatch(allowed);
});
