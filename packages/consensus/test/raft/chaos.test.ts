import { describe, expect, test } from 'vitest';
import { type ChaosReport, runChaos } from '../../src/conformance/chaos.ts';
import { raft } from '../../src/raft/raft.ts';
import { checkRaftSafety } from './raft-safety.ts';

describe('Raft under chaos is safe, and live once healed', () => {
  test.each([
    { nodes: 1, seeds: 20 },
    { nodes: 3, seeds: 100 },
    { nodes: 5, seeds: 60 },
  ])('$nodes nodes, $seeds seeds', ({ nodes, seeds }) => {
    const total: Record<keyof ChaosReport, number> = {
      accepted: 0,
      committed: 0,
      readsServed: 0,
      leaseReads: 0,
      transfers: 0,
      leaderChanges: 0,
      crashes: 0,
      installs: 0,
    };
    for (let seed = 1; seed <= seeds; seed++) {
      const report = runChaos({ protocol: raft, nodes, seed, observe: checkRaftSafety });
      for (const key of Object.keys(total) as (keyof ChaosReport)[]) total[key] += report[key];
    }
    expect(total.committed).toBeGreaterThan(20 * seeds);
    expect(total.readsServed).toBeGreaterThan(5 * seeds);
    expect(total.crashes).toBeGreaterThan(seeds);
    if (nodes > 1) expect(total.leaderChanges).toBeGreaterThan(2 * seeds);
    if (nodes > 1) expect(total.installs).toBeGreaterThan(seeds / 5);
  });
});
