/**
 * The way of a replica from one epoch to the next: what it writes before it speaks, what it serves of the epoch that
 * it has left, and how it finds out that it was left behind.
 */
import type { Clock, NodeId } from '@quorate/core';
import type { LogRecord, WriteAheadLog } from '@quorate/storage';
import { describe, expect, test } from 'vitest';
import { encodeMessage } from '../../src/learner/message.ts';
import type { Input, LogIndex, Protocol, ProtocolStatus, Reign, Role } from '../../src/protocol.ts';
import type { EpochStretch } from '../../src/replica/charter.ts';
import { recoverCharter } from '../../src/replica/charter.ts';
import type { Epoch, Standing } from '../../src/replica/epoch.ts';
import { Epochs, type StartProtocolOptions } from '../../src/replica/epochs.ts';
import type { ReplicaMessage } from '../../src/replica/message.ts';
import { firstEpoch } from './first-epoch.ts';

const [a, b, c] = ['a', 'b', 'c'] as [NodeId, NodeId, NodeId];
const at = (index: number): LogIndex => index as LogIndex;
const electionTimeoutMs = [150, 300] as const;
const epochOf = (number: number, base: number, members: readonly NodeId[] = [a, b, c]): Epoch => ({
  ...firstEpoch,
  number,
  members,
  base: at(base),
  appointed: number === 1 ? undefined : members[0],
});

/** What a run's protocol was given. */
interface Told {
  readonly name: string;
  readonly inputs: Input<unknown>[];
  status: ProtocolStatus;
}

interface Begin {
  readonly epoch?: Epoch;
  readonly standing?: Standing;
  readonly trail?: readonly EpochStretch[];
}

/** Replica a on a log whose writes end when the test says so. */
function setUp({ epoch = firstEpoch, standing = 'voter', trail = [] }: Begin = {}) {
  const is = { nowMs: 0 };
  const appended: { readonly records: readonly LogRecord[]; readonly durable: () => void }[] = [];
  const sent: string[] = [];
  const events: string[] = [];
  const started: StartProtocolOptions[] = [];
  const told: Told[] = [];
  const blank = (role: Role, base: number): ProtocolStatus => ({
    role,
    leader: undefined,
    reign: 0 as Reign,
    commitIndex: at(base),
    lastIndex: at(base),
    snapshotIndex: at(base),
  });
  const protocol = (name: string, role: Role = 'follower'): Protocol<unknown, unknown> => ({
    name,
    start: () => undefined,
    step: (state, input) => void (state as Told).inputs.push(input as Input<unknown>),
    status: (state) => (state as Told).status,
    foundingHardState: ({ appointed, base, reign }) =>
      new TextEncoder().encode(`${appointed} leads after ${base}, at least ${reign}`),
    committedFrom: (state, from) => ((state as Told).status.snapshotIndex >= from ? undefined : []),
    encodeMessage: (message) => [message],
    decodeMessage: (wire) => (wire as unknown[])[0],
    inspect: (state) => ({
      ...(state as Told).status,
      role,
      entriesAbove: () => [],
      promisedReign: 0 as Reign,
      votedFor: undefined,
    }),
  });
  const state = (of: Epoch, as: Standing): Told => {
    const one = {
      name: `${of.number} as ${as}`,
      inputs: [],
      status: blank(as === 'voter' ? 'follower' : 'learner', of.base),
    };
    told.push(one);
    return one;
  };
  const epochs = new Epochs(
    {
      node: a,
      group: 0,
      diskId: 'disk of a',
      clock: { nowMs: () => is.nowMs } as Clock,
      log: {
        append: (records: readonly LogRecord[], durable: () => void) =>
          void appended.push({ records, durable }),
      } as unknown as WriteAheadLog,
      charter: { epoch, standing, trail, machineVersion: 3 },
      heartbeatMs: 50,
      electionTimeoutMs,
      pageBytesMax: 1_000,
      protocolFor: async (_, as) => protocol(as),
      startProtocol: (options) => {
        started.push(options);
        return state(options.epoch as Epoch, options.recovered.hardState === undefined ? 'learner' : 'voter');
      },
      send: (to: NodeId, message: ReplicaMessage) =>
        void sent.push(`${message.type} to ${to}${'epoch' in message ? ` of ${message.epoch}` : ''}`),
      carryOut: () => undefined,
      entered: (run) => void events.push(`entered ${run.epoch.number} as ${run.standing}`),
      speakFirst: () => void events.push('speaks first'),
      asked: (learner) => void events.push(`${learner} asked`),
      bringAlong: (peer, number) => void events.push(`brings ${peer} along from ${number}`),
      failed: (error) => {
        throw error;
      },
    },
    protocol(standing),
    state(epoch, standing),
  );
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  /** Everything that was appended becomes durable. */
  const sync = async (): Promise<void> => {
    await turn();
    for (const { durable } of appended.splice(0)) durable();
  };
  const charter = (): ReturnType<typeof recoverCharter> => {
    const records = appended.flatMap((one) => one.records);
    const found = records.find((one) => one.type === 'hard-state' && one.epoch === 0);
    if (found?.type !== 'hard-state') return undefined;
    const recovered = [{ group: 0, epoch: 0, hardState: found.state }];
    return recoverCharter({ recovered } as unknown as WriteAheadLog, 0);
  };
  const toldIn = (number: number): readonly string[] =>
    told
      .filter(({ name }) => name.startsWith(`${number} `))
      .flatMap(({ inputs }) => inputs.map(({ type }) => type));
  const ask = (from: number) => encodeMessage({ type: 'ask', from: at(from), diskId: 'x' });
  return { is, epochs, appended, sent, events, started, told, turn, sync, charter, toldIn, ask };
}

