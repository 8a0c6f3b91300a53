/** `quorate-bench sim`: what is counted of each seed, and how a seed that fails is made small and repeated. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { strikeKinds } from '@quorate/simulation';
import { expect, onTestFinished, test } from 'vitest';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

const timeoutMs = 180_000;

function bench(args: readonly string[]) {
  return spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
}

test(
  'a failing seed is made small, and the one command that it prints fails in the same way',
  () => {
    const asked = ['sim', '--algorithm', 'raft', '--seeds', '1', '--seed', '1', '--operations', '100'];
    const whole = bench([...asked, '--plant', 'serve-reads-early']);
    expect(whole.status).toBe(1);
    const [, seed, violation] =
      /seed (\d+), made small in \d+ runs \(\d nodes\): (.*)/.exec(whole.stdout) ?? [];
    const commands = [...whole.stdout.matchAll(/repeat it: quorate-bench (.*)/g)].map(
      ([, command]) => command,
    );
    const small = (commands.at(-1) ?? '').split(' ');
    expect(small.slice(0, 7)).toEqual(['sim', '--algorithm', 'raft', '--seeds', '1', '--seed', seed]);

    const again = bench([...small, '--no-shrink']);
    expect(again.status).toBe(1);
    expect(violation).toBeTruthy();
    expect(again.stdout).toContain(`FAILED: ${violation}`);
  },
  timeoutMs,
);

test(
  'tells the strikes of every kind, what they did, the changes of epoch and the reads of every level',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-sim-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'result.json');
    const asked = ['--algorithm', 'raft', '--seeds', '4', '--seed', '1', '--operations', '100'];
    const { status, stdout } = bench(['sim', ...asked, '--json', file]);
    expect(status).toBe(0);
    const [result] = JSON.parse(readFileSync(file, 'utf8')).results;
    for (const kind of strikeKinds) expect(stdout).toContain(`${result.strikes[kind]} ${kind}`);
    const { made, swaps } = result.orders;
    expect(stdout).toContain(`epochs: ${made} changes, ${swaps} of the algorithm`);
    expect(stdout).toContain(
      `${result.faults.staleTimers} stale timers, ${result.faults.driftingClocks} drifting`,
    );
  },
  timeoutMs,
);

test(
  'of many seeds, one that fails is told when it is known, with its command, and the others still run',
  () => {
    const asked = ['sim', '--algorithm', 'raft', '--seeds', '2', '--seed', '1', '--operations', '100'];
    const { status, stdout, stderr } = bench([...asked, '--plant', 'serve-reads-early', '--keep-going']);
    expect(status).toBe(1);
    expect(stdout).toContain('of 2 seeds passed');
    const told = [...stderr.matchAll(/repeat it: (quorate-bench .*)/g)].map(([, command]) => command);
    expect(told.length).toBeGreaterThan(0);
    for (const command of told) expect(stdout).toContain(command);
  },
  timeoutMs,
);
