/** Swaps from the command line, on real threads and a real disk. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SwapResult } from '../src/swap/result.ts';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bench-swap-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

test('there and back under load, with every write accounted for', () => {
  const json = join(directory, 'result.json');
  const args = ['swap', '--swaps', '4', '--outstanding', '64', '--seed', '5', '--json', json];
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    env: { ...process.env, TMPDIR: directory },
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { seed, conditions, series } = JSON.parse(readFileSync(json, 'utf8')) as SwapResult;
  expect({ seed, conditions }).toMatchObject({
    seed: 5,
    conditions: { nodes: 3, storage: 'disk', outstanding: 64 },
  });
  expect(series.swaps.map(({ from, to, epoch }) => `${epoch}: ${from} to ${to}`)).toEqual([
    '2: raft to multi-paxos',
    '3: multi-paxos to raft',
    '4: raft to multi-paxos',
    '5: multi-paxos to raft',
  ]);
  for (const { stallMs, calmGapMs, ledAfterMs, wholeAfterMs } of series.swaps) {
    expect(Math.min(stallMs, calmGapMs, ledAfterMs)).toBeGreaterThan(0);
    expect(wholeAfterMs).toBeGreaterThan(ledAfterMs);
  }
  expect({ ...series.audit, verified: series.verified }).toMatchObject({
    acknowledged: series.operations.ok,
    lost: 0,
    doubled: 0,
    contradicted: 0,
    verified: true,
  });
  expect(series.operations.ok).toBeGreaterThan(1_000);
  expect(stdout).toMatch(/│ all +│ +4 │/);
  expect(readdirSync(directory).filter((name) => name.startsWith('quorate-'))).toEqual([]);
});