const second = epochOf(2, 7);

describe('a STOP', () => {
  test('has the charter of the next epoch and its founding written in one piece, before a word is said in it', async () => {
    const { epochs, appended, events, started, sync, charter, turn } = setUp();
    epochs.sealedBy(second);
    await turn();
    expect(epochs.isMoving).toBe(true);
    expect(appended).toHaveLength(1);
    expect(charter()).toEqual({
      epoch: second,
      standing: 'voter',
      trail: [{ epoch: 1, end: 7 }],
      machineVersion: 3,
    });
    const [, begin, founding] = appended[0]?.records ?? [];
    expect(begin).toMatchObject({ type: 'snapshot', epoch: 2, index: 7, reign: 0, discardsLog: true });
    expect(founding).toMatchObject({ type: 'hard-state', epoch: 2 });
    expect({ run: epochs.run.epoch.number, events, started }).toEqual({ run: 1, events: [], started: [] });
    await sync();
    expect({ run: epochs.run.epoch.number, moving: epochs.isMoving, events }).toEqual({
      run: 2,
      moving: false,
      events: ['entered 2 as voter'],
    });
    expect(started[0]).toMatchObject({ isAppointed: true, recovered: { snapshot: { index: 7, reign: 0 } } });
  });

  test('that names another leads to nobody being appointed here', async () => {
    const { epochs, started, sync } = setUp();
    epochs.sealedBy({ ...second, appointed: b });
    await sync();
    expect(started[0]?.isAppointed).toBe(false);
  });

  test('that leaves this node out makes it a learner, with nothing to be founded on', async () => {
    const { epochs, appended, events, turn, sync } = setUp();
    epochs.sealedBy(epochOf(2, 7, [b, c]));
    await turn();
    expect(appended[0]?.records.filter(({ type, epoch }) => type === 'hard-state' && epoch > 0)).toEqual([]);
    await sync();
    expect(events).toEqual(['entered 2 as learner']);
  });

  test.each([
    ['skips an epoch', epochOf(3, 7)],
    ['is of this epoch', epochOf(1, 7)],
  ])('that %s is a bug', (_, next) => {
    expect(() => setUp().epochs.sealedBy(next)).toThrow('no epoch is left out');
  });

  test('enters nothing once the replica has stopped', async () => {
    const { epochs, events, turn, sync } = setUp();
    epochs.sealedBy(second);
    await turn();
    epochs.stop();
    await sync();
    expect({ events, run: epochs.run.epoch.number }).toEqual({ events: [], run: 1 });
  });
});

