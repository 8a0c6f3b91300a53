/**
 * A learner takes over what is chosen, in order and once, whoever teaches it and whatever gets lost on the way.
 * [PaxosSimple §2.3], [RaftThesis §4.2.1]
 */
import type { NodeId } from '@quorate/core';
import { seededRandom } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { learnerOn } from '../../src/learner/learner.ts';
import { decodeMessage, encodeMessage, type LearnerMessage } from '../../src/learner/message.ts';
import { hasCaughtUp, pageFor } from '../../src/learner/teacher.ts';
import type { Effect, Entry, Input, LogIndex, ProtocolStatus, Reign } from '../../src/protocol.ts';

const [a, b, c, d] = ['a', 'b', 'c', 'd'] as [NodeId, NodeId, NodeId, NodeId];
const at = (index: number): LogIndex => index as LogIndex;
const entry = (index: number): Entry => ({
  index: at(index),
  reign: (1 + (index >> 2)) as Reign,
  timeMs: index,
  payload: Uint8Array.of(index % 251, index >> 8),
});
const entries = (first: number, last: number): Entry[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, place) => entry(first + place));
const heartbeatMs = 50;

interface Begin {
  readonly self?: NodeId;
  readonly members?: readonly NodeId[];
  readonly seed?: number;
  readonly snapshotIndex?: number;
  readonly recovered?: readonly Entry[];
}

/** A learner named d among a, b and c. */
function begin({ self = d, members = [a, b, c], seed = 7, snapshotIndex = 0, recovered = [] }: Begin = {}) {
  const protocol = learnerOn('its disk');
  const state = protocol.start(
    {
      self,
      members,
      electionTimeoutMs: [150, 300],
      heartbeatMs,
      appendBytesMax: 1 << 20,
      appendsInFlightMax: 4,
      uncommittedBytesMax: 1 << 20,
      seed,
    },
    {
      hardState: undefined,
      snapshot: { index: at(snapshotIndex), reign: 0 as Reign },
      entries: recovered,
    },
    0,
  );
  const step = (input: Input<LearnerMessage>, nowMs = 0): Effect<LearnerMessage>[] => {
    const effects: Effect<LearnerMessage>[] = [];
    protocol.step(state, input, nowMs, effects);
    return effects;
  };
  return { state, step, status: () => protocol.status(state) };
}

function page(from: number, last: number, commitIndex = last, leader?: NodeId): LearnerMessage {
  return { type: 'page', from: at(from), entries: entries(from, last), commitIndex: at(commitIndex), leader };
}

const asked = (effects: readonly Effect<LearnerMessage>[]): string[] =>
  effects.flatMap((effect) =>
    effect.type === 'send' && effect.message.type === 'ask'
      ? [`${effect.to} from ${effect.message.from}`]
      : [],
  );
const committed = (effects: readonly Effect<LearnerMessage>[]): number[] =>
  effects.flatMap((effect) => (effect.type === 'committed' ? effect.entries.map(({ index }) => index) : []));
const persisted = (effects: readonly Effect<LearnerMessage>[]): number[] =>
  effects.flatMap((effect) => (effect.type === 'persist' ? effect.entries.map(({ index }) => index) : []));

