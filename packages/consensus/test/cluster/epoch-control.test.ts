/** Orders to change the cluster, with its nodes and leaders played by hand: every way that they can end. */
import type { CodedError, ErrorCode, NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import { scriptedNodes } from './scripted-nodes.ts';

const [a, b, c, d] = ['a', 'b', 'c', 'd'] as [NodeId, NodeId, NodeId, NodeId];
const patient = { timeoutMs: 60_000 };
const withD = { members: ['a', 'b', 'c', 'd'] };

/** The code that a call fails with, or what it resolves with. */
async function outcome(call: Promise<unknown>): Promise<unknown> {
  return call.catch((error: CodedError) => error.code);
}

/** Resolves when whatever could happen has. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

/** What an order is, by name, and a step of it at each stage. */
const orders = {
  reconfigure: (nodes: Scripted) => nodes.epochs.reconfigure(withD, patient),
  replace: (nodes: Scripted) => nodes.epochs.replace('b', patient),
  'reconfigure of a group': (nodes: Scripted) =>
    nodes.epochs.reconfigureGroup(0, { algorithm: 'multi-paxos' }, patient),
} as const;
type Scripted = Awaited<ReturnType<typeof scriptedNodes>>;

describe('the cluster stops', () => {
  test.each<[keyof typeof orders, string, ErrorCode]>([
    ['reconfigure', 'leader 0', 'ERR_STOPPED'],
    ['reconfigure', 'add d', 'ERR_STOPPED'],
    ['reconfigure', 'open d', 'ERR_STOPPED'],
    ['reconfigure', 'change 0', 'ERR_OUTCOME_UNKNOWN'],
    ['reconfigure', 'established 0', 'ERR_OUTCOME_UNKNOWN'],
    ['reconfigure', 'barrier 0', 'ERR_OUTCOME_UNKNOWN'],
    ['replace', 'kill b', 'ERR_STOPPED'],
    ['replace', 'barrier 0', 'ERR_STOPPED'],
    ['replace', 'restart b', 'ERR_STOPPED'],
    ['replace', 'open b', 'ERR_STOPPED'],
    ['replace', 'change 0 b anew', 'ERR_OUTCOME_UNKNOWN'],
    ['replace', 'established 0', 'ERR_OUTCOME_UNKNOWN'],
    ['reconfigure of a group', 'leader 0', 'ERR_STOPPED'],
    ['reconfigure of a group', 'change 0', 'ERR_OUTCOME_UNKNOWN'],
    ['reconfigure of a group', 'barrier 0', 'ERR_OUTCOME_UNKNOWN'],
  ])('while %s is at "%s": it is told at once, and goes on with nothing', async (order, step, code) => {
    const nodes = await scriptedNodes();
    const { end, fail } = nodes.steps.lasts(step);
    const ordered = outcome(orders[order](nodes));
    await settled();
    expect(nodes.steps.fresh().at(-1)).toBe(step);
    const stopped = nodes.epochs.stop();
    // The clients are stopped next, and they say of each call what is true of it.
    if (step.startsWith('change')) fail('ERR_OUTCOME_UNKNOWN');
    expect(await ordered).toBe(code);
    await stopped;
    const wrote = await nodes.record();
    nodes.steps.fresh();
    end();
    await settled();
    expect(nodes.steps.fresh()).toEqual([]);
    expect(await nodes.record()).toEqual(wrote);
    expect(await outcome(orders[order](nodes))).toBe('ERR_STOPPED');
    expect(nodes.steps.fresh()).toEqual([]);
  });

  test('after an order was left whose node would not end: nobody is brought back when it does', async () => {
    const nodes = await scriptedNodes();
    const { end } = nodes.steps.lasts('kill b');
    expect(await outcome(nodes.epochs.replace('b', { timeoutMs: 20 }))).toBe('ERR_DISK_FAILED');
    await nodes.epochs.stop();
    nodes.steps.fresh();
    end();
    await settled();
    expect(nodes.steps.fresh()).toEqual([]);
  });

  test('while a leaver does not end: the change is made, and the stop does not wait for its disk', async () => {
    const nodes = await scriptedNodes();
    nodes.steps.lasts('remove c');
    const ordered = outcome(nodes.epochs.reconfigure({ members: ['a', 'b'] }, patient));
    await settled();
    await nodes.epochs.stop();
    expect(await ordered).toBe(2);
    expect((await nodes.record()).members).toEqual([a, b]);
  });

  test('while joiners come up: they are taken back', async () => {
    const nodes = await scriptedNodes();
    nodes.steps.lasts('open d');
    const ordered = outcome(nodes.epochs.reconfigure(withD, patient));
    await settled();
    await nodes.epochs.stop();
    expect(await ordered).toBe('ERR_STOPPED');
    expect(nodes.up).toEqual(new Set([a, b, c]));
    expect(await nodes.record()).toMatchObject({ epoch: 1, members: [a, b, c], joining: [] });
  });
});

describe('an order behind another', () => {
  test('is told at its own deadline, and by its own signal, and never begun', async () => {
    const nodes = await scriptedNodes();
    const { end } = nodes.steps.lasts('change 0');
    const first = outcome(nodes.epochs.reconfigure({ algorithm: 'multi-paxos' }, patient));
    const late = nodes.epochs.replace('b', { timeoutMs: 20 });
    const controller = new AbortController();
    const aborted = nodes.epochs.reconfigure(withD, { ...patient, signal: controller.signal });
    const ofGroup = nodes.epochs.reconfigureGroup(0, { algorithm: 'raft' }, { timeoutMs: 20 });
    controller.abort();
    expect(await outcome(aborted)).toBe('ERR_ABORTED');
    expect(await outcome(late)).toBe('ERR_OVERLOADED');
    expect(await outcome(ofGroup)).toBe('ERR_OVERLOADED');
    end();
    expect(await first).toBe(2);
    await settled();
    expect(nodes.steps.taken.filter((step) => /kill|add|change/.test(step))).toEqual(['change 0']);
  });
});

describe('a leaver that does not end', () => {
  test('holds its order no longer than the deadline, and no other one', async () => {
    const nodes = await scriptedNodes();
    nodes.steps.lasts('remove c');
    expect(await nodes.epochs.reconfigure({ members: ['a', 'b'] }, { timeoutMs: 20 })).toBe(2);
    expect(await nodes.record()).toMatchObject({ epoch: 2, members: [a, b], joining: [] });
    expect(await nodes.epochs.reconfigure({ algorithm: 'multi-paxos' }, { timeoutMs: 200 })).toBe(3);
  });

  test('does not begin anew before it has', async () => {
    const nodes = await scriptedNodes();
    const { end } = nodes.steps.lasts('remove c');
    await nodes.epochs.reconfigure({ members: ['a', 'b'] }, { timeoutMs: 20 });
    const back = { members: ['a', 'b', 'c'] };
    const early = nodes.epochs.reconfigure(back, { timeoutMs: 20 });
    expect(await outcome(early)).toBe('ERR_NO_QUORUM');
    expect(nodes.steps.taken).not.toContain('add c');
    const ordered = nodes.epochs.reconfigure(back, patient);
    await settled();
    end();
    expect(await ordered).toBe(3);
    expect(nodes.steps.fresh().filter((step) => /remove|add/.test(step))).toEqual(['remove c', 'add c']);
    expect(nodes.up).toEqual(new Set([a, b, c]));
  });
});

test.each([
  ['leader 0', (nodes: Scripted, signal: AbortSignal) => nodes.epochs.reconfigure(withD, { signal })],
  ['established 0', (nodes: Scripted, signal: AbortSignal) => nodes.epochs.reconfigure(withD, { signal })],
  ['heard 0 b', (nodes: Scripted, signal: AbortSignal) => nodes.epochs.replace('b', { signal })],
])('an order that is given up waits for no news: "%s"', async (step, order) => {
  const nodes = await scriptedNodes();
  if (step === 'heard 0 b') {
    nodes.steps.fails('change 0 b anew', 'ERR_OUTCOME_UNKNOWN');
    await outcome(nodes.epochs.replace('b', patient));
  }
  nodes.steps.lasts(step);
  const controller = new AbortController();
  const ordered = outcome(order(nodes, controller.signal));
  await settled();
  const signal = nodes.clients[0]?.signals.get(step);
  expect(signal?.aborted).toBe(false);
  controller.abort();
  await ordered;
  expect(signal?.aborted).toBe(true);
});

describe('the directory says', () => {
  test('what the first group has come to, also by an order before whose outcome was unknown', async () => {
    const nodes = await scriptedNodes();
    nodes.steps.fails('change 0', 'ERR_OUTCOME_UNKNOWN');
    const members = [a, b, d];
    expect(await outcome(nodes.epochs.reconfigure({ members }, patient))).toBe('ERR_OUTCOME_UNKNOWN');
    nodes.steps.succeeds('change 0');
    // It takes effect when the next order has read where the group stood, and before that asks for its own change.
    let readings = 0;
    nodes.steps.meets('leader 0', () => {
      readings += 1;
      const change = { fromEpoch: 1, algorithm: 'raft', acceptQuorum: undefined, members, renewed: [] };
      if (readings === 2) nodes.clients[0]?.enter(change);
    });
    expect(await nodes.epochs.reconfigure({ algorithm: 'multi-paxos' }, patient)).toBe(3);
    const record = await nodes.record();
    expect(record).toMatchObject({ epoch: 3, algorithm: 'multi-paxos', members, joining: [] });
    expect(Object.keys(record.disks ?? {}).sort()).toEqual(members);
    expect(nodes.up).toEqual(new Set(members));
  });

  test('what the first group is, when that alone has changed', async () => {
    const nodes = await scriptedNodes(2);
    const order = { algorithm: 'multi-paxos', acceptQuorum: 3 };
    expect(await nodes.epochs.reconfigureGroup(0, order, patient)).toBe(2);
    expect(await nodes.record()).toMatchObject({ epoch: 2, ...order, members: [a, b, c], joining: [] });
    await nodes.epochs.reconfigureGroup(0, { algorithm: 'raft' }, patient);
    const { acceptQuorum, ...rest } = await nodes.record();
    expect([acceptQuorum, rest]).toMatchObject([undefined, { epoch: 3, algorithm: 'raft' }]);
  });

  test('nothing of another group alone', async () => {
    const nodes = await scriptedNodes(2);
    const before = await nodes.record();
    await nodes.epochs.reconfigureGroup(1, { algorithm: 'multi-paxos' }, patient);
    expect(await nodes.record()).toEqual(before);
  });

  test('what the first group is when the others could not follow, and keeps all nodes', async () => {
    const nodes = await scriptedNodes(2);
    nodes.steps.fails('change 1', 'ERR_NO_QUORUM');
    const order = nodes.epochs.reconfigure({ members: ['b', 'c', 'd'] }, patient);
    expect(await outcome(order)).toBe('ERR_NO_QUORUM');
    expect(await nodes.record()).toMatchObject({ epoch: 2, members: [b, c, d], joining: [a, d] });
    expect(nodes.up).toEqual(new Set([a, b, c, d]));
    // Asked again, it is carried out where it was not, and whoever has left is let go of.
    nodes.steps.succeeds('change 1');
    await nodes.epochs.reconfigure({ members: ['b', 'c', 'd'] }, patient);
    expect(await nodes.record()).toMatchObject({ members: [b, c, d], joining: [] });
    expect(nodes.up).toEqual(new Set([b, c, d]));
  });
});

describe('an order fails', () => {
  test.each<[string, ErrorCode]>([
    ['add d', 'ERR_OPTION_INVALID'],
    ['open d', 'ERR_FOREIGN_DATA'],
    ['change 0', 'ERR_NO_QUORUM'],
  ])('at "%s": its joiners are let go of, and nothing is left of it', async (step, code) => {
    const nodes = await scriptedNodes();
    const before = await nodes.record();
    nodes.steps.fails(step, code);
    expect(await outcome(nodes.epochs.reconfigure(withD, patient))).toBe(code);
    expect(nodes.up).toEqual(new Set([a, b, c]));
    expect(await nodes.record()).toEqual(before);
    nodes.steps.succeeds(step);
    expect(await nodes.epochs.reconfigure(withD, patient)).toBe(2);
  });

  test('with an outcome unknown: its joiners stay, for they may vote by now', async () => {
    const nodes = await scriptedNodes();
    nodes.steps.fails('change 0', 'ERR_OUTCOME_UNKNOWN');
    expect(await outcome(nodes.epochs.reconfigure(withD, patient))).toBe('ERR_OUTCOME_UNKNOWN');
    expect(nodes.up).toContain(d);
    expect((await nodes.record()).joining).toEqual([d]);
  });

  test('in several groups: what is unknown of one is unknown of the whole', async () => {
    const nodes = await scriptedNodes(3);
    nodes.steps.fails('change 0', 'ERR_NO_QUORUM');
    nodes.steps.fails('change 2', 'ERR_OUTCOME_UNKNOWN');
    expect(await outcome(nodes.epochs.reconfigure({ algorithm: 'multi-paxos' }, patient))).toBe(
      'ERR_OUTCOME_UNKNOWN',
    );
  });

  test.each<[string, ErrorCode]>([
    ['established 0', 'ERR_STOPPED'],
    ['barrier 0', 'ERR_NO_QUORUM'],
    ['remove c', 'ERR_STOPPED'],
  ])('at "%s", when the epoch is decided: nobody is told that nothing has changed', async (step, code) => {
    const nodes = await scriptedNodes();
    nodes.steps.fails(step, code);
    const error = await nodes.epochs
      .reconfigure({ members: ['a', 'b'] }, patient)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN', details: { epoch: 2 } });
  });

  test('at its deadline while a joiner opens: it is told then, and the joiner is let go of', async () => {
    const nodes = await scriptedNodes();
    nodes.steps.lasts('open d');
    const error = await nodes.epochs.reconfigure(withD, { timeoutMs: 20 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_NO_QUORUM', message: expect.stringContaining('d did not') });
    await settled();
    expect(nodes.up).toEqual(new Set([a, b, c]));
    expect((await nodes.record()).joining).toEqual([]);
  });
});

describe('replace', () => {
  const wipedOnce = ['a', 'b', 'b.replaced-1', 'c'];

  test('starts the member blank, keeps what it had, and gives it its voice in each group', async () => {
    const nodes = await scriptedNodes(2);
    const { disks } = await nodes.record();
    expect(await nodes.epochs.replace('b', patient)).toBe(2);
    expect(await nodes.folders()).toEqual(wipedOnce);
    const record = await nodes.record();
    expect(record).toMatchObject({ epoch: 2, members: [a, b, c], joining: [] });
    expect(record.disks?.['b']).not.toBe(disks?.['b']);
    expect(nodes.clients.map(({ learners }) => learners.size)).toEqual([0, 0]);
  });

  test('says so when the thread of the member cannot be ended', async () => {
    const nodes = await scriptedNodes();
    nodes.steps.lasts('kill b');
    const error = await nodes.epochs.replace('b', { timeoutMs: 20 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_DISK_FAILED', message: expect.stringContaining('hangs') });
    expect(await nodes.folders()).toEqual(['a', 'b', 'c']);
  });

  test.each<[string, () => object, ErrorCode]>([
    ['deadline', () => ({ timeoutMs: 20 }), 'ERR_DISK_FAILED'],
    ['signal', () => ({ signal: AbortSignal.timeout(20) }), 'ERR_ABORTED'],
  ])(
    'that is given up by its %s while the member ends brings it back when it has',
    async (_, options, code) => {
      const nodes = await scriptedNodes();
      const before = await nodes.record();
      const { end } = nodes.steps.lasts('kill b');
      expect(await outcome(nodes.epochs.replace('b', options()))).toBe(code);
      // Other orders do not wait for that.
      expect(await nodes.epochs.reconfigure({ algorithm: 'multi-paxos' }, patient)).toBe(2);
      nodes.steps.fresh();
      end();
      await settled();
      expect(nodes.steps.fresh()).toEqual(['restart b', 'open b']);
      expect(nodes.up).toEqual(new Set([a, b, c]));
      expect((await nodes.record()).disks).toEqual(before.disks);
      expect(await nodes.folders()).toEqual(['a', 'b', 'c']);
      expect(nodes.warnings).toEqual([]);
    },
  );

  test('that has the member in hand is not disturbed by one before that was given up', async () => {
    const nodes = await scriptedNodes();
    const { end } = nodes.steps.lasts('kill b');
    await outcome(nodes.epochs.replace('b', { timeoutMs: 20 }));
    const ordered = nodes.epochs.replace('b', patient);
    await settled();
    nodes.steps.fresh();
    end();
    expect(await ordered).toBe(2);
    expect(nodes.steps.fresh().filter((step) => /kill|restart|open/.test(step))).toEqual([
      'restart b',
      'open b',
    ]);
    expect(await nodes.folders()).toEqual(wipedOnce);
  });

  test('does not end the member before it is back from an earlier one', async () => {
    const nodes = await scriptedNodes();
    const killing = nodes.steps.lasts('kill b');
    await outcome(nodes.epochs.replace('b', { timeoutMs: 20 }));
    const restarting = nodes.steps.lasts('restart b');
    killing.end();
    await settled();
    nodes.steps.fresh();
    const ordered = nodes.epochs.replace('b', patient);
    await settled();
    expect(nodes.steps.fresh().filter((step) => /kill|restart/.test(step))).toEqual([]);
    restarting.end();
    expect(await ordered).toBe(2);
    expect(nodes.steps.fresh().filter((step) => /kill|restart/.test(step))).toEqual(['kill b', 'restart b']);
    expect(await nodes.folders()).toEqual(wipedOnce);
  });

  test.each([
    ['barrier 0', 'the epoch is what it was'],
    ['restart b', 'blank disk'],
    ['open b', 'blank disk'],
  ])('that is aborted at "%s" says what has become of the member', async (step, line) => {
    const nodes = await scriptedNodes();
    nodes.steps.lasts(step);
    const controller = new AbortController();
    const ordered = nodes.epochs.replace('b', { ...patient, signal: controller.signal });
    await settled();
    controller.abort();
    await expect(ordered).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      message: expect.stringContaining(line),
    });
  });

  test('holds no other order when the member cannot be opened that it brings back', async () => {
    const nodes = await scriptedNodes();
    nodes.steps.fails('barrier 0', 'ERR_NO_QUORUM');
    nodes.steps.lasts('open b');
    expect(await outcome(nodes.epochs.replace('b', { timeoutMs: 200 }))).toBe('ERR_NO_QUORUM');
    nodes.steps.succeeds('barrier 0');
    expect(await nodes.epochs.reconfigure({ algorithm: 'multi-paxos' }, { timeoutMs: 200 })).toBe(2);
  });

  test('touches nothing when the others are no quorum of every group, and starts the member again', async () => {
    const nodes = await scriptedNodes(2);
    const before = await nodes.record();
    nodes.steps.fails('barrier 1', 'ERR_NO_QUORUM');
    expect(await outcome(nodes.epochs.replace('b', patient))).toBe('ERR_NO_QUORUM');
    expect(await nodes.record()).toEqual(before);
    expect(await nodes.folders()).toEqual(['a', 'b', 'c']);
    expect(nodes.up).toContain(b);
    expect(nodes.steps.fresh().slice(-2)).toEqual(['restart b', 'open b']);
  });

  test.each<[string, ErrorCode]>([
    ['change 0 b anew', 'ERR_NO_QUORUM'],
    ['change 1 b anew', 'ERR_NO_QUORUM'],
    ['change 1 b anew', 'ERR_OUTCOME_UNKNOWN'],
    ['established 0', 'ERR_OUTCOME_UNKNOWN'],
    ['barrier 1', 'ERR_OUTCOME_UNKNOWN'],
  ])('that has failed at "%s" with %s goes on where it was, and wipes no disk again', async (step, code) => {
    const nodes = await scriptedNodes(2);
    if (step === 'barrier 1') {
      // The first one is asked of the others, before anything is touched.
      const { end } = nodes.steps.lasts('established 1');
      const first = outcome(nodes.epochs.replace('b', patient));
      await settled();
      nodes.steps.fails(step, code);
      end();
      expect(await first).toBe(code);
    } else {
      nodes.steps.fails(step, code);
      expect(await outcome(nodes.epochs.replace('b', patient))).toBe(code);
    }
    nodes.steps.succeeds(step);
    const { disks } = await nodes.record();
    const left = nodes.clients.map(({ learners }) => learners.has(b));
    nodes.steps.fresh();
    await nodes.epochs.replace('b', patient);
    const steps = nodes.steps.fresh();
    expect(steps.filter((one) => /kill|restart|open/.test(one))).toEqual([]);
    // Where it has its voice already, nothing is asked of the leader.
    expect(steps.filter((one) => one.startsWith('change'))).toEqual(
      ['change 0 b anew', 'change 1 b anew'].filter((_, group) => left[group]),
    );
    expect(await nodes.folders()).toEqual(wipedOnce);
    const record = await nodes.record();
    expect(record).toMatchObject({ members: [a, b, c], joining: [] });
    expect(record.disks).toEqual(disks);
  });

  test('that has failed, and whose node is down since, goes on with the disk that was new', async () => {
    const nodes = await scriptedNodes();
    nodes.steps.fails('change 0 b anew', 'ERR_OUTCOME_UNKNOWN');
    await outcome(nodes.epochs.replace('b', patient));
    nodes.up.delete(b);
    nodes.steps.succeeds('change 0 b anew');
    nodes.steps.fresh();
    expect(await nodes.epochs.replace('b', patient)).toBe(2);
    expect(nodes.steps.fresh().filter((step) => /kill|restart|open/.test(step))).toEqual([
      'restart b',
      'open b',
    ]);
    expect(await nodes.folders()).toEqual(wipedOnce);
  });

  test('that has failed, and whose new disk is gone too, begins again, if the others are a quorum', async () => {
    const nodes = await scriptedNodes();
    nodes.steps.fails('change 0 b anew', 'ERR_OUTCOME_UNKNOWN');
    await outcome(nodes.epochs.replace('b', patient));
    nodes.up.delete(b);
    nodes.steps.succeeds('change 0 b anew');
    const { disks } = await nodes.record();
    for (const name of await nodes.fileSystem.list('/cluster/b'))
      await nodes.fileSystem.remove(`/cluster/b/${name}`);
    nodes.steps.fails('barrier 0', 'ERR_NO_QUORUM');
    expect(await outcome(nodes.epochs.replace('b', patient))).toBe('ERR_NO_QUORUM');
    expect((await nodes.record()).disks).toEqual(disks);
    nodes.steps.succeeds('barrier 0');
    expect(await nodes.epochs.replace('b', patient)).toBe(2);
    expect((await nodes.record()).disks?.['b']).not.toBe(disks?.['b']);
  });

  test('that has failed before the old disk was set aside does not take that for the new one', async () => {
    const nodes = await scriptedNodes();
    const { disks } = await nodes.record();
    nodes.steps.fails('set aside b', 'ERR_DISK_FAILED');
    expect(await outcome(nodes.epochs.replace('b', patient))).toBe('ERR_DISK_FAILED');
    nodes.steps.succeeds('set aside b');
    expect(await nodes.epochs.replace('b', patient)).toBe(2);
    expect(await nodes.folders()).toEqual(wipedOnce);
    expect((await nodes.record()).disks?.['b']).not.toBe(disks?.['b']);
  });

  test('that finds its voice given already is still not done before a majority is there', async () => {
    const nodes = await scriptedNodes();
    nodes.steps.fails('established 0', 'ERR_OUTCOME_UNKNOWN');
    await outcome(nodes.epochs.replace('b', patient));
    nodes.steps.lasts('established 0');
    expect(await outcome(nodes.epochs.replace('b', { timeoutMs: 20 }))).toBe('ERR_OUTCOME_UNKNOWN');
    nodes.steps.succeeds('established 0');
    expect(await nodes.epochs.replace('b', patient)).toBe(2);
  });

  test('that was given up before its new disk was open begins again', async () => {
    const nodes = await scriptedNodes();
    nodes.steps.lasts('open b');
    const error = await nodes.epochs.replace('b', { timeoutMs: 20 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ERR_NO_QUORUM', message: expect.stringContaining('new disk') });
    nodes.steps.succeeds('open b');
    expect(await nodes.epochs.replace('b', patient)).toBe(2);
    expect(nodes.clients[0]?.learners.size).toBe(0);
  });

  test('that has succeeded may be ordered again, for the disk that was new then', async () => {
    const nodes = await scriptedNodes();
    await nodes.epochs.replace('b', patient);
    expect(await nodes.epochs.replace('b', patient)).toBe(3);
    expect(await nodes.folders()).toEqual(['a', 'b', 'b.replaced-1', 'b.replaced-2', 'c']);
  });
});
