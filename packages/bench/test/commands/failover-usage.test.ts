import { expect, test } from 'vitest';
import { failoverCommand } from '../../src/commands/failover.ts';

/** Parses as the command line does; what is refused, is refused before anything starts. */
async function refusal(...args: readonly string[]): Promise<string> {
  const command = failoverCommand()
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
  ['--algorithm', 'zab', /raft, multi-paxos/],
  ['--kind', 'flood', /crash, hang, partition, transfer/],
  ['--trials', '0', /1 to/],
  ['--outstanding', '0', /1 to/],
  ['--election-timeout', '300-150', /150-300/],
  ['--election-timeout', '150', /two whole numbers/],
  ['--election-timeout', '1-2', /10-60000/],
  ['--heartbeat', '50', /a duration/],
  ['--heartbeat', '100ms', /at most half of the shortest election timeout \(75ms\)/],
  ['--seed', '-1', /0 to/],
  ['--json', '/', /EISDIR/],
  ['--jsno', 'x', /unknown option/],
])('%s %s is refused in words that name the option and what is allowed', async (option, value, allowed) => {
  const message = await refusal(option, value);
  expect(message).toContain(option);
  expect(message).toMatch(allowed);
});
