/** Failovers from the command line, on real threads and a real disk. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FailoverResult } from '../src/failover/result.ts';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bench-failover-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function failover(...args: readonly string[]) {
  const json = join(directory, 'result.json');
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'failover', '--json', json, ...args], {
    env: { ...process.env, TMPDIR: directory },
    encoding: 'utf8',
  });
  return { status, stdout, stderr, result: JSON.parse(readFileSync(json, 'utf8')) as FailoverResult };
}

test('every kind of lost leader, under both algorithms, with every write accounted for', () => {
  const { status, stdout, stderr, result } = failover('--trials', '2', '--outstanding', '8', '--seed', '5');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(result).toMatchObject({
    seed: 5,
    conditions: {
      nodes: 3,
      storage: 'disk',
      outstanding: 8,
      electionTimeoutMs: [150, 300],
      peerDownHints: true,
    },
  });
  const kinds = result.failovers.map(({ algorithm, kind }) => `${algorithm} ${kind}`);
  expect(kinds).toEqual(
    ['raft', 'multi-paxos'].flatMap((algorithm) =>
      ['crash', 'hang', 'partition', 'transfer'].map((kind) => `${algorithm} ${kind}`),
    ),
  );
  for (const { kind, trials, audit, verified, outageMs, operations } of result.failovers) {
    expect({ verified, ...audit }).toMatchObject({ verified: true, lost: 0, doubled: 0, contradicted: 0 });
    expect(audit?.acknowledged).toBe(operations.ok);
    expect(operations.ok).toBeGreaterThan(100);
    expect(trials).toHaveLength(2);
    for (const trial of trials) {
      expect(trial.nodeDownAfterMs === null).toBe(kind !== 'crash');
      expect(trial.firstAckAfterMs).toBeGreaterThan(trial.leadersAfterMs[0] ?? Number.NaN);
      expect(trial.longestGapMs).toBeGreaterThan(0);
      expect(trial.wholeAfterMs).toBeGreaterThan(trial.firstAckAfterMs);
      expect(trial.termsPassed).toBeGreaterThan(0);
    }
    const outages = trials.map((trial) => (kind === 'transfer' ? trial.longestGapMs : trial.firstAckAfterMs));
    // The histogram keeps three digits.
    expect(Math.abs((outageMs.max ?? 0) / Math.max(...outages) - 1)).toBeLessThan(0.01);
  }
  expect(stdout).toMatch(/│ raft +│ crash +│ +2 │/);
  expect(readdirSync(directory).filter((name) => name.startsWith('quorate-'))).toEqual([]);
});

test('without the hint a crash is noticed by silence alone', () => {
  const args = [
    '--kind',
    'crash',
    '--algorithm',
    'raft',
    '--trials',
    '2',
    '--outstanding',
    '8',
    '--no-verify',
  ];
  const { status, result } = failover('--no-hint', '--election-timeout', '600-900', ...args);
  expect(status).toBe(0);
  const [series] = result.failovers;
  expect(series).toMatchObject({ recorded: false, verified: null, audit: null });
  // A heartbeat had been heard at most 50 ms before, and a tick may come early.
  for (const { firstAckAfterMs } of series?.trials ?? []) expect(firstAckAfterMs).toBeGreaterThan(500);
});