describe('the epoch that was left', () => {
  const left = async () => {
    const all = setUp();
    all.epochs.sealedBy(second);
    await all.sync();
    return all;
  };
  const timeMax = 10 * electionTimeoutMs[1];

  test('is served on: its members are answered, and learners are taught', async () => {
    const { epochs, toldIn, sent, ask, events } = await left();
    epochs.receive(b, 1, ['a message']);
    expect(toldIn(1)).toContain('receive');
    epochs.receiveLearning(c, 1, ask(1));
    expect(sent).toEqual(['learning to c of 1']);
    // What counts for a change of the present epoch is who asks in that.
    expect(events).not.toContain('c asked');
    epochs.receiveLearning(c, 2, ask(8));
    expect(events).toContain('c asked');
  });

  test.each([
    ['as long as others may still be on their way', timeMax, 8, 2],
    ['as long as nothing is chosen in the next', 100 * timeMax, 7, 2],
    ['no longer than that', timeMax + 1, 8, 1],
  ])('%s', async (_, nowMs, commitIndex, runs) => {
    const { is, epochs, told } = await left();
    const present = told.find(({ name }) => name === '2 as voter');
    if (present !== undefined) present.status = { ...present.status, commitIndex: at(commitIndex) };
    is.nowMs = nowMs;
    epochs.tick();
    expect(epochs.runs).toHaveLength(runs);
  });

  test('tells whoever speaks in it later that it has passed', async () => {
    const { is, epochs, told, sent } = await left();
    for (const one of told) one.status = { ...one.status, commitIndex: at(9) };
    is.nowMs = 100 * timeMax;
    epochs.tick();
    epochs.receive(b, 1, ['a message']);
    expect(sent).toEqual(['epoch-passed to b of 2']);
  });

  test('is needed no more to build the state when a snapshot of the present one is durable', async () => {
    const { epochs, appended, charter } = await left();
    epochs.shortenTrail();
    expect(epochs.runs).toHaveLength(1);
    expect(charter()).toMatchObject({ trail: [], epoch: { number: 2 } });
    expect(appended[0]?.records.at(-1)).toEqual({ type: 'forget', group: 0, epoch: 1 });
    appended.length = 0;
    epochs.shortenTrail();
    expect(appended).toEqual([]);
  });
});

describe('a message of the next epoch', () => {
  test('waits until this replica is there, and is then heard in its order', async () => {
    const { epochs, told, sync } = setUp();
    epochs.receive(b, 2, ['first']);
    epochs.receive(c, 2, ['second']);
    epochs.sealedBy(second);
    await sync();
    const heard = told.find(({ name }) => name === '2 as voter')?.inputs ?? [];
    expect(heard.map((input) => (input.type === 'receive' ? input.message : input.type))).toEqual([
      'tick',
      'first',
      'second',
    ]);
  });

  test('of the one after that does not wait: its sender says it again', async () => {
    const { epochs, told, sync } = setUp();
    epochs.receive(b, 3, ['too early']);
    epochs.sealedBy(second);
    await sync();
    epochs.sealedBy(epochOf(3, 9));
    await sync();
    const heard = told.find(({ name }) => name === '3 as voter')?.inputs ?? [];
    expect(heard.map(({ type }) => type)).toEqual(['tick']);
  });

  test('makes it ask to be brought along, if nobody has by then, once in a while', () => {
    const { is, epochs, sent } = setUp();
    epochs.receive(b, 2, ['early']);
    for (const nowMs of [0, 299, 300, 301, 599, 600]) {
      is.nowMs = nowMs;
      epochs.tick();
    }
    expect(sent).toEqual(['left-behind to b of 1', 'left-behind to b of 1']);
  });

  test('of a stranger is not heard in the present one', () => {
    const { epochs, toldIn } = setUp();
    epochs.receive('x' as NodeId, 1, ['a message']);
    expect(toldIn(1)).toEqual([]);
  });
});

