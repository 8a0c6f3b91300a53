/** Runs an example as a reader would, for its test. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

/** What the example `name` printed, line by line. @throws if it fails, complains, or takes 50 seconds */
export async function runExample(name: string, ...args: readonly string[]): Promise<string[]> {
  const program = fileURLToPath(new URL(`./dist/${name}/main.js`, import.meta.url));
  const options = { timeout: 50_000 };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, ...args], options);
  if (stderr !== '') throw new Error(`${name} complains: ${stderr}`);
  return stdout.trim().split('\n');
}

/** An empty folder that goes with the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-example-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