describe('asking', () => {
  test('begins with the first tick, for what comes after all that it holds, and names its disk', () => {
    const { step } = begin({ snapshotIndex: 5, recovered: entries(6, 8) });
    const [, ask] = step({ type: 'tick' });
    expect(ask).toMatchObject({ type: 'send', message: { type: 'ask', from: 9, diskId: 'its disk' } });
  });

  test('is repeated once a heartbeat, and of another after three that nobody answered', () => {
    const { step, state } = begin();
    const first = state.teacher;
    const askings = [0, 10, 50, 60, 100, 150].map((nowMs) => asked(step({ type: 'tick' }, nowMs)));
    expect(askings.slice(0, 5)).toEqual([
      [`${first} from 1`],
      [],
      [`${first} from 1`],
      [],
      [`${first} from 1`],
    ]);
    expect(state.teacher).not.toBe(first);
    expect(askings[5]).toEqual([`${state.teacher} from 1`]);
  });

  test('goes to the next one at once when the teacher is down', () => {
    const { step, state } = begin();
    step({ type: 'tick' });
    const first = state.teacher;
    step({ type: 'peer-down', peer: first }, 1);
    expect(asked(step({ type: 'tick' }, 1))).toEqual([`${state.teacher} from 1`]);
    expect(state.teacher).not.toBe(first);
  });

  test('never goes to itself, though it may bear the name of a member', () => {
    for (let seed = 0; seed < 40; seed++) {
      const { step, state } = begin({ self: b, seed });
      for (let nowMs = 0; nowMs < 20 * heartbeatMs; nowMs += heartbeatMs) {
        step({ type: 'tick' }, nowMs);
        expect(state.teacher).not.toBe(b);
      }
    }
  });

  test('goes on at once when there is more, and after a while when there is not', () => {
    const { step, state } = begin();
    step({ type: 'tick' });
    const more = step({ type: 'receive', from: state.teacher, message: page(1, 4, 9) }, 1);
    expect(asked(more)).toEqual([`${state.teacher} from 5`]);
    expect(asked(step({ type: 'receive', from: state.teacher, message: page(5, 9) }, 2))).toEqual([]);
    expect(asked(step({ type: 'tick' }, 11))).toEqual([]);
    expect(asked(step({ type: 'tick' }, 12))).toEqual([`${state.teacher} from 10`]);
  });

  test('is not doubled by a page that comes twice', () => {
    const { step, state } = begin();
    step({ type: 'tick' });
    const twice = page(1, 4, 9);
    step({ type: 'receive', from: state.teacher, message: twice }, 1);
    expect(asked(step({ type: 'receive', from: state.teacher, message: twice }, 1))).toEqual([]);
  });

  test('goes to the leader in the end: it has to see that this one has caught up', () => {
    const { step, state } = begin();
    step({ type: 'tick' });
    const leader = state.teacher === a ? b : a;
    step({ type: 'receive', from: state.teacher, message: page(1, 4, 9, leader) }, 1);
    expect(state.teacher).not.toBe(leader);
    step({ type: 'receive', from: state.teacher, message: page(5, 9, 9, leader) }, 2);
    expect(state.teacher).toBe(leader);
  });

  test('waits for a disk that is behind: what came would only wait in memory', () => {
    const { step, state } = begin();
    step({ type: 'tick' });
    let asks = 0;
    for (let index = 1; index <= 40; index++) {
      asks += asked(
        step({ type: 'receive', from: state.teacher, message: page(index, index, 99) }, 1),
      ).length;
    }
    expect(asks).toBeLessThan(8);
    expect(asked(step({ type: 'tick' }, 1_000))).toEqual([]);
    step({ type: 'persisted', mark: 40 }, 1_000);
    expect(asked(step({ type: 'tick' }, 1_000))).toHaveLength(1);
  });
});

describe('a page', () => {
  test('that goes on where the learner stands is made durable, and committed', () => {
    const { step, status } = begin();
    const effects = step({ type: 'receive', from: a, message: page(1, 3, 9) });
    expect({ persisted: persisted(effects), committed: committed(effects) }).toEqual({
      persisted: [1, 2, 3],
      committed: [1, 2, 3],
    });
    expect(status()).toMatchObject({ role: 'learner', leader: undefined, commitIndex: 3, lastIndex: 3 });
  });

  test.each<[string, LearnerMessage, number[]]>([
    ['that overlaps brings what is new in it', page(2, 6), [4, 5, 6]],
    ['that is all known brings nothing', page(1, 3), []],
    ['that begins too far on brings nothing', page(5, 6), []],
    ['without entries brings nothing', page(4, 3, 3), []],
  ])('%s', (_, message, brings) => {
    const { step } = begin({ snapshotIndex: 0, recovered: entries(1, 3) });
    step({ type: 'tick' });
    const effects = step({ type: 'receive', from: a, message }, 1);
    expect({ persisted: persisted(effects), committed: committed(effects) }).toEqual({
      persisted: brings,
      committed: brings,
    });
  });

  test('of a stranger is not believed', () => {
    const { step } = begin();
    expect(step({ type: 'receive', from: 'x' as NodeId, message: page(1, 3) })).toEqual([]);
  });
});

