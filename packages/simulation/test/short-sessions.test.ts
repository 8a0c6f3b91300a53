/** Many short sessions leave nothing behind: not in the replicated state, and not in the client. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { defaultTuning, loadProtocol } from '@quorate/consensus';
import { type NodeId, seededRandom } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { calmWeather } from '../src/circumstances.ts';
import registers from '../src/registers.ts';
import { SimulatedCluster } from '../src/simulated-cluster.ts';
import { Trace } from '../src/trace.ts';
import { VirtualTime } from '../src/virtual-time.ts';

const names = ['a', 'b', 'c'] as NodeId[];

function startCluster(algorithm: string): { readonly time: VirtualTime; readonly cluster: SimulatedCluster } {
  const time = new VirtualTime();
  const cluster = new SimulatedCluster({
    time,
    random: seededRandom(11).fork('cluster'),
    trace: new Trace(false),
    algorithm,
    members: names,
    latency: { writeMs: [0.01, 0.1], datasyncMs: [0.1, 1], slowRate: 0 },
    tellsOfExits: true,
    failed: (_, error) => {
      throw error;
    },
    replica: {
      machine: registers,
      loadProtocol,
      tuning: { ...defaultTuning, snapshotEveryBytes: 1_500, segmentBytes: 64 * 1024 },
    },
  });
  cluster.network.setWeather(calmWeather);
  for (const name of names) cluster.start(name);
  return { time, cluster };
}

describe.each(['raft', 'multi-paxos'])('%s', (algorithm) => {
  test('sessions that are closed are forgotten by all replicas, whoever crashes and restarts', async () => {
    const { time, cluster } = startCluster(algorithm);
    const client = await cluster.addClient('client-1' as NodeId);
    const held: WeakRef<object>[] = [];
    let isDone = false;
    const work = async (): Promise<void> => {
      for (let id = 1; id <= 200; id++) {
        const leader = cluster.leader();
        if (id % 50 === 0 && leader !== undefined) {
          cluster.crash(leader);
          cluster.start(leader);
        }
        // One name after the other, and some without one.
        const session = client.session(id % 3 === 0 ? undefined : `worker ${id % 7}`);
        held.push(new WeakRef(session));
        await session.propose(['write', id, 1, id], { timeoutMs: 10_000 });
        await session.close({ timeoutMs: 10_000 });
      }
    };
    const worked = work().finally(() => {
      isDone = true;
    });
    await time.runUntil(() => isDone || time.nowMs > 200_000);
    await worked;
    const endMs = time.nowMs + 5_000;
    // A replica that is behind by a whole session knows of none either.
    const hasAll = (): boolean =>
      cluster.nodes.every(({ opened }) => opened?.state.appliedIndex === lastIndex);
    const lastIndex = Math.max(...cluster.nodes.map(({ opened }) => opened?.state.appliedIndex ?? 0));
    await time.runUntil(() => hasAll() || time.nowMs > endMs);
    expect(cluster.nodes.map(({ opened }) => opened?.state.sessions.size)).toEqual([0, 0, 0]);
    const audits = cluster.nodes.map(({ opened }) => opened?.state.ask(['audit']) as { applied: unknown[] });
    for (const { applied } of audits) expect(applied).toHaveLength(200);

    // A name to ask for the collector by, without a flag for the whole test run.
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    const alive = held.filter((one) => one.deref() !== undefined).length;
    expect(alive).toBeLessThan(20);
  });
});
