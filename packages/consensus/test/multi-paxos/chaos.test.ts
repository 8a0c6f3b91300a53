import { describe, expect, test } from 'vitest';
import { type ChaosReport, runChaos } from '../../src/conformance/chaos.ts';
import { multiPaxos } from '../../src/multi-paxos/multi-paxos.ts';

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
    const total = { accepted: 0, committed: 0, readsServed: 0, leaderChanges: 0, crashes: 0, installs: 0 };
    for (let seed = 1; seed <= seeds; seed++) {
      const report = runChaos({ protocol: multiPaxos, nodes, seed, options });
      for (const key of Object.keys(total) as (keyof ChaosReport)[]) total[key] += report[key];
    }
    expect(total.committed).toBeGreaterThan(20 * seeds);
    expect(total.readsServed).toBeGreaterThan(5 * seeds);
    expect(total.crashes).toBeGreaterThan(seeds);
    if (nodes > 1) expect(total.leaderChanges).toBeGreaterThan(2 * seeds);
    if (nodes > 1) expect(total.installs).toBeGreaterThan(seeds / 5);
  });
});
