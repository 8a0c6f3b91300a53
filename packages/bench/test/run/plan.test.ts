import { describe, expect, test } from 'vitest';
import { withLimitShare } from '../../src/run/limit-share.ts';
import { planRuns, type RunOptions } from '../../src/run/options.ts';
import { whatDoesNotHold } from '../../src/run/what-does-not-hold.ts';
import { whyNotJudged } from '../../src/verification/verify.ts';
import { sampleLimit, sampleRun } from '../sample-result.ts';

const options: RunOptions = {
  algorithms: ['raft'],
  nodes: 3,
  storage: 'disk',
  clients: [64],
  ratePerSecond: undefined,
  durationMs: 10_000,
  payloadBytes: 16,
  keys: 1_000,
  reads: 0.5,
  compareAndSets: 0,
  consistency: 'linearizable',
  timeoutMs: 5_000,
  faults: [],
  seed: 1,
  verify: true,
  historyFile: 'out/history.jsonl',
  limit: false,
};

describe('the runs that options mean', () => {
  const algorithms = ['raft', 'multi-paxos'];
  test.each([
    [{}, [['raft', 64, 'out/history.jsonl']]],
    [
      { algorithms },
      [
        ['raft', 64, 'out/history-raft.jsonl'],
        ['multi-paxos', 64, 'out/history-multi-paxos.jsonl'],
      ],
    ],
    [
      { clients: [1, 64] },
      [
        ['raft', 1, 'out/history-1.jsonl'],
        ['raft', 64, 'out/history-64.jsonl'],
      ],
    ],
    [
      { algorithms, clients: [1, 64], historyFile: 'h' },
      [
        ['raft', 1, 'h-raft-1'],
        ['multi-paxos', 1, 'h-multi-paxos-1'],
        ['raft', 64, 'h-raft-64'],
        ['multi-paxos', 64, 'h-multi-paxos-64'],
      ],
    ],
    [
      { clients: [1, 2], historyFile: './a.b/.h' },
      [
        ['raft', 1, './a.b/.h-1'],
        ['raft', 2, './a.b/.h-2'],
      ],
    ],
  ] as const)('%j', (changes, expected) => {
    const plans = planRuns({ ...options, ...(changes as Partial<RunOptions>) });
    expect(plans.map(({ algorithm, clients, historyFile }) => [algorithm, clients, historyFile])).toEqual(
      expected,
    );
  });

  test('each carries the conditions that all have in common', () => {
    const [plan] = planRuns(options);
    const { nodes, storage, durationMs, payloadBytes, keys, reads, seed, verify } = options;
    expect(plan).toMatchObject({ nodes, storage, durationMs, payloadBytes, keys, reads, seed, verify });
  });
});

describe('the share of the limit', () => {
  const alike = { reads: 0, faults: [], recorded: false, ratePerSecond: null } as const;
  const limits = [
    { ...sampleLimit, mode: 'opaque', throughputPerSecond: 1 },
    { ...sampleLimit, clients: 1, throughputPerSecond: 2 },
    { ...sampleLimit, throughputPerSecond: 1_000 },
  ] as const;

  test('is that of the decoded row for as many operations outstanding', () => {
    const run = withLimitShare(sampleRun({ ...alike, throughputPerSecond: 250 }), limits);
    expect(run.limitRatio).toBe(0.25);
    expect(run.limitNote).toBeUndefined();
  });

  test('is unknown where the limit was not measured', () => {
    expect(withLimitShare(sampleRun(alike), [])).toMatchObject({ limitRatio: null });
    expect(withLimitShare(sampleRun({ ...alike, clients: 7 }), limits).limitRatio).toBeNull();
  });

  test.each([
    [{ reads: 0.5 }, /50 % reads/],
    [{ recorded: true }, /recorded/],
    [{ ratePerSecond: 10 }, /rate/],
    [{ faults: sampleRun().faults }, /faults/],
  ])('says in what the run was not like the limit: %j', (changes, note) => {
    expect(withLimitShare(sampleRun({ ...alike, ...changes }), limits).limitNote).toMatch(note);
  });
});

test.each([
  ['linearizable', 0.5, true],
  ['lease', 0.5, true],
  ['session', 0.5, false],
  ['eventual', 1, false],
  ['eventual', 0, true],
] as const)('a history with %s reads (share %d) is judged: %s', (consistency, reads, isJudged) => {
  expect(whyNotJudged({ consistency, reads }) === undefined).toBe(isJudged);
});

describe('a run', () => {
  const good = { operations: { ok: 1, failed: 0, unknown: 0 }, verified: true, errors: {} };

  test.each([
    ['that was found linearizable', good, options],
    ['in which commands were refused for a while', { ...good, errors: { ERR_NO_QUORUM: 3 } }, options],
    ['that was not to be checked', { ...good, verified: null }, { ...options, verify: false }],
    ['that cannot be checked', { ...good, verified: null }, { ...options, consistency: 'session' }],
  ] as const)('%s is good', (_, run, asked) => {
    expect(whatDoesNotHold(run, asked)).toBeUndefined();
  });

  test.each([
    ['that is not linearizable', { ...good, verified: false }, /NOT linearizable/],
    [
      'whose replicas ran out of disk',
      { ...good, errors: { ERR_DISK_FULL: 3 } },
      /no quorum was left: ERR_DISK_FULL/,
    ],
    ['whose check gave up', { ...good, verified: null }, /no verdict/],
    ['that acknowledged nothing', { ...good, operations: { ...good.operations, ok: 0 } }, /acknowledged/],
  ])('%s is not', (_, run, words) => {
    expect(whatDoesNotHold(run, options)).toMatch(words);
  });
});
