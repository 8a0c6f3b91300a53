import { seededRandom } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import type { Scene } from '../../src/faults/fault.ts';
import { followerKill } from '../../src/faults/follower-kill.ts';
import { leaderKill } from '../../src/faults/leader-kill.ts';
import { leaderPause } from '../../src/faults/leader-pause.ts';
import { partition } from '../../src/faults/partition.ts';
import { scheduleFaults } from '../../src/faults/schedule.ts';
import { faultList, readFaults, requireSurvivable } from '../../src/faults/table.ts';

/** A cluster led by `a` that only writes down what is done to it. */
function sceneOf(nodes: number, changes: Partial<Scene> = {}) {
  const done: string[] = [];
  const note = (what: string) => async (whom?: unknown) => {
    done.push(whom === undefined ? what : `${what} ${JSON.stringify(whom)}`);
  };
  const faults = {
    kill: note('kill'),
    restart: note('restart'),
    pause: note('pause'),
    resume: note('resume'),
    partition: note('partition'),
    heal: note('heal'),
  };
  const followers = Array.from({ length: nodes - 1 }, (_, at) => String.fromCharCode(98 + at));
  const scene: Scene = {
    faults,
    leader: 'a',
    followers,
    isDurable: true,
    random: seededRandom(1),
    ...changes,
  };
  return { scene, done };
}

describe('what a fault does, and undoes', () => {
  test.each([
    [leaderKill, 'a', ['kill "a"', 'restart "a"']],
    [leaderPause, 'a', ['pause "a"', 'resume "a"']],
    [partition, 'a | b,c', ['partition [["a"],["b","c"]]', 'heal']],
  ])('$name of three nodes', async (fault, target, expected) => {
    const { scene, done } = sceneOf(3);
    const struck = await fault.strike(scene);
    expect(struck.target).toBe(target);
    expect(done).toEqual(expected.slice(0, 1));
    await struck.mend?.();
    expect(done).toEqual(expected);
  });

  test('follower-kill hits every follower sooner or later, and never the leader', async () => {
    const random = seededRandom(7);
    const targets = new Set<string>();
    for (let strike = 0; strike < 50; strike += 1) {
      const { scene, done } = sceneOf(3, { random });
      const { target, mend } = await followerKill.strike(scene);
      await mend?.();
      expect(done).toEqual([`kill "${target}"`, `restart "${target}"`]);
      targets.add(target);
    }
    expect([...targets].sort()).toEqual(['b', 'c']);
  });

  test.each([leaderKill, followerKill])('$name without a disk has no way back', async (fault) => {
    const { scene } = sceneOf(3, { isDurable: false });
    expect((await fault.strike(scene)).mend).toBeUndefined();
  });

  test.each([
    [2, 'a | b'],
    [3, 'a | b,c'],
    [4, 'a | b,c,d'],
    [5, 'a,b | c,d,e'],
    [6, 'a,b | c,d,e,f'],
    [7, 'a,b,c | d,e,f,g'],
  ])('a partition of %i nodes leaves the leader less than a majority', async (nodes, target) => {
    expect((await partition.strike(sceneOf(nodes).scene)).target).toBe(target);
  });
});

describe('the schedule', () => {
  test('one fault strikes after a third of the run and is mended before the last', () => {
    expect(scheduleFaults([leaderKill], 10_000)).toEqual([
      { fault: leaderKill, strikeAtMs: 3_500, lastsMs: 3_000 },
    ]);
  });

  test('several strike one after the other, each mended long before the next', () => {
    const faults = [leaderKill, partition, leaderPause];
    const schedule = scheduleFaults(faults, 30_000);
    expect(schedule.map(({ fault }) => fault)).toEqual(faults);
    for (const [at, { strikeAtMs, lastsMs }] of schedule.entries()) {
      const nextMs = schedule[at + 1]?.strikeAtMs ?? 30_000;
      expect(nextMs - strikeAtMs - lastsMs).toBeGreaterThanOrEqual(3_000);
    }
  });

  test('without faults there is none', () => {
    expect(scheduleFaults([], 10_000)).toEqual([]);
  });
});

describe('faults by name', () => {
  test('are read in the order given', () => {
    expect(readFaults('partition,leader-kill')).toEqual([partition, leaderKill]);
    expect(readFaults('none')).toEqual([]);
  });

  test.each(['', 'leader', 'none,leader-kill', 'leader-kill,leader-kill', 'list,none'])(
    '%j is refused',
    (text) => {
      expect(() => readFaults(text)).toThrow(/--faults/);
    },
  );

  test('are listed with a sentence each', () => {
    const lines = faultList().split('\n');
    expect(lines.map((line) => line.split(' ')[0])).toEqual([
      'none',
      'leader-kill',
      'follower-kill',
      'partition',
      'leader-pause',
    ]);
    for (const line of lines) expect(line).toMatch(/^[a-z-]+ +\w.{20,}$/);
  });

  test.each([
    ['leader-kill', 3, 'memory'],
    ['leader-kill,follower-kill', 5, 'memory'],
    ['leader-kill,follower-kill', 3, 'disk'],
    ['leader-kill', 1, 'disk'],
    ['partition,leader-pause,leader-kill', 3, 'memory'],
  ] as const)('%s on %i nodes with %s can be survived', (text, nodes, storage) => {
    requireSurvivable(readFaults(text), { nodes, storage });
  });

  test.each([
    ['leader-kill', 1, 'memory', /majority/],
    ['leader-kill', 2, 'memory', /majority/],
    ['leader-kill,follower-kill', 3, 'memory', /majority/],
    ['follower-kill', 1, 'disk', /2 nodes or more/],
    ['partition', 1, 'disk', /2 nodes or more/],
  ] as const)('%s on %i nodes with %s is refused', (text, nodes, storage, reason) => {
    expect(() => requireSurvivable(readFaults(text), { nodes, storage })).toThrow(reason);
  });
});
