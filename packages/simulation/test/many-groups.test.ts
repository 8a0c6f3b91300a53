/** Nodes that carry many groups: those that have nothing to do are silent, and still none is left without a leader. */
import {
  type Client,
  defaultTuning,
  loadProtocol,
  type Session,
  type StateMachineDefinition,
} from '@quorate/consensus';
import { type NodeId, seededRandom } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { calmWeather } from '../src/circumstances.ts';
import registers from '../src/registers.ts';
import { SimulatedCluster } from '../src/simulated-cluster.ts';
import { Trace } from '../src/trace.ts';
import { VirtualTime } from '../src/virtual-time.ts';

const names = ['a', 'b', 'c'] as NodeId[];

class Stage {
  readonly time = new VirtualTime();
  readonly cluster: SimulatedCluster;
  readonly #sessions: Session[] = [];
  readonly #groups: number;

  constructor(algorithm: string, groups: number) {
    this.#groups = groups;
    this.cluster = new SimulatedCluster({
      time: this.time,
      random: seededRandom(5).fork('cluster'),
      trace: new Trace(false),
      algorithm,
      members: names,
      latency: { writeMs: [0.01, 0.1], datasyncMs: [0.1, 1], slowRate: 0 },
      // Nobody is told of a thread's end: what is noticed here is noticed by silence.
      tellsOfExits: false,
      failed: (_, error) => {
        throw error;
      },
      replica: {
        machine: registers as StateMachineDefinition,
        groups,
        loadProtocol,
        tuning: { ...defaultTuning, segmentBytes: 64 * 1024 },
      },
    });
    this.cluster.network.setWeather(calmWeather);
  }

  async start(): Promise<void> {
    for (const name of names) this.cluster.start(name);
    const clients: Promise<Client>[] = [];
    for (let group = 0; group < this.#groups; group++)
      clients.push(this.cluster.addClient(`client-${group}` as NodeId, group));
    for (const client of await Promise.all(clients)) this.#sessions.push(client.session());
  }

  /** Has every group write `value`; the virtual time that the slowest took. */
  async write(value: number): Promise<number> {
    const sinceMs = this.time.nowMs;
    let isOver = false;
    const written = Promise.all(
      this.#sessions.map((session) => session.propose(['write', value, 1, value], { timeoutMs: 60_000 })),
    ).finally(() => {
      isOver = true;
    });
    await this.time.runUntil(() => isOver);
    await written;
    return this.time.nowMs - sinceMs;
  }

  async run(forMs: number): Promise<void> {
    const endMs = this.time.nowMs + forMs;
    await this.time.runUntil(() => this.time.nowMs >= endMs);
  }

  /** What register 1 of each group holds, at each node that is up. */
  values(): number[] {
    return this.cluster.nodes.flatMap((node) =>
      node.runtime === undefined
        ? []
        : Array.from(
            { length: this.#groups },
            (_, group) => node.openedOf(group)?.state.ask(['read', 1]) as number,
          ),
    );
  }

  /** The node whose replicas lead the most groups. */
  busiestLeader(): NodeId {
    const led = ({ name }: { readonly name: NodeId }): number =>
      Array.from({ length: this.#groups }, (_, group) => this.cluster.node(name).openedOf(group)).filter(
        (opened) => opened?.replica.status().role === 'leader',
      ).length;
    const [most] = [...this.cluster.nodes].sort((one, other) => led(other) - led(one));
    return most?.name as NodeId;
  }

  get frames(): number {
    return this.cluster.network.counts().frames;
  }
}

const restMs = 10_000;

describe.each(['raft', 'multi-paxos'])('%s', (algorithm) => {
  test('a hundred groups that start at once elect a leader each, once, and every node leads its share', async () => {
    const stage = new Stage(algorithm, 100);
    await stage.start();
    await stage.write(1);
    const leads = new Map<string, number>(names.map((name) => [name, 0]));
    for (let group = 0; group < 100; group++) {
      const statuses = stage.cluster.nodes.map((node) => node.openedOf(group)?.replica.status());
      const leader = statuses.find((status) => status?.role === 'leader');
      // The first term, or the first round of ballots.
      expect(algorithm === 'raft' ? leader?.reign : Math.floor((leader?.reign ?? 0) / 32)).toBe(1);
      leads.set(leader?.node ?? '', (leads.get(leader?.node ?? '') ?? 0) + 1);
    }
    expect([...leads.values()].sort()).toEqual([33, 33, 34]);
  });

  test('groups at rest send nothing: however many there are, only the nodes say that they live', async () => {
    const framesOf = async (groups: number): Promise<number> => {
      const stage = new Stage(algorithm, groups);
      await stage.start();
      await stage.write(1);
      await stage.run(3_000);
      const before = stage.frames;
      await stage.run(restMs);
      return stage.frames - before;
    };
    const few = await framesOf(2);
    expect(await framesOf(40)).toBe(few);
    // Each of three nodes tells two others, once a heartbeat.
    const heartbeats = restMs / defaultTuning.heartbeatMs;
    expect(few).toBeGreaterThan(6 * (heartbeats - 50));
    expect(few).toBeLessThanOrEqual(6 * (heartbeats + 1));
  });

  test('a node whose groups rest falls silent, and each group that it led has another leader', async () => {
    const stage = new Stage(algorithm, 12);
    await stage.start();
    await stage.write(1);
    await stage.run(3_000);
    const lost = stage.busiestLeader();
    stage.cluster.kill(lost);
    // The longest silence before it is noticed, an election, and a second one where votes were split.
    await stage.run(4 * defaultTuning.electionTimeoutMs[1]);
    expect(await stage.write(2)).toBeLessThan(100);
    await stage.run(1_000);
    expect(new Set(stage.values())).toEqual(new Set([2]));
  });

  test('a node that is back before it was missed leads nothing any more, and that is noticed, too', async () => {
    const stage = new Stage(algorithm, 12);
    await stage.start();
    await stage.write(1);
    await stage.run(3_000);
    const lost = stage.busiestLeader();
    stage.cluster.kill(lost);
    stage.cluster.start(lost);
    await stage.run(4 * defaultTuning.electionTimeoutMs[1]);
    expect(await stage.write(2)).toBeLessThan(100);
  });

  test('the power of all nodes fails at once, and each group has what it acknowledged', async () => {
    const stage = new Stage(algorithm, 12);
    await stage.start();
    await stage.write(1);
    await stage.write(2);
    for (const name of names) stage.cluster.crash(name);
    for (const name of names) stage.cluster.start(name);
    await stage.run(3_000);
    expect(stage.values()).toEqual(Array.from({ length: 36 }, () => 2));
    await stage.write(3);
  });
});
