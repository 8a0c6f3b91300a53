/** What a caller is told of its command, answer by answer, with the replicas played by hand. */
import { getEventListeners } from 'node:events';
import { type ActorRef, type Clock, CodedError, decodeValue, encodeValue, type NodeId } from '@quorate/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { Errands } from '../../src/cluster/errands.ts';
import { LeaderView } from '../../src/cluster/leader-view.ts';
import { Session, type SessionParts } from '../../src/cluster/session.ts';
import { defaultSessionLimitsOfClient } from '../../src/cluster/session-limits.ts';
import type { LogIndex, Reign } from '../../src/protocol.ts';
import type { ReplicaMessage, ReplicaStatus } from '../../src/replica/message.ts';
import { decodeReplicaMessage } from '../../src/replica/message-codec.ts';
import { decodePayload, type Payload } from '../../src/replica/payload.ts';

/** A clock whose time is moved by hand. */
class HandClock implements Clock {
  #nowMs = 0;
  #timers: { atMs: number; run: () => void }[] = [];
  #deferred: (() => void)[] = [];
  nowMs = (): number => this.#nowMs;
  wallMs = (): number => this.#nowMs;
  after(delayMs: number, run: () => void): { cancel(): void } {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }
  defer(run: () => void): void {
    this.#deferred.push(run);
  }
  endTurn(): void {
    for (let run = this.#deferred.shift(); run !== undefined; run = this.#deferred.shift()) run();
  }
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      this.endTurn();
      const next = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = next.atMs;
      next.run();
    }
    this.#nowMs = endMs;
    this.endTurn();
  }
}

interface Asked {
  readonly node: string;
  readonly message: ReplicaMessage;
}

const nodes = ['a', 'b', 'c'] as NodeId[];
const index = 7 as LogIndex;

let clock: HandClock;
let view: LeaderView;
let errands: Errands;
let session: Session<string, string, unknown, unknown>;
let asked: Asked[];
let failure: CodedError | undefined;
let unsent: SessionParts['unsent'];

beforeEach(() => {
  clock = new HandClock();
  view = new LeaderView(nodes);
  asked = [];
  const replica = (node: NodeId): ActorRef => ({
    address: `${node}/replica`,
    tell: (wire) => void asked.push({ node, message: decodeReplicaMessage(wire) }),
    ask: () => Promise.reject(new Error('nobody asks here')),
  });
  errands = new Errands({ clock, view, replica, firstRequest: 1, patienceMs: 600, backOffMs: 25 });
  let nonces = 0;
  failure = undefined;
  unsent = new Set();
  session = new Session(undefined, {
    clock,
    errands,
    nonce: () => `nonce ${++nonces}`,
    limits: { ...defaultSessionLimitsOfClient, batchesInFlightMax: 2 },
    failure: () => failure,
    unsent,
  });
});

function leads(node: string, reign = 1): void {
  const status: ReplicaStatus = {
    node: node as NodeId,
    role: 'leader',
    leader: node as NodeId,
    epoch: 1,
    algorithm: 'raft',
    acceptQuorum: undefined,
    members: view.nodes,
    reign: reign as Reign,
    commitIndex: index,
    appliedIndex: index,
    position: 0,
    mailboxDepth: 0,
    failure: undefined,
  };
  if (view.heard(status)) errands.leaderChanged();
}

/** Takes out the oldest message that is still to be answered. */
function next(): Asked & { readonly request: number; readonly payload: Payload | undefined } {
  clock.endTurn();
  const first = asked.shift();
  if (first === undefined) throw new Error('nothing was asked');
  const { message } = first;
  if (message.type !== 'propose' && message.type !== 'read') throw new Error(`unexpected ${message.type}`);
  return {
    ...first,
    request: message.request,
    payload: message.type === 'propose' ? decodePayload(message.payload) : undefined,
  };
}

function answerOpening(): void {
  const { node, request, payload } = next();
  expect(payload?.type).toBe('open');
  errands.received({ type: 'opened', request, index, session: 1 }, node as NodeId);
}

function answerBatch(batch: ReturnType<typeof next>, results: unknown[]): void {
  errands.received(
    { type: 'results', request: batch.request, index, results: encodeValue([results, null]) },
    batch.node as NodeId,
  );
}

function refuseBatch(
  batch: ReturnType<typeof next>,
  code: 'ERR_NOT_LEADER' | 'ERR_OUTCOME_UNKNOWN',
  leader?: string,
): void {
  const hint = leader as NodeId | undefined;
  errands.received(
    { type: 'refused', request: batch.request, code, message: 'no', leader: hint, isFinal: false },
    batch.node as NodeId,
  );
}

