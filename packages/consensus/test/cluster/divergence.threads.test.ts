/** State machines that are not deterministic, on real threads: whoever differs from the majority stops and says so. */
import { join } from 'node:path';
import type { Cluster, NodeStatus } from '@quorate/consensus';
import { describe, expect, test } from 'vitest';
import {
  algorithms,
  eventually,
  type Ledger,
  leaderOf,
  machineUrl,
  nodeIs,
  outcomeOf,
  startLedger,
  temporaryDirectory,
} from './running-cluster.ts';

const timeoutMs = 20_000;
const code = 'ERR_STATE_DIVERGED';

function divergingUrl(asked: Readonly<Record<string, string>>): URL {
  const url = machineUrl('diverging');
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  return url;
}

/** Every replica that stops from now on, and why. */
function failuresOf(cluster: Cluster<Ledger>): Map<string, string> {
  const failures = new Map<string, string>();
  cluster.on('node-failed', ({ node, code: why }) => failures.set(node, why));
  return failures;
}

function nodeThatLeads(cluster: Cluster<Ledger>): NodeStatus | undefined {
  const { leader, nodes } = cluster.status();
  return leader === undefined ? undefined : nodes[leader];
}

/**
 * Proposes on several sessions at once, each command an entry of its own, until `isEnough`, or until one is
 * not acknowledged. Tells how often each outcome came.
 */
async function proposeUntil(cluster: Cluster<Ledger>, isEnough: () => boolean): Promise<Map<string, number>> {
  const outcomes = new Map<string, number>();
  const sessions = Array.from({ length: 8 }, () => cluster.session());
  await Promise.all(
    sessions.map(async (session) => {
      while (!isEnough()) {
        const outcome = await outcomeOf(session.propose('x', { timeoutMs }));
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        if (outcome !== 'acknowledged') return;
      }
    }),
  );
  return outcomes;
}

describe.each(algorithms)('%s', (algorithm) => {
  test('chance in the results on all nodes: no majority agrees, so all stop, and clients are told why', async () => {
    const cluster = await startLedger({ algorithm, stateMachine: divergingUrl({ in: 'results' }) });
    const failures = failuresOf(cluster);
    const outcomes = await proposeUntil(cluster, () => failures.size === 3);
    await eventually('all have stopped', () => failures.size === 3);
    expect(failures).toEqual(new Map(['a', 'b', 'c'].map((node) => [node, code])));
    // What had been sent when the quorum was lost may have happened.
    for (const outcome of outcomes.keys()) {
      expect(['acknowledged', 'ERR_OUTCOME_UNKNOWN', code]).toContain(outcome);
    }
    for (const node of ['a', 'b', 'c']) {
      expect(cluster.status().nodes[node]).toMatchObject({ role: 'failed', failure: { code } });
    }
    expect(await outcomeOf(cluster.propose('x', { timeoutMs }))).toBe(code);
    await expect(cluster.query('size', { timeoutMs })).rejects.toMatchObject({ code });
  });

  test.each(['results', 'state'])(
    'chance in the %s of one node: it stops, the others go on, and started anew in its senses it is one of them',
    async (within) => {
      const directory = temporaryDirectory();
      const mark = join(directory, 'mark');
      const cluster = await startLedger({
        algorithm,
        stateMachine: divergingUrl({ in: within, mark }),
        storage: { directory: join(directory, 'data') },
      });
      const failures = failuresOf(cluster);
      let acknowledged = 0;
      const propose = async (isEnough: () => boolean): Promise<void> => {
        const outcomes = await proposeUntil(cluster, isEnough);
        expect([...outcomes.keys()]).toEqual(['acknowledged']);
        acknowledged += outcomes.get('acknowledged') ?? 0;
      };
      /** Entries enough for the replicas to compare their states more than once. */
      const proposeMore = async (): Promise<void> => {
        const from = nodeThatLeads(cluster)?.commitIndex ?? 0;
        await propose(() => (nodeThatLeads(cluster)?.commitIndex ?? 0) > from + 160);
      };
      await propose(() => failures.size > 0);
      await proposeMore();
      const [[odd, why] = ['', '']] = [...failures];
      expect([failures.size, why]).toEqual([1, code]);
      expect(cluster.status().nodes[odd]).toMatchObject({
        role: 'failed',
        failure: {
          code,
          message: expect.stringContaining(`the state machine of ${odd} is not deterministic`),
        },
      });
      expect(await cluster.query('size', { timeoutMs })).toBe(acknowledged);

      // It has no snapshot: what it has is what was chosen, applied again from the beginning.
      await cluster.faults.restart(odd);
      const { commitIndex } = cluster.status().nodes[await leaderOf(cluster)] as { commitIndex: number };
      await nodeIs(
        cluster,
        odd,
        ({ role, appliedIndex }) => role === 'follower' && appliedIndex >= commitIndex,
      );
      await proposeMore();
      expect(failures.size).toBe(1);
      expect(await cluster.query('size', { timeoutMs })).toBe(acknowledged);
    },
  );
});
