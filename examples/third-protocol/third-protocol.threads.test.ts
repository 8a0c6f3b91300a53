/** The third protocol passes what it claims to pass, and runs in a cluster of real threads. */
import { Cluster, type Protocol } from '@quorate/consensus';
import { conformanceCases, conformanceFailures } from '@quorate/consensus/conformance';
import { describe, expect, onTestFinished, test } from 'vitest';
import type counter from '../counter/counter.ts';

const algorithm = new URL('../dist/third-protocol/fixed-leader.js', import.meta.url);
const stateMachine = new URL('../dist/counter/counter.js', import.meta.url);
const { default: fixedLeader } = (await import(algorithm.href)) as {
  readonly default: Protocol<unknown, unknown>;
};

describe('the fixed leader conforms', () => {
  for (const { name, run } of conformanceCases(fixedLeader, { parts: ['interface', 'safety'] }))
    test(name, run);
});

test('it makes no claim to liveness, and the suite sees why: nobody takes the place of a leader that is gone', () => {
  const failures = conformanceFailures(fixedLeader, { parts: ['liveness'] });
  expect(failures.map(({ caseName }) => caseName)).toEqual([
    'another leads when the leader has crashed',
    'another leads when the leader is cut off',
    'another leads when the leader hangs',
    'a lead is handed over to a member that is up',
    'an idle leader that fell silent and is gone is replaced on the hint',
  ]);
});

async function started(options: { readonly algorithm: string | URL }) {
  const cluster = await Cluster.start<typeof counter>({
    ...options,
    nodes: ['a', 'b', 'c'],
    stateMachine,
    storage: 'memory',
  });
  onTestFinished(() => cluster.stop());
  return cluster;
}

const inTime = { timeoutMs: 20_000 };

test('a cluster runs it, given by its URL', async () => {
  const cluster = await started({ algorithm });
  for (let value = 1; value <= 20; value++) expect(await cluster.propose({ add: 1 }, inTime)).toBe(value);
  expect(await cluster.query('value', inTime)).toBe(20);
  expect(cluster.status().algorithm).toBe(algorithm.href);
  const { leader } = cluster.status();
  await cluster.faults.kill(leader === 'b' ? 'c' : 'b');
  expect(await cluster.propose({ add: 1 }, inTime)).toBe(21);
});

test('a running cluster changes to it and back, and counts on', async () => {
  const cluster = await started({ algorithm: 'raft' });
  let value = 0;
  for (const next of [algorithm.href, 'multi-paxos', algorithm.href, 'raft']) {
    expect(await cluster.propose({ add: 1 }, inTime)).toBe(++value);
    await cluster.reconfigure({ algorithm: next });
    expect(await cluster.propose({ add: 1 }, inTime)).toBe(++value);
    expect(cluster.status().algorithm).toBe(next);
  }
});
