import { expect, test } from 'vitest';
import { raft } from '../../src/raft/raft.ts';
import { ProtocolCluster } from '../protocol-cluster.ts';

test('a cluster elects one leader, and what it accepts is committed everywhere', () => {
  const cluster = new ProtocolCluster({
    protocol: raft,
    nodes: 3,
    syncMs: [0.1, 2],
    network: { delayMs: [0.1, 2] },
  });
  expect(cluster.runUntil(() => cluster.leader() !== undefined)).toBe(true);
  const leader = cluster.leader() ?? '';
  expect(cluster.propose(leader, 'a', 'b')).toMatchObject({ type: 'accepted', first: 2, last: 3 });
  const read = cluster.read(leader);
  cluster.run(200);
  for (const member of cluster.members) expect(cluster.committedTexts(member)).toEqual(['a', 'b']);
  expect(cluster.readOutcome(read)).toBeGreaterThanOrEqual(1);
});
