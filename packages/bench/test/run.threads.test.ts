import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchResult } from '@quorate/bench';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bench-run-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** The temporary directory is our own, so that whatever stays behind in it is seen. */
function commandLine(...args: readonly string[]) {
  return {
    command: process.execPath,
    args: [cli, ...args],
    options: { env: { ...process.env, TMPDIR: directory } },
  };
}

function run(...args: readonly string[]) {
  const { command, args: all, options } = commandLine(...args);
  const { status, stdout, stderr } = spawnSync(command, all, { ...options, encoding: 'utf8' });
  return { status, stdout, stderr };
}

const path = (name: string): string => join(directory, name);
const readJson = (name: string): BenchResult => JSON.parse(readFileSync(path(name), 'utf8'));
const clusterDirectories = (): string[] =>
  readdirSync(directory).filter((name) => name.startsWith('quorate-'));

describe('both algorithms, on a disk, with their leader killed', () => {
  let outcome: ReturnType<typeof run>;
  let result: BenchResult;
  const files = { json: 'result.json', report: 'report.html', history: 'history.jsonl' };
  beforeAll(() => {
    const outputs = Object.entries(files).flatMap(([option, name]) => [`--${option}`, path(name)]);
    const load = ['--clients', '16', '--keys', '20', '--duration', '2500ms', '--seed', '7'];
    outcome = run('run', '--faults', 'leader-kill', ...load, ...outputs);
    result = readJson(files.json);
  });

  test('end well, and say so in a table', () => {
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    expect(outcome.stdout).toMatch(/│ raft +│.*│ yes +│/);
    expect(outcome.stdout).toMatch(/│ multi-paxos +│.*│ yes +│/);
    expect(outcome.stdout).toMatch(/raft: leader-kill [abc] at \d\.\d s: /);
    expect(outcome.stdout).toContain(`report: ${path(files.report)}`);
  });

  test('leave nothing behind', () => {
    expect(clusterDirectories()).toEqual([]);
  });

  test('the result tells the machine, the seed and the commit', () => {
    const { machine, seed, commit, runs, limits } = result;
    expect(machine).toMatchObject({ node: process.version, cores: expect.any(Number) });
    expect(seed).toBe(7);
    expect(commit === null || /^[0-9a-f]{12}(-dirty)?$/.test(commit)).toBe(true);
    expect(runs.map(({ algorithm }) => algorithm)).toEqual(['raft', 'multi-paxos']);
    expect(limits).toEqual([]);
  });

  test.each([0, 1])('run %i has every field of the contract', (at) => {
    const measured = result.runs[at];
    expect(measured).toMatchObject({
      nodes: 3,
      storage: 'disk',
      payloadBytes: 16,
      clients: 16,
      keys: 20,
      reads: 0.5,
      consistency: 'linearizable',
      ratePerSecond: null,
      recorded: true,
      verified: true,
      limitRatio: null,
      warnings: [],
    });
    const { durationSeconds, operations, throughputPerSecond, latencyMs, timeline } = measured ?? never();
    expect(durationSeconds).toBeGreaterThan(2.4);
    expect(operations.ok).toBeGreaterThan(100);
    expect(throughputPerSecond).toBeCloseTo(operations.ok / durationSeconds, 3);
    expect(measured?.cpuMicrosecondsPerOperation).toBeGreaterThan(0);
    const percentiles = [latencyMs.p50, latencyMs.p90, latencyMs.p99, latencyMs.p999, latencyMs.max];
    expect(percentiles).toEqual([...percentiles].sort((one, other) => Number(one) - Number(other)));
    expect(latencyMs.p50).toBeGreaterThan(0);
    expect(timeline.map(({ second }) => second)).toEqual(timeline.map((_, second) => second));
    expect(timeline.length).toBeGreaterThanOrEqual(3);
    expect(timeline.reduce((sum, { ok }) => sum + ok, 0)).toBe(operations.ok);
    expect(timeline[0]?.p99Ms).toBeGreaterThan(0);
  });

  test.each([0, 1])('run %i tells its fault: when, whom, how long', (at) => {
    const { faults } = result.runs[at] ?? never();
    expect(faults).toHaveLength(1);
    const { kind, target, atMs, healedAtMs, firstAckAfterMs } = faults[0] ?? never();
    expect(kind).toBe('leader-kill');
    expect(['a', 'b', 'c']).toContain(target);
    expect(atMs).toBeGreaterThanOrEqual(870);
    expect(healedAtMs).toBeGreaterThan(atMs + 740);
    expect(firstAckAfterMs).toBeGreaterThanOrEqual(0);
  });

  test.each(['raft', 'multi-paxos'])(
    'the history of %s has its own file, which check accepts',
    (algorithm) => {
      const history = path(`history-${algorithm}.jsonl`);
      const { status, stdout } = run('check', history, '--model', 'cas-register');
      expect({ status, stdout }).toMatchObject({
        status: 0,
        stdout: expect.stringContaining('linearizable ('),
      });
      const events = readFileSync(history, 'utf8').trim().split('\n');
      const acknowledged = events.filter((line) => line.includes('"type":"ok"')).length;
      const counted = result.runs.find((one) => one.algorithm === algorithm)?.operations.ok;
      expect(acknowledged).toBeGreaterThanOrEqual(counted ?? never());
      expect(outcome.stdout).toContain(`history: ${history}`);
    },
  );

  test('the report is one file that loads nothing', () => {
    const page = readFileSync(path(files.report), 'utf8');
    expect(page).toContain('Every history is linearizable.');
    expect(page).toContain('leader-kill');
    expect(page).toContain('default-src &#39;none&#39;');
    expect(page).not.toMatch(/<(?:script|link|img|iframe)[^>]+(?:src|href)=/);
  });
});

