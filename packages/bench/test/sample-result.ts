/** A result such as two short runs give, one with a fault. */
import type { BenchResult, LimitRow, RunResult, TimelineSlice } from '../src/result.ts';

const latencyMs = { p50: 1.25, p90: 2, p99: 7.125, p999: 290, max: 292.4 };

function sampleSlices(): TimelineSlice[] {
  return Array.from({ length: 20 }, (_, at) => {
    const isDown = at >= 10 && at < 13;
    return { atMs: at * 100, ok: isDown ? 0 : 3_600, p50Ms: isDown ? null : 1.2, p99Ms: isDown ? null : 7 };
  });
}

export function sampleRun(changes: Partial<RunResult> = {}): RunResult {
  return {
    algorithm: 'raft',
    nodes: 3,
    storage: 'disk',
    payloadBytes: 16,
    clients: 64,
    durationSeconds: 2.003,
    operations: { ok: 61_200, failed: 3, unknown: 12 },
    throughputPerSecond: 30_554.17,
    cpuMicrosecondsPerOperation: 21.44,
    latencyMs,
    timeline: [
      { second: 0, ok: 36_000, p50Ms: 1.2, p99Ms: 7 },
      { second: 1, ok: 25_200, p50Ms: 1.2, p99Ms: 7 },
    ],
    faults: [{ kind: 'leader-kill', target: 'b', atMs: 1_001, healedAtMs: 1_800, firstAckAfterMs: 287.4 }],
    recorded: true,
    verified: true,
    limitRatio: null,
    keys: 1_000,
    reads: 0.5,
    consistency: 'linearizable',
    ratePerSecond: null,
    slices: sampleSlices(),
    errors: {},
    warnings: [],
    ...changes,
  };
}

export const sampleLimit: LimitRow = {
  mode: 'decoded',
  nodes: 3,
  storage: 'disk',
  payloadBytes: 16,
  clients: 64,
  durationSeconds: 3,
  operations: { ok: 339_000, failed: 0, unknown: 0 },
  throughputPerSecond: 113_000,
  cpuMicrosecondsPerOperation: 8.5,
  latencyMs: { p50: 0.5, p90: 0.6, p99: 0.9, p999: 2, max: 5 },
};

export function sampleResult(changes: Partial<BenchResult> = {}): BenchResult {
  return {
    machine: { cpu: 'Some CPU', cores: 2, memoryBytes: 8 * 2 ** 30, node: 'v20.19.0', platform: 'linux x64' },
    commit: '0123456789ab',
    commandLine: 'quorate-bench run --faults leader-kill',
    startedAt: '2026-11-20T22:42:00.000Z',
    seed: 7,
    runs: [sampleRun(), sampleRun({ algorithm: 'multi-paxos', faults: [] })],
    limits: [],
    ...changes,
  };
}