describe('what was recovered', () => {
  test('is chosen, every entry, and is told with the first step, once', () => {
    const { step } = begin({ snapshotIndex: 2, recovered: entries(3, 6) });
    expect(committed(step({ type: 'tick' }))).toEqual([3, 4, 5, 6]);
    expect(committed(step({ type: 'tick' }, 1_000))).toEqual([]);
  });
});

describe('a snapshot', () => {
  const received = (index: number): Input<LearnerMessage> => ({
    type: 'snapshot-received',
    from: a,
    reign: 9 as Reign,
    leads: false,
    last: { index: at(index), reign: 3 as Reign },
  });

  test('beyond what it holds takes the place of that, and it goes on from there', () => {
    const { step, state } = begin({ recovered: entries(1, 3) });
    step({ type: 'tick' });
    const effects = step(received(20), 1);
    expect(effects).toMatchObject([
      { type: 'install', snapshot: { index: 20, reign: 3 }, discardsLog: true },
    ]);
    expect(asked(step({ type: 'tick' }, 1))).toEqual([`${state.teacher} from 21`]);
  });

  test('of what it has learned is not installed', () => {
    const { step } = begin({ recovered: entries(1, 3) });
    step({ type: 'tick' });
    expect(step(received(3), 1)).toEqual([]);
  });
});

test('[Raft §6] new servers join as non-voting members: it proposes nothing, serves no read and leads nobody', () => {
  const { step, status } = begin();
  const payload = Uint8Array.of(1);
  expect(step({ type: 'propose', proposals: [{ timeMs: 1, payload }] })).toEqual([
    { type: 'refused', reason: 'not-leader' },
  ]);
  expect(step({ type: 'read', read: 4 })).toEqual([{ type: 'read-refused', read: 4 }]);
  for (const type of ['seal', 'announce'] as const) expect(step({ type })).toEqual([]);
  expect(step({ type: 'transfer', to: d })).toEqual([]);
  expect(status().role).toBe('learner');
});

describe('a teacher', () => {
  const status: ProtocolStatus = {
    role: 'follower',
    leader: b,
    reign: 3 as Reign,
    commitIndex: at(9),
    lastIndex: at(12),
    snapshotIndex: at(4),
  };
  const protocol = {
    status: () => status,
    committedFrom: (_: unknown, from: LogIndex, limits: { readonly bytesMax: number }) =>
      from <= 4 ? undefined : entries(from, Math.min(9, from + limits.bytesMax - 1)),
  };
  const ask = (from: number) => ({ type: 'ask', from: at(from), diskId: 'x' }) as const;

  test('gives what is committed, as much as a page takes, and tells who leads', () => {
    expect(pageFor(protocol, undefined, ask(6), 2)).toEqual(page(6, 7, 9, b));
    expect(pageFor(protocol, undefined, ask(10), 2)).toEqual(page(10, 9, 9, b));
  });

  test('has no page for what its log has forgotten', () => {
    expect(pageFor(protocol, undefined, ask(4), 2)).toBeUndefined();
  });

  test.each([
    [10, 9, true],
    [9, 9, false],
    [1, 0, true],
  ])(
    'calls one that asks from %i, when %i was committed at its last asking, caught up: %s',
    (from, last, is) => {
      expect(hasCaughtUp({ from: at(from), commitIndexAtLastAsking: at(last) })).toBe(is);
    },
  );
});