const outcomeOf = (call: Promise<unknown>): Promise<unknown> =>
  call.catch((error: { code: string }) => error.code);

describe('a command', () => {
  test('waits for the session, goes to the leader with its turn, and gets its own result', async () => {
    const calls = [session.propose('x'), session.propose('y')];
    leads('b');
    answerOpening();
    const batch = next();
    expect(batch.node).toBe('b');
    expect(batch.payload).toMatchObject({ type: 'batch', session: 1, batch: 1, commands: ['x', 'y'] });
    answerBatch(batch, ['rx', 'ry']);
    expect(await Promise.all(calls)).toEqual(['rx', 'ry']);
  });

  test('that nobody ever took is reported as not happened', async () => {
    const outcome = outcomeOf(session.propose('x', { timeoutMs: 100 }));
    clock.advance(200);
    expect(await outcome).toBe('ERR_NO_QUORUM');
  });

  test('that was sent and not answered is reported as unknown', async () => {
    leads('a');
    const outcome = outcomeOf(session.propose('x', { timeoutMs: 100 }));
    clock.endTurn();
    answerOpening();
    next();
    clock.advance(200);
    expect(await outcome).toBe('ERR_OUTCOME_UNKNOWN');
  });

  test('that every asked replica refused is reported as not happened', async () => {
    leads('a');
    const outcome = outcomeOf(session.propose('x', { timeoutMs: 20 }));
    clock.endTurn();
    answerOpening();
    refuseBatch(next(), 'ERR_NOT_LEADER');
    clock.advance(30);
    expect(await outcome).toBe('ERR_NO_QUORUM');
  });

  test('whose batch lives on for others is reported as unknown, though all have refused it so far', async () => {
    leads('a');
    const hasty = outcomeOf(session.propose('hasty', { timeoutMs: 20 }));
    const patient = session.propose('patient', { timeoutMs: 5_000 });
    clock.endTurn();
    answerOpening();
    refuseBatch(next(), 'ERR_NOT_LEADER');
    clock.advance(22);
    expect(await hasty).toBe('ERR_OUTCOME_UNKNOWN');
    leads('b', 2);
    const again = next();
    expect(again.payload).toMatchObject({ batch: 1, commands: ['hasty', 'patient'] });
    answerBatch(again, [1, 2]);
    expect(await patient).toBe(2);
  });

  test('is asked again byte for byte when the leader changes', async () => {
    leads('a');
    const call = session.propose('x');
    clock.endTurn();
    answerOpening();
    const first = next();
    leads('c', 2);
    const second = next();
    expect(second.node).toBe('c');
    expect(second.message).toEqual({ ...first.message, request: second.request });
    answerBatch(second, ['once']);
    expect(await call).toBe('once');
  });

  test('follows a hint at once, and does not run in circles between two replicas', () => {
    leads('a');
    session.propose('x').catch(() => undefined);
    clock.endTurn();
    answerOpening();
    for (let refusals = 0; refusals < 2; refusals++) {
      const batch = next();
      refuseBatch(batch, 'ERR_NOT_LEADER', batch.node === 'a' ? 'b' : 'a');
    }
    asked = asked.filter(({ message }) => message.type === 'propose');
    const before = asked.length;
    for (let refusals = 0; refusals < 10 && asked.length > 0; refusals++) {
      const batch = next();
      refuseBatch(batch, 'ERR_NOT_LEADER', batch.node === 'a' ? 'b' : 'a');
    }
    expect(before).toBeLessThanOrEqual(1);
    expect(asked).toEqual([]);
  });

  test('aborted before it was sent did not happen; aborted later it may have', async () => {
    const early = new AbortController();
    const unsent = outcomeOf(session.propose('x', { signal: early.signal }));
    early.abort();
    expect(await unsent).toBe('ERR_ABORTED');
    leads('a');
    const late = new AbortController();
    const sent = outcomeOf(session.propose('y', { signal: late.signal }));
    clock.endTurn();
    answerOpening();
    next();
    late.abort();
    expect(await sent).toBe('ERR_OUTCOME_UNKNOWN');
  });

  test('that is no MessagePack value is refused alone', async () => {
    leads('a');
    const bad = outcomeOf(session.propose((() => 1) as never));
    const good = session.propose('x');
    clock.endTurn();
    answerOpening();
    const batch = next();
    expect(batch.payload).toMatchObject({ commands: ['x'] });
    answerBatch(batch, ['fine']);
    expect(await bad).toBe('ERR_OPTION_INVALID');
    expect(await good).toBe('fine');
  });
});

