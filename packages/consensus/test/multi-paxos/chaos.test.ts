import { describe, expect, test } from 'vitest';
import { type ChaosReport, type ChaosSettings, runChaos } from '../../src/conformance/chaos.ts';
import type { MultiPaxosMessage } from '../../src/multi-paxos/message.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';
import type { MultiPaxosState } from '../../src/multi-paxos/state.ts';

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
  settings: Omit<ChaosSettings<MultiPaxosState, MultiPaxosMessage>, 'protocol' | 'seed'>,
): ChaosReport {
  const total = { ...nothing };
  for (let seed = 1; seed <= seeds; seed++) {
    const report = runChaos({ ...settings, protocol: multiPaxos, seed });
    for (const key of Object.keys(total) as (keyof ChaosReport)[]) total[key] += report[key];
  }
  return total;
}

describe('Multi-Paxos under chaos is safe, and live once healed', () => {
  test.each([
    { nodes: 1, seeds: 20 },
    { nodes: 3, seeds: 120 },
    { nodes: 5, seeds: 60 },
    // Uneven quorums: many to choose and few to elect, and the other way round.
    { nodes: 4, seeds: 30 },
    { nodes: 4, seeds: 30, acceptQuorum: 2 },
    { nodes: 5, seeds: 30, acceptQuorum: 4 },
    { nodes: 5, seeds: 30, acceptQuorum: 2 },
  ])('$nodes nodes, $seeds seeds, $acceptQuorum to choose', ({ nodes, seeds, acceptQuorum }) => {
    const options = acceptQuorum === undefined ? {} : { acceptQuorum };
    const total = runSeeds(seeds, { nodes, options });
    expect(total.committed).toBeGreaterThan(20 * seeds);
    expect(total.readsServed).toBeGreaterThan(5 * seeds);
    expect(total.crashes).toBeGreaterThan(seeds);
    if (nodes > 1) expect(total.leaderChanges).toBeGreaterThan(2 * seeds);
    if (nodes > 1) expect(total.installs).toBeGreaterThan(seeds / 5);
  });

  test.each([
    { nodes: 3, seeds: 80 },
    { nodes: 5, seeds: 40 },
    { nodes: 5, seeds: 30, acceptQuorum: 2 },
    { nodes: 4, seeds: 30, acceptQuorum: 3 },
  ])(
    'with leases, transfers and silence, clocks that drift: $nodes nodes, $seeds seeds, $acceptQuorum to choose',
    ({ nodes, seeds, acceptQuorum }) => {
      const options = acceptQuorum === undefined ? {} : { acceptQuorum };
      const all = { hasLeases: true, hasTransfers: true, hasQuiescence: true };
      const total = runSeeds(seeds, { nodes, options, ...all });
      expect(total.committed).toBeGreaterThan(20 * seeds);
      expect(total.leaseReads).toBeGreaterThan(3 * seeds);
      expect(total.transfers).toBeGreaterThan(seeds);
    },
  );
});
