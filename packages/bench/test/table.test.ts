import { expect, test } from 'vitest';
import { limitTable, runTable } from '../src/table.ts';
import { sampleLimit, sampleRun } from './sample-result.ts';

/** The cells of each line that has any, header first. */
function cells(table: string): string[][] {
  return table
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .map((line) =>
      line
        .split('│')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

test('a run is one row of rounded figures under their heads', () => {
  const [heads, row] = cells(runTable([sampleRun()]));
  const figures = Object.fromEntries((heads ?? []).map((head, at) => [head, row?.[at]]));
  expect(figures).toEqual({
    algorithm: 'raft',
    clients: '64',
    'ok/s': '30,554',
    'p50 ms': '1.25',
    'p99 ms': '7.13',
    'max ms': '292',
    'CPU µs/op': '21.4',
    failed: '3',
    unknown: '12',
    linearizable: 'yes',
  });
});

test.each([
  [true, 'yes'],
  [false, 'NO'],
  [null, 'not checked'],
])('verified %s reads %j', (verified, shown) => {
  const [, row] = cells(runTable([sampleRun({ verified })]));
  expect(row?.at(-1)).toBe(shown);
});

test('the share of the limit has a column only when it was measured', () => {
  const withRatio = cells(runTable([sampleRun({ limitRatio: 0.2704 }), sampleRun()]));
  expect(withRatio.map((row) => row.at(-1))).toEqual(['of limit', '27.0 %', '–']);
  expect(cells(runTable([sampleRun()]))[0]).not.toContain('of limit');
});

test('a table of large figures fits a terminal of 120 columns', () => {
  const large = {
    algorithm: 'multi-paxos',
    clients: 100_000,
    throughputPerSecond: 999_999,
    cpuMicrosecondsPerOperation: 12_345,
    operations: { ok: 10_000_000, failed: 99_999, unknown: 999_999 },
    verified: null,
    limitRatio: 0.743,
  };
  for (const line of runTable([sampleRun({ ...large, faults: [] })]).split('\n')) {
    expect(line.length).toBeLessThanOrEqual(120);
  }
});

test('a note that is true of all runs stands once', () => {
  const errors = { ERR_NO_QUORUM: 3 };
  const runs = [
    sampleRun({ warnings: ['slow disk'], errors }),
    sampleRun({ algorithm: 'multi-paxos', warnings: ['slow disk'] }),
  ];
  const text = runTable(runs);
  expect(text).toContain('\n  all: slow disk');
  expect(text).toContain('\n  raft: operations that did not end well: 3 × ERR_NO_QUORUM');
});

test('each fault has a line with its outage', () => {
  const fault = { kind: 'partition', target: 'a', atMs: 4_000, healedAtMs: null, firstAckAfterMs: null };
  const text = runTable([sampleRun(), sampleRun({ algorithm: 'multi-paxos', faults: [fault] })]);
  expect(text).toContain('raft: leader-kill b at 1.0 s: 287 ms');
  expect(text).toContain('multi-paxos: partition a at 4.0 s: no acknowledgement after it');
});

test('a run in which nothing went well shows dashes, not zeroes', () => {
  const nothing = { p50: null, p90: null, p99: null, p999: null, max: null };
  const [, row] = cells(runTable([sampleRun({ latencyMs: nothing, cpuMicrosecondsPerOperation: null })]));
  expect(row?.slice(3, 7)).toEqual(['–', '–', '–', '–']);
});

test('the limit has a row for each way to hold commands', () => {
  const [, opaque, decoded] = cells(limitTable([{ ...sampleLimit, mode: 'opaque' }, sampleLimit]));
  expect(opaque?.slice(0, 3)).toEqual(['opaque', '64', '113,000']);
  expect(decoded?.[0]).toBe('decoded');
});