test('what cannot be judged is not called good, and the figures say that nothing was recorded', () => {
  const args = ['--algorithm', 'raft', '--storage', 'memory', '--clients', '4', '--duration', '500ms'];
  const weak = run('run', ...args, '--consistency', 'eventual', '--json', path('weak.json'));
  expect(weak.status).toBe(0);
  expect(readJson('weak.json').runs[0]).toMatchObject({
    recorded: true,
    verified: null,
    verdictNote: expect.stringContaining('eventual'),
  });
  const blind = run('run', ...args, '--no-verify', '--json', path('blind.json'));
  expect(blind.status).toBe(0);
  expect(readJson('blind.json').runs[0]).toMatchObject({ recorded: false, verified: null });
});

test('the limit stands beside the runs, with the share of it that each reached', () => {
  const args = ['--algorithm', 'raft', '--clients', '4', '--duration', '500ms', '--reads', '0'];
  const { status, stdout } = run('run', ...args, '--no-verify', '--limit', '--json', path('limit.json'));
  expect(status).toBe(0);
  const { runs, limits } = readJson('limit.json');
  expect(limits.map(({ mode, clients }) => [mode, clients])).toEqual([
    ['opaque', 4],
    ['decoded', 4],
  ]);
  for (const { clients, limitRatio, throughputPerSecond, limitNote } of runs) {
    const row = limits.find((limit) => limit.mode === 'decoded' && limit.clients === clients) ?? never();
    expect(limitRatio).toBeCloseTo(throughputPerSecond / row.throughputPerSecond, 9);
    expect(limitNote).toBeUndefined();
  }
  expect(stdout).toContain('of limit');
});

test('an open loop issues at the rate that was asked for', () => {
  const args = ['--algorithm', 'multi-paxos', '--storage', 'memory', '--rate', '500', '--duration', '2s'];
  expect(run('run', ...args, '--json', path('rate.json')).status).toBe(0);
  const measured = readJson('rate.json').runs[0] ?? never();
  expect(measured).toMatchObject({ ratePerSecond: 500, clients: 1_024, verified: true });
  const { ok, failed, unknown } = measured.operations;
  expect(ok + failed + unknown).toBeGreaterThan(900);
  expect(ok + failed + unknown).toBeLessThan(1_200);
});

test('an interrupt ends the run, its threads and its files', async () => {
  const { command, args, options } = commandLine('run', '--duration', '60s');
  const child = spawn(command, args, { ...options, stdio: 'ignore' });
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const cluster = () => clusterDirectories().map((name) => join(directory, name, 'cluster', 'a'));
  while (!cluster().some(existsSync)) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGINT');
  expect(await exit).toBe(130);
  expect(clusterDirectories()).toEqual([]);
});

test.each([
  [['--duration', '10'], /option --duration: "10" is not allowed; allowed: a duration such as .*10s/],
  [['--jsno', 'x'], /unknown option '--jsno'/],
  [['--storage', 'memory', '--nodes', '2', '--faults', 'leader-kill'], /option --faults: .*majority/],
])('wrong usage exits with 2 and one line that names the option: %j', (args, reason) => {
  const { status, stderr } = run('run', ...args);
  expect(status).toBe(2);
  expect(stderr).toMatch(/^quorate-bench: [^\n]+\n$/);
  expect(stderr).toMatch(reason);
});

test('--faults list prints each with a sentence, and runs nothing', () => {
  const { status, stdout } = run('run', '--faults', 'list');
  expect(status).toBe(0);
  const names = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0]);
  expect(names).toEqual(['none', 'leader-kill', 'follower-kill', 'partition', 'leader-pause']);
});

function never(): never {
  throw new Error('is missing');
}
