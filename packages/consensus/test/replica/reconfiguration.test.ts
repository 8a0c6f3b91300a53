/**
 * The leader's part in a change of epoch: nothing is proposed before everybody who joins has caught up, each order
 * is answered, and one that was carried out is not carried out twice. [RaftThesis §4.2.1]
 */
import { CodedError, type NodeId } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LogIndex } from '../../src/protocol.ts';
import type { Epoch, NextEpoch } from '../../src/replica/epoch.ts';
import type { EpochChange } from '../../src/replica/message.ts';
import { Reconfiguration } from '../../src/replica/reconfiguration.ts';
import type { Asker } from '../../src/replica/waiting-clients.ts';
import { firstEpoch } from './first-epoch.ts';
import { recordingClient } from './recording-client.ts';

const node = (name: string): NodeId => name as NodeId;
const change = (wanted: Partial<EpochChange> = {}): EpochChange => ({
  fromEpoch: 1,
  algorithm: 'raft',
  acceptQuorum: undefined,
  members: firstEpoch.members,
  renewed: [],
  ...wanted,
});
const withD = change({ members: ['a', 'b', 'c', 'd'].map(node) });
const toPaxos = change({ algorithm: 'multi-paxos' });

/** Replica a leads `epoch`, which runs any algorithm but `broken`. */
function setUp(epoch: Epoch = firstEpoch) {
  const at = { epoch, commitIndex: 10, nowMs: 0 };
  const proposed: { readonly asker: Asker; readonly next: NextEpoch }[] = [];
  const reconfiguration = new Reconfiguration({
    node: node('a'),
    epoch: () => at.epoch,
    commitIndex: () => at.commitIndex as LogIndex,
    appliedIndex: () => at.commitIndex as LogIndex,
    nowMs: () => at.nowMs,
    learnerSilentMs: 300,
    tryAlgorithm: async ({ algorithm }) => {
      if (algorithm === 'broken')
        throw new CodedError('ERR_MODULE_INVALID', `it is broken ${'so '.repeat(5_000)}`, {});
    },
    propose: (asker, next) => void proposed.push({ asker, next }),
  });
  const client = recordingClient();
  const order = async (request: number, wanted: EpochChange): Promise<void> => {
    reconfiguration.begin(client.asks(request), wanted, 1_000);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const asks = (learner: string, from: number, diskId = `disk of ${learner}`): void =>
    reconfiguration.asked(node(learner), { type: 'ask', from: from as LogIndex, diskId });
  return { at, proposed, reconfiguration, client, order, asks };
}

describe('the STOP is proposed', () => {
  test('when this node is known to be able to run the algorithm, and not before', async () => {
    const { reconfiguration, client, proposed, asks } = setUp();
    reconfiguration.begin(client.asks(1), toPaxos, 1_000);
    asks('d', 11);
    reconfiguration.tick();
    expect(proposed).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(proposed.map(({ next }) => next)).toEqual([
      {
        number: 2,
        algorithm: 'multi-paxos',
        acceptQuorum: undefined,
        members: firstEpoch.members,
        disks: new Map(),
        appointed: 'a',
      },
    ]);
  });

  test('[Raft §6] once the new servers have caught up: when one asks for what comes after all that was committed at its last asking', async () => {
    const { at, proposed, order, asks } = setUp();
    await order(1, withD);
    asks('d', 11);
    expect(proposed).toEqual([]);
    at.commitIndex = 12;
    asks('d', 11);
    expect(proposed).toHaveLength(1);
  });

  test('not yet when it still lacks what was committed then', async () => {
    const { at, proposed, order, asks } = setUp();
    await order(1, withD);
    asks('d', 5);
    at.commitIndex = 20;
    asks('d', 10);
    asks('d', 20);
    expect(proposed).toEqual([]);
    asks('d', 21);
    expect(proposed).toHaveLength(1);
  });

  test('with the disk on which each of the joiners has caught up', async () => {
    const { proposed, order, asks } = setUp({ ...firstEpoch, disks: new Map([[node('b'), 'old']]) });
    await order(1, change({ members: ['a', 'b', 'd'].map(node) }));
    for (const from of [11, 11]) asks('d', from, 'one');
    expect(proposed[0]?.next.disks).toEqual(
      new Map([
        [node('b'), 'old'],
        [node('d'), 'one'],
      ]),
    );
  });

  test('not for one that had caught up and has fallen silent since', async () => {
    const { at, proposed, order, asks, reconfiguration } = setUp();
    for (const from of [11, 11]) asks('d', from);
    at.nowMs = 300;
    await order(1, withD);
    reconfiguration.tick();
    expect(proposed).toEqual([]);
    asks('d', 11);
    expect(proposed).toHaveLength(1);
  });

  test('and whoever comes back on another disk begins again', async () => {
    const { proposed, order, asks } = setUp();
    await order(1, withD);
    asks('d', 11, 'one');
    asks('d', 11, 'two');
    expect(proposed).toEqual([]);
    asks('d', 11, 'two');
    expect(proposed[0]?.next.disks).toEqual(new Map([[node('d'), 'two']]));
  });

  test('for a member that is renewed when that has caught up like any joiner', async () => {
    const { proposed, order, asks } = setUp({ ...firstEpoch, disks: new Map([[node('b'), 'lost']]) });
    await order(1, change({ renewed: [node('b')] }));
    expect(proposed).toEqual([]);
    for (const from of [11, 11]) asks('b', from, 'new');
    expect(proposed[0]?.next.disks).toEqual(new Map([[node('b'), 'new']]));
  });

  test('for a member that is renewed not on the word of the disk that it learned on before', async () => {
    const { proposed, order, asks } = setUp();
    for (const from of [11, 11]) asks('b', from, 'before');
    await order(1, change({ renewed: [node('b')] }));
    expect(proposed).toEqual([]);
    for (const from of [11, 11]) asks('b', from, 'new');
    expect(proposed[0]?.next.disks).toEqual(new Map([[node('b'), 'new']]));
  });

  test('for any way of asking, exactly when every joiner has caught up', async () => {
    const step = fc.oneof(
      fc.record({ learner: fc.constantFrom('d', 'e'), from: fc.integer({ min: 1, max: 8 }) }),
      fc.record({ commitTo: fc.integer({ min: 1, max: 7 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const { at, proposed, order, asks } = setUp();
        at.commitIndex = 0;
        await order(1, change({ members: ['a', 'd', 'e'].map(node) }));
        // The naive twin: what each has said, beside what was committed then.
        const askings: Record<string, { from: number; commitIndex: number }[]> = { d: [], e: [] };
        let wasReady = false;
        for (const one of steps) {
          if ('commitTo' in one) {
            at.commitIndex = Math.max(at.commitIndex, one.commitTo);
            continue;
          }
          askings[one.learner]?.push({ from: one.from, commitIndex: at.commitIndex });
          asks(one.learner, one.from);
          const isUp = (name: string): boolean => {
            const [before, last] = askings[name]?.slice(-2) ?? [];
            return before !== undefined && last !== undefined && last.from > before.commitIndex;
          };
          wasReady ||= isUp('d') && isUp('e');
          expect(proposed.length).toBe(wasReady ? 1 : 0);
        }
      }),
    );
  });
});

describe('the protocol refuses the STOP for now', () => {
  test('and it is proposed again, as long as there is time', async () => {
    const { at, proposed, reconfiguration, client, order } = setUp();
    await order(1, toPaxos);
    expect(reconfiguration.isSealing).toBe(true);
    reconfiguration.stopRefused();
    // What clients want meanwhile goes into this epoch: they would wait for ever if nothing came of the STOP.
    expect(reconfiguration.isSealing).toBe(false);
    reconfiguration.tick();
    expect(proposed).toHaveLength(2);
    reconfiguration.stopRefused();
    at.nowMs = 1_000;
    reconfiguration.tick();
    expect(proposed).toHaveLength(2);
    expect(client.told()).toEqual(['1: rejected ERR_NO_QUORUM']);
  });
});

describe('an order that is late', () => {
  test('is given up, and names who did not catch up', async () => {
    const { at, proposed, reconfiguration, client, order, asks } = setUp();
    await order(1, withD);
    at.nowMs = 999;
    reconfiguration.tick();
    expect(client.told()).toEqual([]);
    at.nowMs = 1_000;
    reconfiguration.tick();
    expect(client.told()).toEqual(['1: rejected ERR_NO_QUORUM']);
    expect(client.messages[0]).toMatchObject({ message: expect.stringContaining('d did not catch up') });
    for (const from of [11, 11]) asks('d', from);
    expect(proposed).toEqual([]);
  });

  test('is not given up once the STOP is in the log: it may be chosen at any time', async () => {
    const { at, reconfiguration, client, order } = setUp();
    await order(1, toPaxos);
    at.nowMs = 100_000;
    reconfiguration.tick();
    expect(client.told()).toEqual([]);
    expect(reconfiguration.isSealing).toBe(true);
  });
});

describe('a second order', () => {
  test('for something else is refused for now', async () => {
    const { client, order, proposed } = setUp();
    await order(1, withD);
    await order(2, toPaxos);
    expect(client.told()).toEqual(['2: refused ERR_OVERLOADED']);
    expect(proposed).toEqual([]);
  });

  test('for the same takes the place of the first, which is told so', async () => {
    const { client, order, proposed, asks } = setUp();
    await order(1, withD);
    await order(2, withD);
    expect(client.told()).toEqual(['1: refused ERR_OVERLOADED']);
    for (const from of [11, 11]) asks('d', from);
    expect(proposed.map(({ asker }) => asker.request)).toEqual([2]);
  });

  test('for the same, when the STOP is in the log, leaves the first to wait for it, and is told when that is over', async () => {
    const { client, order, proposed, reconfiguration } = setUp();
    await order(1, toPaxos);
    await order(2, toPaxos);
    await order(3, toPaxos);
    expect(proposed.map(({ asker }) => asker.request)).toEqual([1]);
    expect(client.told()).toEqual(['2: refused ERR_OVERLOADED']);
    reconfiguration.ended();
    // Of the first the log tells; the last would wait for ever for an answer that goes to another number.
    expect(client.told()).toEqual(['3: refused ERR_OUTCOME_UNKNOWN, ask a']);
  });

  test('for the same, when the STOP is in the log of a leader that is deposed, is told who leads now', async () => {
    const { client, order, reconfiguration } = setUp();
    await order(1, toPaxos);
    await order(2, toPaxos);
    reconfiguration.deposed('ERR_NOT_LEADER', node('b'));
    expect(client.told()).toEqual(['2: refused ERR_OUTCOME_UNKNOWN, ask b']);
  });

  test('for the same shares the end of the first, when the STOP was refused and there is no time left', async () => {
    const { at, client, order, reconfiguration } = setUp();
    await order(1, toPaxos);
    await order(2, toPaxos);
    reconfiguration.stopRefused();
    at.nowMs = 1_000;
    reconfiguration.tick();
    expect(client.told()).toEqual(['1: rejected ERR_NO_QUORUM', '2: rejected ERR_NO_QUORUM']);
  });

  test('may follow one that no node could run', async () => {
    const { client, order, proposed } = setUp();
    await order(1, change({ algorithm: 'broken' }));
    expect(client.told()).toEqual(['1: rejected ERR_MODULE_INVALID']);
    await order(2, toPaxos);
    expect(proposed).toHaveLength(1);
  });
});

describe('an order that was given before', () => {
  const secondEpoch: Epoch = { ...firstEpoch, number: 2, algorithm: 'multi-paxos', base: 9 as LogIndex };

  test.each<[string, Epoch, EpochChange, string]>([
    ['and was carried out is answered so', secondEpoch, toPaxos, 'reconfigured to epoch 2'],
    ['and asks for what is, needs nothing', firstEpoch, change(), 'reconfigured to epoch 1'],
    [
      'and was carried out with a new disk is answered so',
      secondEpoch,
      change({ algorithm: 'multi-paxos', renewed: [node('b')] }),
      'reconfigured to epoch 2',
    ],
    ['and lost to another is told so, for good', secondEpoch, withD, 'rejected ERR_EPOCH_CHANGED'],
    [
      'and was meant for an epoch that is not here yet is told so',
      firstEpoch,
      change({ fromEpoch: 2, algorithm: 'multi-paxos' }),
      'rejected ERR_EPOCH_CHANGED',
    ],
  ])('%s', async (_, epoch, wanted, told) => {
    const { client, order, proposed } = setUp(epoch);
    await order(7, wanted);
    expect(client.told()).toEqual([`7: ${told}`]);
    expect(proposed).toEqual([]);
  });

  test('is not answered as done while the member that it renews still learns: another change came instead', async () => {
    const { client, order, asks } = setUp(secondEpoch);
    asks('b', 9);
    await order(1, change({ algorithm: 'multi-paxos', renewed: [node('b')] }));
    expect(client.told()).toEqual(['1: rejected ERR_EPOCH_CHANGED']);
  });

  test('is not answered as done when only its disk is new', async () => {
    const { client, order } = setUp();
    await order(1, change({ renewed: [node('b')] }));
    expect(client.told()).toEqual([]);
  });
});

describe('the lead is lost', () => {
  test('before the STOP was proposed: nothing has happened, and the next leader may be asked', async () => {
    const { client, order, reconfiguration, proposed, asks } = setUp();
    await order(1, withD);
    reconfiguration.deposed('ERR_NOT_LEADER', node('b'));
    expect(client.told()).toEqual(['1: refused ERR_NOT_LEADER, ask b']);
    for (const from of [11, 11]) asks('d', from);
    expect(proposed).toEqual([]);
  });

  test('because another came first: whoever waits for joiners of it is told to ask again', async () => {
    const { reconfiguration, client, order } = setUp();
    await order(1, withD);
    reconfiguration.ended();
    expect(client.told()).toEqual(['1: refused ERR_NOT_LEADER']);
  });

  test('while the algorithm was still being looked at: nothing is proposed afterwards', async () => {
    const { client, reconfiguration, proposed } = setUp();
    reconfiguration.begin(client.asks(1), toPaxos, 1_000);
    reconfiguration.deposed('ERR_NOT_LEADER', undefined);
    await new Promise((resolve) => setImmediate(resolve));
    expect(proposed).toEqual([]);
  });

  test('after it was proposed: what becomes of it is for the log to say', async () => {
    const { client, order, reconfiguration } = setUp();
    await order(1, toPaxos);
    reconfiguration.deposed('ERR_NOT_LEADER', node('b'));
    expect(client.told()).toEqual([]);
    expect(reconfiguration.isSealing).toBe(false);
  });

  test('and with it goes what was known of learners', async () => {
    const { order, reconfiguration, proposed, asks } = setUp();
    asks('d', 11);
    reconfiguration.ended();
    asks('d', 11);
    await order(1, withD);
    expect(proposed).toEqual([]);
  });
});