describe('who is left behind', () => {
  test('asks at once when it is told that its epoch has passed, and once in a while after that', () => {
    const { is, epochs, sent } = setUp();
    for (const nowMs of [0, 10, 299, 300]) {
      is.nowMs = nowMs;
      epochs.epochPassed(b, 4);
      epochs.tick();
    }
    expect(sent).toEqual(['left-behind to b of 1', 'left-behind to b of 1']);
  });

  test.each([1, 0])('does not believe that of epoch %i', (epoch) => {
    const { epochs, sent } = setUp();
    epochs.epochPassed(b, epoch);
    epochs.tick();
    expect(sent).toEqual([]);
  });

  test('is brought along by whoever is further, and by nobody else', () => {
    const { epochs, events } = setUp({ epoch: second });
    epochs.leftBehind(b, 1);
    epochs.leftBehind(c, 2);
    epochs.leftBehind(c, 3);
    expect(events).toEqual(['brings b along from 1']);
  });

  test('is given a snapshot for what the log has forgotten', () => {
    const { epochs, events, sent, ask } = setUp({ epoch: second });
    epochs.receiveLearning(b, 2, ask(5));
    expect({ events, sent }).toEqual({ events: ['brings b along from 2'], sent: [] });
  });
});

describe('a snapshot of a later epoch', () => {
  const arrive = async (next: Epoch, epoch: number, index: number, knownReign = 66) => {
    const all = setUp({ trail: [] });
    all.epochs.leave();
    const reign = 65 as Reign;
    all.epochs.arriveAt(next, { epoch, index: at(index), reign, knownReign: knownReign as Reign });
    await all.turn();
    return all;
  };

  test('that was taken in it leads into its midst, under the highest reign that was heard of', async () => {
    const { epochs, appended, charter, started, sync } = await arrive(epochOf(4, 70), 4, 90);
    expect(charter()).toMatchObject({ epoch: { number: 4 }, trail: [] });
    const kinds = appended[0]?.records.map(({ type, epoch }) => `${type} ${epoch}`);
    expect(kinds).toEqual(['hard-state 0', 'forget 1', 'snapshot 4', 'hard-state 4']);
    await sync();
    expect(epochs.run.epoch.number).toBe(4);
    expect(started[0]).toMatchObject({
      isAppointed: false,
      recovered: { snapshot: { index: 90, reign: 65 } },
    });
    expect(new TextDecoder().decode(started[0]?.recovered.hardState)).toContain('at least 66');
  });

  test('that was taken at the STOP before it leads to its beginning', async () => {
    const { appended, charter, started, sync } = await arrive(epochOf(4, 70), 3, 70);
    expect(charter()).toMatchObject({ epoch: { number: 4 }, trail: [{ epoch: 3, end: 70 }] });
    const kinds = appended[0]?.records.map(({ type, epoch }) => `${type} ${epoch}`);
    expect(kinds).toEqual(['hard-state 0', 'forget 1', 'snapshot 3', 'snapshot 4', 'hard-state 4']);
    await sync();
    expect(started[0]).toMatchObject({ isAppointed: true, recovered: { snapshot: { index: 70, reign: 0 } } });
  });

  test('leaves nothing to be served of what was left for it', async () => {
    const { epochs, sync } = await arrive(epochOf(4, 70), 4, 90);
    await sync();
    expect(epochs.runs.map(({ epoch }) => epoch.number)).toEqual([4]);
  });
});

describe('the first word in an epoch', () => {
  test('is said by its leader, while nothing stands in it', async () => {
    const { epochs, told, events, sync } = setUp();
    epochs.sealedBy(second);
    await sync();
    const present = told.find(({ name }) => name === '2 as voter');
    if (present === undefined) throw new Error('it is there');
    epochs.tick();
    expect(events).not.toContain('speaks first');
    present.status = { ...present.status, role: 'leader' };
    epochs.tick();
    expect(events).toContain('speaks first');
  });
});