test('a command too large for a message is refused by its size, others go on', async () => {
  leads('a');
  const large = outcomeOf(session.propose('x'.repeat(17 * 2 ** 20)));
  const small = session.propose('y');
  clock.endTurn();
  answerOpening();
  const batch = next();
  expect(batch.payload).toMatchObject({ batch: 1, commands: ['y'] });
  answerBatch(batch, ['fine']);
  expect(await large).toBe('ERR_OPTION_INVALID');
  expect(await small).toBe('fine');
});

test('commands and queries that are too many values for one message go as several', async () => {
  leads('a');
  const many = new Array<number>(300_000).fill(0);
  const calls = Array.from({ length: 16 }, () => session.propose(many as never));
  calls.push(...Array.from({ length: 16 }, () => session.query(many as never)));
  clock.endTurn();
  const kinds = new Set<string>();
  for (let answered = 0; asked.length > 0 && answered < 100; answered++) {
    const { message, request, node, payload } = next();
    kinds.add(message.type);
    if (payload?.type === 'open')
      errands.received({ type: 'opened', request, index, session: 1 }, node as NodeId);
    else {
      const count =
        payload?.type === 'batch'
          ? payload.commands.length
          : (decodeValue((message as ReplicaMessage & { type: 'read' }).queries) as unknown[]).length;
      const outcomes = encodeValue([new Array(count).fill(1), null]);
      if (message.type === 'read')
        errands.received({ type: 'answers', request, index, answers: outcomes }, node as NodeId);
      else errands.received({ type: 'results', request, index, results: outcomes }, node as NodeId);
    }
    clock.endTurn();
  }
  expect(kinds).toEqual(new Set(['propose', 'read']));
  expect(await Promise.all(calls)).toEqual(new Array(32).fill(1));
});

test('many calls may share one signal; a read that is aborted had no effect, sent or not', async () => {
  leads('a');
  const shared = new AbortController();
  const calls = Array.from({ length: 50 }, () => outcomeOf(session.query('k', { signal: shared.signal })));
  const write = outcomeOf(session.propose('x', { signal: shared.signal }));
  clock.endTurn();
  expect(getEventListeners(shared.signal, 'abort')).toHaveLength(1);
  shared.abort();
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['ERR_ABORTED']));
  expect(await write).toBe('ERR_ABORTED');
  expect(getEventListeners(shared.signal, 'abort')).toHaveLength(0);
});

describe('batches', () => {
  test('beyond those in flight make the next one larger, and acknowledge what is settled', async () => {
    leads('a');
    const calls = ['p', 'q'].map((command) => {
      const call = session.propose(command);
      clock.endTurn();
      return call;
    });
    answerOpening();
    const first = next();
    expect(first.payload).toMatchObject({ batch: 1, acknowledgedBelow: 1, commands: ['p', 'q'] });
    calls.push(session.propose('r'));
    const second = next();
    expect(second.payload).toMatchObject({ batch: 2, acknowledgedBelow: 1 });
    calls.push(session.propose('s'), session.propose('t'));
    clock.endTurn();
    expect(asked).toEqual([]);
    answerBatch(first, [1, 2]);
    expect(next().payload).toMatchObject({ batch: 3, acknowledgedBelow: 2, commands: ['s', 't'] });
    errands.rejectAll(Object.assign(new Error('over'), { code: 'ERR_STOPPED' }) as never);
    expect(await Promise.all(calls.map(outcomeOf))).toEqual([
      1,
      2,
      'ERR_OUTCOME_UNKNOWN',
      'ERR_OUTCOME_UNKNOWN',
      'ERR_OUTCOME_UNKNOWN',
    ]);
  });

  test('of an expired session are reported, and later commands open a new session', async () => {
    leads('a');
    const lost = outcomeOf(session.propose('x'));
    clock.endTurn();
    answerOpening();
    const { request, node } = next();
    const refusal = {
      type: 'refused',
      request,
      code: 'ERR_SESSION_EXPIRED',
      message: 'no',
      leader: undefined,
      isFinal: true,
    } as const;
    errands.received(refusal, node as NodeId);
    expect(await lost).toBe('ERR_SESSION_EXPIRED');
    session.propose('y').catch(() => undefined);
    const opening = next();
    expect(opening.payload).toMatchObject({ type: 'open', nonce: 'nonce 2' });
    errands.received({ type: 'opened', request: opening.request, index, session: 2 }, opening.node as NodeId);
    expect(next().payload).toMatchObject({ session: 2, batch: 2, acknowledgedBelow: 2 });
  });
});

