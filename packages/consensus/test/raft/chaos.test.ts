import { describe, expect, test } from 'vitest';
import { type ChaosReport, type ChaosSettings, runChaos } from '../../src/conformance/chaos.ts';
import type { RaftMessage } from '../../src/raft/message.ts';
import { type RaftState, raft } from '../../src/raft/raft.ts';
import { checkRaftSafety } from './raft-safety.ts';

const nothing: ChaosReport = {
  accepted: 0,
  committed: 0,
  readsServed: 0,
  leaseReads: 0,
  transfers: 0,
  leaderChanges: 0,
  crashes: 0,
  installs: 0,
};

/** The reports of all seeds together. */
function runSeeds(
  seeds: number,
  settings: Omit<ChaosSettings<RaftState, RaftMessage>, 'protocol' | 'seed' | 'observe'>,
): ChaosReport {
  const total = { ...nothing };
  for (let seed = 1; seed <= seeds; seed++) {
    const report = runChaos({ ...settings, protocol: raft, seed, observe: checkRaftSafety });
    for (const key of Object.keys(total) as (keyof ChaosReport)[]) total[key] += report[key];
  }
  return total;
}

describe('Raft under chaos is safe, and live once healed', () => {
  test.each([
    { nodes: 1, seeds: 20 },
    { nodes: 3, seeds: 100 },
    { nodes: 5, seeds: 60 },
  ])('$nodes nodes, $seeds seeds', ({ nodes, seeds }) => {
    const total = runSeeds(seeds, { nodes });
    expect(total.committed).toBeGreaterThan(20 * seeds);
    expect(total.readsServed).toBeGreaterThan(5 * seeds);
    expect(total.crashes).toBeGreaterThan(seeds);
    if (nodes > 1) expect(total.leaderChanges).toBeGreaterThan(2 * seeds);
    if (nodes > 1) expect(total.installs).toBeGreaterThan(seeds / 8);
  });

  test.each([
    { nodes: 3, seeds: 100 },
    { nodes: 5, seeds: 60 },
  ])(
    'with leases, transfers and silence, clocks that drift: $nodes nodes, $seeds seeds',
    ({ nodes, seeds }) => {
      const total = runSeeds(seeds, { nodes, hasLeases: true, hasTransfers: true, hasQuiescence: true });
      expect(total.committed).toBeGreaterThan(20 * seeds);
      expect(total.leaseReads).toBeGreaterThan(3 * seeds);
      expect(total.transfers).toBeGreaterThan(seeds);
    },
  );
});
