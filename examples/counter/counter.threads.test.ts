/** The example does what it tells, and a second run goes on where the first one ended. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';

const program = fileURLToPath(new URL('../dist/counter/main.js', import.meta.url));

async function run(directory: string): Promise<string[]> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, directory], {
    timeout: 30_000,
  });
  expect(stderr).toBe('');
  return stdout.trim().split('\n');
}

test('the counter goes on without its leader, and where it was in the next run', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-counter-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  expect(await run(directory)).toEqual([
    'added one: 1',
    'value: 1',
    expect.stringMatching(/^[abc] is dead, and one more: 2$/),
  ]);
  expect(await run(directory)).toEqual([
    'added one: 3',
    'value: 3',
    expect.stringMatching(/^[abc] is dead, and one more: 4$/),
  ]);
});
