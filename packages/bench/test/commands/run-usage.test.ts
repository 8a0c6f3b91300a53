import { expect, test } from 'vitest';
import { runCommand } from '../../src/commands/run.ts';

/** Parses as the command line does; what is refused, is refused before anything starts. */
async function refusal(...args: readonly string[]): Promise<string> {
  const command = runCommand()
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
  ['--algorithm', 'raft,raft', /nothing twice/],
  ['--nodes', '0', /1 to 31/],
  ['--storage', 'tape', /disk, memory/],
  ['--clients', '0', /1 to/],
  ['--clients', '1,,2', /whole number/],
  ['--rate', '0', /1 to/],
  ['--duration', '10', /10s/],
  ['--payload', '7', /from 8/],
  ['--keys', 'many', /1 to/],
  ['--reads', '1.5', /0 to 1/],
  ['--cas', '-1', /0 to 1/],
  ['--consistency', 'strong', /linearizable, lease, session, eventual/],
  ['--timeout', '0s', /from 1ms/],
  ['--faults', 'earthquake', /leader-kill/],
  ['--faults', 'none,partition', /none alone/],
  ['--seed', '-1', /0 to/],
  ['--history', '/absent/h.jsonl', /ENOENT/],
  ['--report', '/absent/r.html', /ENOENT/],
  ['--json', '/', /EISDIR/],
  ['--jsno', 'x', /unknown option/],
])('%s %s is refused in words that name the option and what is allowed', async (option, value, allowed) => {
  const message = await refusal(option, value);
  expect(message).toContain(option);
  expect(message).toMatch(allowed);
});

test('kills that nothing in memory survives are refused', async () => {
  const message = await refusal('--storage', 'memory', '--nodes', '2', '--faults', 'leader-kill');
  expect(message).toMatch(/--faults.*majority/);
});
