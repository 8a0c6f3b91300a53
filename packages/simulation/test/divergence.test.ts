/**
 * State machines that are not deterministic are stopped: in a simulated cluster, where the clock that they
 * should not read and the dice that they should not throw are part of the seed.
 */
import {
  type ApplyContext,
  defaultTuning,
  loadProtocol,
  type StateMachine,
  type StateMachineDefinition,
} from '@quorate/consensus';
import { hasCode, messageOf, type NodeId, type Random, seededRandom } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { calmWeather } from '../src/circumstances.ts';
import { SimulatedCluster } from '../src/simulated-cluster.ts';
import { Trace } from '../src/trace.ts';
import { VirtualTime } from '../src/virtual-time.ts';

/** What a sound machine has no part in. */
interface World {
  readonly node: NodeId;
  readonly wallMs: () => number;
  readonly random: Random;
}

type Machine = StateMachine<number, null, unknown, unknown>;
type MachineIn = (world: World) => Machine;

/** Adds up what it is given; `spoil` has a say in what becomes of each command. */
function summing(spoil: (sum: number, context: ApplyContext) => unknown, digest = true): Machine {
  let sum = 0;
  return {
    apply(command, context) {
      sum += command;
      return spoil(sum, context);
    },
    query: () => sum,
    snapshot: () => sum,
    restore: (saved) => {
      sum = saved as number;
    },
    ...(digest ? { digest: () => sum } : {}),
  };
}

/** Its results agree, and in its state stands what it should not know. */
function remembering(secret: () => number, withDigest: boolean): Machine {
  let remembered = 0;
  return {
    apply: () => {
      remembered = secret();
      return null;
    },
    query: () => remembered,
    snapshot: () => remembered,
    restore: (saved) => {
      remembered = saved as number;
    },
    ...(withDigest ? { digest: () => remembered } : {}),
  };
}

/** Keeps a Map, whose order the snapshot turns round: what a replica that was restored finds first is another. */
function mapOrdered(): Machine {
  let kept = new Map<string, number>();
  return {
    apply(command) {
      kept.set(`k${command % 7}`, command);
      return [...kept.keys()][0];
    },
    query: () => null,
    snapshot: () => [...kept],
    restore: (saved) => {
      kept = new Map([...(saved as [string, number][])].reverse());
    },
  };
}

/** A snapshot that forgets what stands behind the point. */
function lossy(): Machine {
  let sum = 0;
  return {
    apply: (command) => {
      sum += command + 0.25;
      return null;
    },
    query: () => sum,
    snapshot: () => Math.floor(sum),
    restore: (saved) => {
      sum = saved as number;
    },
    digest: () => sum,
  };
}

interface Run {
  readonly stopped: ReadonlyMap<NodeId, unknown>;
  readonly acknowledged: number;
  readonly refusal: unknown;
}

const names = ['a', 'b', 'c'] as NodeId[];

/** Proposes one command after the other until as many are acknowledged, or no quorum is left. */
async function run(
  algorithm: string,
  machineIn: MachineIn,
  { commands = 400, crashes = [] as readonly number[] } = {},
): Promise<Run> {
  const time = new VirtualTime();
  const random = seededRandom(17);
  const stopped = new Map<NodeId, unknown>();
  const cluster: SimulatedCluster = new SimulatedCluster({
    time,
    random: random.fork('cluster'),
    trace: new Trace(false),
    algorithm,
    members: names,
    latency: { writeMs: [0.01, 0.1], datasyncMs: [0.1, 1], slowRate: 0 },
    tellsOfExits: true,
    failed: (node, error) => stopped.set(node, error),
    machine: ({ node }) => {
      const at = names.indexOf(node);
      const world = {
        node,
        wallMs: () => time.nowMs + 1_000 * at,
        random: random.fork(`${node} ${cluster.node(node).life}`),
      };
      const create = (): Machine => machineIn(world);
      return { kind: 'quorate.state-machine', version: 1, create } as StateMachineDefinition;
    },
    replica: {
      machine: undefined as never,
      loadProtocol,
      tuning: { ...defaultTuning, snapshotEveryBytes: 1_500, segmentBytes: 64 * 1024 },
    },
  });
  cluster.network.setWeather(calmWeather);
  for (const name of names) cluster.start(name);
  const client = await cluster.addClient('client-1' as NodeId);
  let acknowledged = 0;
  let refusal: unknown;
  let isDone = false;
  const work = async (): Promise<void> => {
    const session = client.session();
    for (let command = 1; acknowledged < commands; command++) {
      const isStruck = crashes.includes(command);
      const victim = cluster.leader();
      if (isStruck && victim !== undefined) {
        cluster.crash(victim);
        cluster.start(victim);
      }
      try {
        await session.propose(command, { timeoutMs: 5_000 });
        acknowledged += 1;
      } catch (error) {
        if (hasCode(error, 'ERR_COMMAND_FAILED')) acknowledged += 1;
        // What was under way when the last quorum stopped, nobody can tell.
        else if (!hasCode(error, 'ERR_OUTCOME_UNKNOWN')) throw error;
      }
    }
  };
  void work()
    .catch((error: unknown) => {
      refusal = error;
    })
    .finally(() => {
      isDone = true;
    });
  await time.runUntil(() => isDone || time.nowMs >= 120_000);
  const restMs = time.nowMs + 500;
  await time.runUntil(() => time.nowMs >= restMs);
  return { stopped, acknowledged, refusal };
}

