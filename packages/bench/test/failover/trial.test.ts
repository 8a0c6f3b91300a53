/** A trial of a failover, with the cluster played by hand. */
import { EventEmitter } from 'node:events';
import { seededRandom } from '@quorate/core';
import { expect, test } from 'vitest';
import type { FailoverKind } from '../../src/failover/kind.ts';
import { runTrial } from '../../src/failover/trial.ts';
import { AckWatch } from '../../src/outage/ack-watch.ts';
import { ManualClock, settled } from '../workload/manual-clock.ts';

class PlayedCluster extends EventEmitter {
  leader = 'a';
  term = 1;
  commitIndex = 1;
  appliedIndex = 1;
  readonly down = new Set<string>();
  readonly faults = {};

  status = () => ({
    algorithm: 'raft',
    epoch: 1,
    leader: this.leader,
    nodes: Object.fromEntries(['a', 'b', 'c'].map((node) => [node, this.#statusOf(node)])),
  });

  #statusOf(node: string) {
    const role = this.down.has(node) ? 'down' : node === this.leader ? 'leader' : 'follower';
    const { term, commitIndex, appliedIndex } = this;
    return { role, term, commitIndex, appliedIndex, mailboxDepth: 0, failure: undefined };
  }

  elect(node: string): void {
    this.leader = node;
    this.term += 1;
    this.emit('leader', { node, term: this.term });
  }
}

/** A cluster whose leader was just struck, at `strikeMs`. */
async function struck(
  measure: FailoverKind['measure'] = 'first-ack',
  meanwhile: (cluster: PlayedCluster, ms: number) => void = () => undefined,
) {
  const clock = new ManualClock();
  const cluster = new PlayedCluster();
  const acks = new AckWatch();
  let strikeMs: number | undefined;
  const kind: FailoverKind = {
    name: 'crash',
    measure,
    strike: async ({ leader }) => {
      strikeMs = clock.nowMs();
      cluster.down.add(leader);
      return { target: leader, mend: async () => void cluster.down.delete(leader) };
    },
  };
  const options = { calmMs: 100, heartbeatMs: 50, random: seededRandom(7) };
  const trial = runTrial({ cluster: cluster as never, acks, clock }, kind, options);
  trial.catch(() => undefined);
  for (let ms = 1; strikeMs === undefined && ms < 1_000; ms++) {
    await clock.advanceTo(ms);
    acks.record('ok', 0, ms);
    meanwhile(cluster, ms);
  }
  if (strikeMs === undefined) throw new Error('nothing struck');
  return { clock, cluster, acks, trial, strikeMs };
}

test('the strike waits for calm, and for a share of a heartbeat', async () => {
  const { strikeMs } = await struck();
  expect(strikeMs).toBeGreaterThan(100);
  expect(strikeMs).toBeLessThan(150);
});

test('the strike does not wait for the nodes to tell how far they are, and so keeps no time with them', async () => {
  const { strikeMs } = await struck('first-ack', (cluster, ms) => {
    cluster.commitIndex = ms;
  });
  expect(strikeMs).toBeLessThan(150);
});

test('a change of leader in the calm begins it anew, and the new leader is struck', async () => {
  const { cluster, strikeMs } = await struck('first-ack', (played, ms) => {
    if (ms === 60) played.elect('b');
  });
  expect(strikeMs).toBeGreaterThan(200);
  expect([...cluster.down]).toEqual(['b']);
});

test('a cluster that changes its leader all the time fails the trial', async () => {
  const cluster = new PlayedCluster();
  const clock = new ManualClock();
  const kind = { name: 'crash', measure: 'first-ack', strike: async () => expect.unreachable() } as const;
  const options = { calmMs: 100, heartbeatMs: 50, random: seededRandom(7) };
  const trial = runTrial({ cluster: cluster as never, acks: new AckWatch(), clock }, kind, options);
  trial.catch(() => undefined);
  for (let ms = 50; ms <= 21_000; ms += 50) {
    await clock.advanceTo(ms);
    cluster.elect(ms % 100 === 0 ? 'a' : 'b');
  }
  await expect(trial).rejects.toMatchObject({ code: 'ERR_NO_QUORUM' });
});

test('what was under way at the strike does not count, nor what comes before news of another leader', async () => {
  const { clock, cluster, acks, trial, strikeMs } = await struck();
  acks.record('ok', 0, strikeMs + 1);
  await clock.advanceTo(strikeMs + 5);
  cluster.emit('node-down', { node: 'a' });
  // Late news of the old leader's own rule, then what a follower says of the one that it voted for.
  cluster.emit('leader', { node: 'a', term: 1 });
  cluster.emit('leader', { node: 'c', term: 2 });
  acks.record('ok', 0, strikeMs + 6);
  await clock.advanceTo(strikeMs + 30);
  cluster.elect('c');
  await settled();
  await clock.advanceTo(strikeMs + 34);
  acks.record('ok', 0, strikeMs + 34);
  acks.record('ok', 0, strikeMs + 35);
  await clock.advanceTo(strikeMs + 200);
  expect(await trial).toMatchObject({
    target: 'a',
    nodeDownAfterMs: 5,
    leadersAfterMs: [5, 30],
    firstAckAfterMs: 34,
    termsPassed: 1,
  });
  expect(cluster.down.size).toBe(0);
  expect(cluster.listenerCount('leader') + cluster.listenerCount('node-down')).toBe(0);
});

test('the gap is the longest between two acknowledgements around the strike', async () => {
  const { clock, cluster, acks, trial, strikeMs } = await struck('longest-gap');
  acks.record('ok', 0, strikeMs + 2);
  await clock.advanceTo(strikeMs + 3);
  cluster.elect('b');
  await settled();
  acks.record('ok', 0, strikeMs + 100);
  for (let ms = 105; ms < 160; ms += 5) {
    await clock.advanceTo(strikeMs + ms);
    acks.record('ok', 0, strikeMs + ms);
  }
  await clock.advanceTo(strikeMs + 300);
  expect((await trial).longestGapMs).toBeCloseTo(98);
});

test('a cluster that nobody comes to lead fails the trial', async () => {
  const { clock, cluster, trial, strikeMs } = await struck();
  await clock.advanceTo(strikeMs + 30_000);
  await expect(trial).rejects.toMatchObject({ code: 'ERR_NO_QUORUM' });
  expect(cluster.listenerCount('leader')).toBe(0);
});