describe('messages', () => {
  test.each<LearnerMessage>([
    { type: 'ask', from: at(1), diskId: 'a disk' },
    page(5, 8, 40, b),
    page(5, 4, 4),
  ])('come back as they went: %#', (message) => {
    expect(decodeMessage(encodeMessage(message))).toEqual(message);
  });

  test.each([
    ['no array', 7],
    ['an unknown kind', [9, 1, 'x']],
    ['an asking from before the first entry', [1, 0, 'x']],
    [
      'a page whose entries go beyond all numbers',
      [2, Number.MAX_SAFE_INTEGER, 1, null, [[1, 1, new Uint8Array(1)]]],
    ],
  ])('of which one is %s are refused', (_, wire) => {
    expect(() => decodeMessage(wire)).toThrow(expect.objectContaining({ code: 'ERR_FRAME_INVALID' }));
  });

  test('do not pin the frame that they came in', () => {
    const frame = new Uint8Array(1_000);
    const decoded = decodeMessage([2, 1, 1, null, [[1, 1, frame.subarray(10, 20)]]]);
    expect(decoded.type === 'page' && decoded.entries[0]?.payload.buffer.byteLength).toBe(10);
  });
});

test('whatever is lost, doubled, reordered or crashes, it holds what is chosen, in order, each once, and all at last', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 60 }), (seed, total) => {
      const random = seededRandom(seed);
      const durable: Entry[] = [];
      let unsynced: { readonly mark: number; readonly entries: readonly Entry[] }[] = [];
      let told: number[] = [];
      let mail: { readonly from: NodeId; readonly message: LearnerMessage }[] = [];
      let learner = begin({ seed: random.below(1_000) });
      let chosen = 0;
      const carryOut = (effects: readonly Effect<LearnerMessage>[]): void => {
        for (const effect of effects) {
          if (effect.type === 'persist') unsynced.push({ mark: effect.mark, entries: effect.entries });
          else if (effect.type === 'committed') told.push(...effect.entries.map(({ index }) => index));
          else if (effect.type === 'send' && effect.message.type === 'ask') {
            const { from } = effect.message;
            const answer = page(from, Math.min(chosen, from + random.below(5)), chosen, c);
            if (!random.chance(0.2)) mail.push({ from: effect.to, message: answer });
            if (random.chance(0.2)) mail.push({ from: effect.to, message: answer });
          }
        }
      };
      const crash = (): void => {
        unsynced = [];
        mail = [];
        told = [];
        learner = begin({ seed: random.below(1_000), recovered: [...durable] });
      };
      let nowMs = 0;
      const turn = (isCalm: boolean): void => {
        nowMs += 10;
        if (chosen < total) chosen += random.below(3);
        carryOut(learner.step({ type: 'tick' }, nowMs));
        const place = random.below(Math.max(1, mail.length));
        const [letter] = mail.splice(isCalm ? 0 : place, 1);
        if (letter !== undefined)
          carryOut(learner.step({ type: 'receive', from: letter.from, message: letter.message }, nowMs));
        const write = random.chance(0.7) ? unsynced.shift() : undefined;
        if (write !== undefined) {
          durable.push(...write.entries);
          carryOut(learner.step({ type: 'persisted', mark: write.mark }, nowMs));
        }
        if (!isCalm && random.chance(0.03)) crash();
        // Told from the first one on, without a gap, and durable in the same order.
        expect(told).toEqual(told.map((_, index) => index + 1));
        expect(durable.map(({ index }) => index)).toEqual(durable.map((_, index) => index + 1));
      };
      for (let count = 0; count < 100; count++) turn(false);
      for (let count = 0; count < 600 && told.length < total; count++) turn(true);
      expect(told.length).toBeGreaterThanOrEqual(total);
    }),
    { numRuns: 60 },
  );
});