const diverged = expect.objectContaining({ code: 'ERR_STATE_DIVERGED' });

describe.each(['raft', 'multi-paxos'])('%s', (algorithm) => {
  const everywhere: readonly (readonly [string, MachineIn])[] = [
    ['returns the wall clock', ({ wallMs }) => summing(() => wallMs())],
    ['returns a random number', ({ random }) => summing(() => random.next())],
    [
      'throws a text with the wall clock in it',
      ({ wallMs }) =>
        summing((sum) => {
          throw new Error(`no ${sum} at ${wallMs()}`);
        }),
    ],
    ['remembers the wall clock, and tells nobody', ({ wallMs }) => remembering(wallMs, true)],
    ['remembers a random number, and tells nobody', ({ random }) => remembering(() => random.next(), true)],
  ];
  test.each(everywhere)(
    'a machine that %s is stopped on all nodes, and clients are told',
    async (_, machine) => {
      const { stopped, acknowledged, refusal } = await run(algorithm, machine);
      expect([...stopped.keys()].sort()).toEqual(names);
      for (const error of stopped.values()) expect(error).toEqual(diverged);
      expect(refusal).toMatchObject({ code: 'ERR_STATE_DIVERGED' });
      expect(acknowledged).toBeLessThan(200);
    },
  );

  test('scenario 42: a machine that is wrong on one node is stopped there, and the others go on', async () => {
    const { stopped, acknowledged, refusal } = await run(algorithm, ({ node, random }) =>
      summing((sum) => (node === 'b' ? random.next() : sum)),
    );
    expect([...stopped.keys()]).toEqual(['b']);
    expect(stopped.get('b' as NodeId)).toEqual(diverged);
    expect(messageOf(stopped.get('b' as NodeId))).toContain('a majority has');
    expect([acknowledged, refusal]).toEqual([400, undefined]);
  });

  test('one that goes wrong once, in one command of many, is stopped', async () => {
    const { stopped } = await run(algorithm, ({ node }) =>
      summing((sum, { position }) => (node === 'c' && position === 100 ? sum + 1 : sum)),
    );
    expect([...stopped.keys()]).toEqual(['c']);
  });

  test('one whose order depends on which nodes were restored is stopped', async () => {
    const { stopped } = await run(algorithm, mapOrdered, { commands: 600, crashes: [200, 300, 400] });
    expect(stopped.size).toBeGreaterThan(0);
    for (const error of stopped.values()) expect(error).toEqual(diverged);
  });

  test('scenario 42: one that its own snapshot does not bring back is stopped when it is restored', async () => {
    const { stopped } = await run(algorithm, lossy, { crashes: [200] });
    expect(stopped.size).toBeGreaterThan(0);
    for (const error of stopped.values()) {
      expect(error).toEqual(diverged);
      expect(messageOf(error)).toContain('restore()');
    }
  });

  test('one that keeps its secret, and has no digest, goes unnoticed: that is what a digest is for', async () => {
    const { stopped, acknowledged } = await run(algorithm, ({ wallMs }) => remembering(wallMs, false));
    expect([stopped.size, acknowledged]).toEqual([0, 400]);
  });

  test('a sound one is never stopped, whoever crashes', async () => {
    const { stopped, acknowledged } = await run(
      algorithm,
      () =>
        summing((sum, context) => {
          if (sum % 5 === 0) throw new Error(`no ${sum} at ${context.timeMs}`);
          return [sum, context.random(), context.timeMs];
        }),
      { commands: 600, crashes: [100, 150, 200, 300, 400, 500] },
    );
    expect([stopped.size, acknowledged]).toEqual([0, 600]);
  });
});