describe('the end of a session', () => {
  /** Answers the question to close it, which has to be the next one. */
  function answerClose(): void {
    const { node, request, payload } = next();
    expect(payload).toEqual({ type: 'close', session: 1 });
    errands.received({ type: 'closed', request }, node as NodeId);
  }

  test('comes when everything before it has its outcome, and nothing is taken after it', async () => {
    leads('a');
    const before = session.propose('x');
    const closed = session.close();
    expect(session.close()).toBe(closed);
    expect(await outcomeOf(session.propose('y'))).toBe('ERR_SESSION_EXPIRED');
    expect(await outcomeOf(session.query('q'))).toBe('ERR_SESSION_EXPIRED');
    answerOpening();
    const batch = next();
    expect(batch.payload).toMatchObject({ type: 'batch', commands: ['x'] });
    clock.endTurn();
    expect(asked).toEqual([]);
    answerBatch(batch, ['rx']);
    expect(await before).toBe('rx');
    answerClose();
    await closed;
    expect(await outcomeOf(session.propose('z'))).toBe('ERR_SESSION_EXPIRED');
    expect(asked).toEqual([]);
  });

  test('needs nobody when it was never opened', async () => {
    await session.close();
    expect(await outcomeOf(session.propose('x'))).toBe('ERR_SESSION_EXPIRED');
    expect(asked).toEqual([]);
  });

  test('is asked for again until its deadline, and may have come when nobody answers', async () => {
    leads('a');
    const first = session.propose('x');
    answerOpening();
    answerBatch(next(), ['rx']);
    await first;
    const closed = outcomeOf(session.close({ timeoutMs: 2_000 }));
    clock.advance(2_100);
    expect(asked.length).toBeGreaterThan(1);
    expect(await closed).toBe('ERR_OUTCOME_UNKNOWN');
    asked = [];
    clock.advance(10_000);
    expect(asked).toEqual([]);
  });

  test('waits no longer than it was told to, while commands of longer patience wait', async () => {
    const before = outcomeOf(session.propose('x', { timeoutMs: 5_000 }));
    const closed = outcomeOf(session.close({ timeoutMs: 500 }));
    clock.advance(600);
    expect(await closed).toBe('ERR_NO_QUORUM');
    clock.advance(5_000);
    expect(await before).toBe('ERR_NO_QUORUM');
  });

  test('is given up with everything else when the client stops', async () => {
    leads('a');
    const before = outcomeOf(session.propose('x'));
    answerOpening();
    next();
    const closed = outcomeOf(session.close());
    failure = new CodedError('ERR_STOPPED', 'stopped', {});
    errands.rejectAll(failure);
    expect([await before, await closed]).toEqual(['ERR_OUTCOME_UNKNOWN', 'ERR_STOPPED']);
    clock.advance(10_000);
    expect(asked).toEqual([]);
  });
});

test('its client holds a session for as long as it has something to send, and no longer', async () => {
  expect(unsent.size).toBe(0);
  const sent = session.propose('x');
  const dropped = outcomeOf(session.propose('y', { signal: AbortSignal.timeout(0) }));
  expect(unsent.size).toBe(1);
  expect(await dropped).toBe('ERR_ABORTED');
  leads('a');
  answerOpening();
  const batch = next();
  expect(unsent.size).toBe(0);
  answerBatch(batch, ['rx']);
  await sent;
  const late = outcomeOf(session.propose('z', { timeoutMs: 100 }));
  const read = outcomeOf(session.query('q'));
  expect(unsent.size).toBe(1);
  session.rejectUnsent(new CodedError('ERR_STOPPED', 'stopped', {}));
  expect([await late, await read]).toEqual(['ERR_STOPPED', 'ERR_STOPPED']);
  expect(unsent.size).toBe(0);
});

describe('a read', () => {
  test('of the leader goes to the leader, a local one to any replica, with what the session has seen', async () => {
    leads('b');
    const write = session.propose('x');
    clock.endTurn();
    answerOpening();
    answerBatch(next(), [1]);
    await write;
    session.query('k').catch(() => undefined);
    expect(next()).toMatchObject({ node: 'b', message: { consistency: 'linearizable' } });
    session.query('k', { consistency: 'session' }).catch(() => undefined);
    const local = next();
    expect(local.message).toMatchObject({ consistency: 'session', atLeast: index });
    expect(decodeValue((local.message as ReplicaMessage & { type: 'read' }).queries)).toEqual(['k']);
  });

  test('without an answer is never unknown: it changed nothing', async () => {
    leads('a');
    const outcome = outcomeOf(session.query('k', { timeoutMs: 50 }));
    next();
    clock.advance(100);
    expect(await outcome).toBe('ERR_NO_QUORUM');
  });

  test('of an unknown consistency is refused, naming what is allowed', async () => {
    await expect(session.query('k', { consistency: 'strong' as never })).rejects.toThrow(
      'linearizable, lease, session, eventual',
    );
  });
});
