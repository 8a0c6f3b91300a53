/** Reads at the desk: by whom each is confirmed, when it is answered, and that each is answered or refused once. */
import { type Clock, decodeValue, encodeValue, type NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import type { Input, LogIndex, Role } from '../../src/protocol.ts';
import type { Epochs } from '../../src/replica/epochs.ts';
import type { Consistency, ReplicaMessage } from '../../src/replica/message.ts';
import { ReadDesk } from '../../src/replica/read-desk.ts';
import type { ReplicatedState } from '../../src/replica/replicated-state.ts';
import { firstEpoch } from './first-epoch.ts';
import { recordingClient } from './recording-client.ts';

const [a, b] = ['a', 'b'] as [NodeId, NodeId];
const at = (index: number): LogIndex => index as LogIndex;
const patienceMs = 1_200;

/** Replica a, which leads, has applied up to 5, and answers every query with where it stands. */
function setUp() {
  const is = {
    role: 'leader' as Role,
    leader: a as NodeId | undefined,
    moving: false,
    readable: true,
    applied: 5,
    nowMs: 0,
    epoch: firstEpoch,
  };
  const inputs: Input<unknown>[] = [];
  const sent: { readonly to: NodeId; readonly message: ReplicaMessage }[] = [];
  const epochs = {
    get run() {
      return {
        epoch: is.epoch,
        status: () => ({ role: is.role, leader: is.leader }),
        input: (input: Input<unknown>) => void inputs.push(input),
      };
    },
    get isMoving() {
      return is.moving;
    },
  } as unknown as Epochs;
  const state = {
    get appliedIndex() {
      return at(is.applied);
    },
    query: (queries: readonly unknown[]) =>
      queries[0] === 'too large' ? undefined : encodeValue([queries.map(() => is.applied), null]),
  } as unknown as ReplicatedState;
  const desk = new ReadDesk({
    node: a,
    group: 0,
    clock: { nowMs: () => is.nowMs } as Clock,
    state,
    epochs: () => epochs,
    isReadable: () => is.readable,
    leaderHint: () => is.leader,
    send: (to, message) => void sent.push({ to, message }),
    patienceMs,
    firstRead: 1,
  });
  const client = recordingClient();
  const read = (
    request: number,
    consistency: Consistency,
    { isLocal = false, atLeast = 0, queries = encodeValue(['where']) } = {},
  ): void =>
    desk.read(client.asks(request), {
      type: 'read',
      request,
      consistency,
      isLocal,
      atLeast: at(atLeast),
      queries,
    });
  return { is, desk, client, inputs, sent, read };
}

describe('a read that asks for no more than this state', () => {
  test('of any past is answered at once, by whoever is asked', () => {
    const { is, client, inputs, read } = setUp();
    is.role = 'follower';
    read(1, 'eventual');
    expect(client.told()).toEqual(['1: answers']);
    expect(client.messages[0]).toMatchObject({ index: 5 });
    expect(inputs).toEqual([]);
  });

  test('of a session waits until the state has what the session has seen', () => {
    const { is, desk, client, read } = setUp();
    read(1, 'session', { atLeast: 6 });
    expect(client.told()).toEqual([]);
    is.applied = 6;
    desk.serve();
    expect(client.told()).toEqual(['1: answers']);
  });

  test('is let go when the state does not get there for long, so that a replica cut off does not gather them', () => {
    const { is, desk, client, read } = setUp();
    read(1, 'session', { atLeast: 6 });
    is.nowMs = 4 * patienceMs;
    desk.tick();
    expect(client.told()).toEqual([]);
    is.nowMs += 1;
    desk.tick();
    expect(client.told()).toEqual([expect.stringContaining('1: refused ERR_NOT_LEADER')]);
    is.applied = 6;
    desk.serve();
    expect(client.told()).toEqual([]);
  });

  test('waits while the state is being replaced', () => {
    const { is, desk, client, read } = setUp();
    is.readable = false;
    read(1, 'eventual');
    expect(client.told()).toEqual([]);
    is.readable = true;
    desk.serve();
    expect(client.told()).toEqual(['1: answers']);
  });
});

describe('a linearizable read', () => {
  test('is answered when the protocol has confirmed an index, and the state has applied it', () => {
    const { is, desk, client, inputs, read } = setUp();
    read(1, 'linearizable');
    expect(inputs).toEqual([{ type: 'read', read: 1, mayUseLease: false }]);
    desk.serve();
    expect(client.told()).toEqual([]);
    desk.ready(1, at(7));
    expect(client.told()).toEqual([]);
    is.applied = 7;
    desk.serve();
    expect(client.told()).toEqual(['1: answers']);
    expect(client.messages[0]).toMatchObject({ index: 7 });
  });

  test('by lease may be answered by lease', () => {
    const { inputs, read } = setUp();
    read(1, 'lease');
    expect(inputs).toEqual([{ type: 'read', read: 1, mayUseLease: true }]);
  });

  test('that the protocol refuses may be asked of the leader', () => {
    const { is, desk, client, read } = setUp();
    read(1, 'linearizable');
    is.leader = b;
    desk.refused(1);
    expect(client.told()).toEqual(['1: refused ERR_NOT_LEADER, ask b']);
    desk.ready(1, at(5));
    expect(client.told()).toEqual([]);
  });

  test('whose confirmation never comes is let go after a while', () => {
    const { is, desk, client, read } = setUp();
    read(1, 'linearizable');
    is.nowMs = patienceMs;
    desk.tick();
    expect(client.told()).toEqual([]);
    is.nowMs = patienceMs + 1;
    desk.tick();
    expect(client.told()).toEqual(['1: refused ERR_NOT_LEADER, ask a']);
  });
});

describe('a follower that is to answer itself', () => {
  const follower = () => {
    const desk = setUp();
    desk.is.role = 'follower';
    desk.is.leader = b;
    return desk;
  };

  test('asks its leader for the index, and answers from its own state', () => {
    const { is, desk, client, inputs, sent, read } = follower();
    read(1, 'linearizable', { isLocal: true });
    expect(inputs).toEqual([]);
    expect(sent).toEqual([{ to: b, message: { type: 'read-index', group: 0, epoch: 1, read: 1 } }]);
    desk.peerHasRead({ type: 'read-index-reply', group: 0, epoch: 1, read: 1, index: at(6) });
    expect(client.told()).toEqual([]);
    is.applied = 6;
    desk.serve();
    expect(client.told()).toEqual(['1: answers']);
  });

  test.each([
    ['that does not lead either', 1, undefined],
    ['that speaks of another epoch', 2, at(3)],
  ])('and hears from one %s, answers nothing', (_, epoch, index) => {
    const { desk, client, read } = follower();
    read(1, 'linearizable', { isLocal: true });
    desk.peerHasRead({ type: 'read-index-reply', group: 0, epoch, read: 1, index });
    expect(client.told()).toEqual(['1: refused ERR_NOT_LEADER, ask b']);
  });
});

describe("a peer's question", () => {
  const question = { type: 'read-index', group: 0, epoch: 1, read: 70 } as const;
  const reply = (index: number | undefined) => ({
    to: b,
    message: { type: 'read-index-reply', group: 0, epoch: 1, read: 70, index },
  });

  test('is answered with the index that the protocol confirms, whatever the state here', () => {
    const { desk, inputs, sent } = setUp();
    desk.readForPeer(b, question);
    expect(inputs).toEqual([{ type: 'read', read: 1 }]);
    desk.ready(1, at(9));
    expect(sent).toEqual([reply(9)]);
  });

  test('is refused by who does not lead', () => {
    const { desk, sent } = setUp();
    desk.readForPeer(b, question);
    desk.refused(1);
    expect(sent).toEqual([reply(undefined)]);
  });

  test.each([
    [
      'of another epoch',
      (is: { epoch: object }) => Object.assign(is, { epoch: { ...firstEpoch, number: 2 } }),
    ],
    ['between two epochs', (is: { moving: boolean }) => Object.assign(is, { moving: true })],
  ])('%s is not put to the protocol', (_, change) => {
    const { is, desk, inputs } = setUp();
    change(is);
    desk.readForPeer(b, question);
    expect(inputs).toEqual([]);
  });
});

describe('at the end of an epoch', () => {
  const second = { ...firstEpoch, number: 2, base: at(5) };

  test('what was confirmed at its end or beyond is asked anew in the next', () => {
    const { is, desk, client, inputs, read } = setUp();
    read(1, 'linearizable');
    is.readable = false;
    desk.ready(1, at(5));
    desk.seal(second);
    is.readable = true;
    desk.serve();
    expect(client.told()).toEqual([]);
    is.epoch = second;
    desk.entered();
    expect(inputs.slice(1)).toEqual([{ type: 'read', read: 2, mayUseLease: false }]);
    desk.ready(2, at(5));
    expect(client.told()).toEqual(['1: answers']);
  });

  test('what comes in between waits, keeps its level, and is asked in the next', () => {
    const { is, desk, client, inputs, read } = setUp();
    is.moving = true;
    read(1, 'lease');
    desk.ready(1, at(5));
    desk.refused(1);
    is.nowMs = 10 * patienceMs;
    desk.tick();
    expect({ inputs, told: client.told() }).toEqual({ inputs: [], told: [] });
    is.moving = false;
    desk.entered();
    expect(inputs).toEqual([{ type: 'read', read: 1, mayUseLease: true }]);
  });

  test("a peer's question dies with its epoch: it asks in its own", () => {
    const { desk, sent, inputs } = setUp();
    desk.readForPeer(b, { type: 'read-index', group: 0, epoch: 1, read: 70 });
    inputs.length = 0;
    desk.entered();
    expect(inputs).toEqual([]);
    expect(sent).toMatchObject([{ to: b, message: { read: 70, index: undefined } }]);
  });
});

describe('what cannot be answered', () => {
  test('because it is no list of queries, is refused for good', () => {
    const { client, read } = setUp();
    read(1, 'eventual', { queries: Uint8Array.of(0xc1) });
    read(2, 'eventual', { queries: encodeValue('one') });
    expect(client.told()).toEqual(['1: rejected ERR_FRAME_INVALID', '2: rejected ERR_FRAME_INVALID']);
  });

  test('because the answers are too large together, is to be asked in parts', () => {
    const { client, read } = setUp();
    read(1, 'eventual', { queries: encodeValue(['too large', 'x']) });
    expect(client.told()).toEqual(['1: rejected ERR_OVERLOADED']);
  });

  test('because the replica stops, is refused, all of it', () => {
    const { desk, client, read } = setUp();
    read(1, 'linearizable');
    read(2, 'lease');
    desk.refuseAll();
    expect(client.told()).toEqual(['1: refused ERR_NOT_LEADER, ask a', '2: refused ERR_NOT_LEADER, ask a']);
  });
});

test('an answer is what the state says', () => {
  const { client, read } = setUp();
  read(1, 'eventual');
  const [answer] = client.messages;
  expect(answer?.type === 'answers' && decodeValue(answer.answers)).toEqual([[5], null]);
});
