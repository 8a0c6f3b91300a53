/** What a caller is told of its command, answer by answer, with the replicas played by hand. */
import { getEventListeners } from 'node:events';
import { CodedError, decodeValue, encodeValue, type NodeId } from '@quorate/core';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ReplicaMessage } from '../../src/replica/message.ts';
import { index, outcomeOf, SessionByHand } from './session-by-hand.ts';

let hand: SessionByHand;

beforeEach(() => {
  hand = new SessionByHand();
});

describe('a command', () => {
  test('waits for the session, goes to the leader with its turn, and gets its own result', async () => {
    const calls = [hand.session.propose('x'), hand.session.propose('y')];
    hand.leads('b');
    hand.answerOpening();
    const batch = hand.next();
    expect(batch.node).toBe('b');
    expect(batch.payload).toMatchObject({ type: 'batch', session: 1, batch: 1, commands: ['x', 'y'] });
    hand.answerBatch(batch, ['rx', 'ry']);
    expect(await Promise.all(calls)).toEqual(['rx', 'ry']);
  });

  test('that nobody ever took is reported as not happened', async () => {
    const outcome = outcomeOf(hand.session.propose('x', { timeoutMs: 100 }));
    hand.clock.advance(200);
    expect(await outcome).toBe('ERR_NO_QUORUM');
  });

  test('that was sent and not answered is reported as unknown', async () => {
    hand.leads('a');
    const outcome = outcomeOf(hand.session.propose('x', { timeoutMs: 100 }));
    hand.clock.endTurn();
    hand.answerOpening();
    hand.next();
    hand.clock.advance(200);
    expect(await outcome).toBe('ERR_OUTCOME_UNKNOWN');
  });

  test('that every asked replica refused is reported as not happened', async () => {
    hand.leads('a');
    const outcome = outcomeOf(hand.session.propose('x', { timeoutMs: 20 }));
    hand.clock.endTurn();
    hand.answerOpening();
    hand.refuse(hand.next(), 'ERR_NOT_LEADER');
    hand.clock.advance(30);
    expect(await outcome).toBe('ERR_NO_QUORUM');
  });

  test('whose batch lives on for others is reported as unknown, though all have refused it so far', async () => {
    hand.leads('a');
    const hasty = outcomeOf(hand.session.propose('hasty', { timeoutMs: 20 }));
    const patient = hand.session.propose('patient', { timeoutMs: 5_000 });
    hand.clock.endTurn();
    hand.answerOpening();
    hand.refuse(hand.next(), 'ERR_NOT_LEADER');
    hand.clock.advance(22);
    expect(await hasty).toBe('ERR_OUTCOME_UNKNOWN');
    hand.leads('b', 2);
    const again = hand.next();
    expect(again.payload).toMatchObject({ batch: 1, commands: ['hasty', 'patient'] });
    hand.answerBatch(again, [1, 2]);
    expect(await patient).toBe(2);
  });

  test('is asked again byte for byte when the leader changes', async () => {
    hand.leads('a');
    const call = hand.session.propose('x');
    hand.clock.endTurn();
    hand.answerOpening();
    const first = hand.next();
    hand.leads('c', 2);
    const second = hand.next();
    expect(second.node).toBe('c');
    expect(second.message).toEqual({ ...first.message, request: second.request });
    hand.answerBatch(second, ['once']);
    expect(await call).toBe('once');
  });

  test('follows a hint at once, and does not run in circles between two replicas', () => {
    hand.leads('a');
    hand.session.propose('x').catch(() => undefined);
    hand.clock.endTurn();
    hand.answerOpening();
    for (let refusals = 0; refusals < 2; refusals++) {
      const batch = hand.next();
      hand.refuse(batch, 'ERR_NOT_LEADER', batch.node === 'a' ? 'b' : 'a');
    }
    hand.asked = hand.asked.filter(({ message }) => message.type === 'propose');
    const before = hand.asked.length;
    for (let refusals = 0; refusals < 10 && hand.asked.length > 0; refusals++) {
      const batch = hand.next();
      hand.refuse(batch, 'ERR_NOT_LEADER', batch.node === 'a' ? 'b' : 'a');
    }
    expect(before).toBeLessThanOrEqual(1);
    expect(hand.asked).toEqual([]);
  });

  test('aborted before it was sent did not happen; aborted later it may have', async () => {
    const early = new AbortController();
    const unsent = outcomeOf(hand.session.propose('x', { signal: early.signal }));
    early.abort();
    expect(await unsent).toBe('ERR_ABORTED');
    hand.leads('a');
    const late = new AbortController();
    const sent = outcomeOf(hand.session.propose('y', { signal: late.signal }));
    hand.clock.endTurn();
    hand.answerOpening();
    hand.next();
    late.abort();
    expect(await sent).toBe('ERR_OUTCOME_UNKNOWN');
  });

  test('that is no MessagePack value is refused alone', async () => {
    hand.leads('a');
    const bad = outcomeOf(hand.session.propose((() => 1) as never));
    const good = hand.session.propose('x');
    hand.clock.endTurn();
    hand.answerOpening();
    const batch = hand.next();
    expect(batch.payload).toMatchObject({ commands: ['x'] });
    hand.answerBatch(batch, ['fine']);
    expect(await bad).toBe('ERR_OPTION_INVALID');
    expect(await good).toBe('fine');
  });
});

test('a command too large for a message is refused by its size, others go on', async () => {
  hand.leads('a');
  const large = outcomeOf(hand.session.propose('x'.repeat(17 * 2 ** 20)));
  const small = hand.session.propose('y');
  hand.clock.endTurn();
  hand.answerOpening();
  const batch = hand.next();
  expect(batch.payload).toMatchObject({ batch: 1, commands: ['y'] });
  hand.answerBatch(batch, ['fine']);
  expect(await large).toBe('ERR_OPTION_INVALID');
  expect(await small).toBe('fine');
});

test('commands and queries that are too many values for one message go as several', async () => {
  hand.leads('a');
  const many = new Array<number>(300_000).fill(0);
  const calls = Array.from({ length: 16 }, () => hand.session.propose(many as never));
  calls.push(...Array.from({ length: 16 }, () => hand.session.query(many as never)));
  hand.clock.endTurn();
  const kinds = new Set<string>();
  for (let answered = 0; hand.asked.length > 0 && answered < 100; answered++) {
    const { message, request, node, payload } = hand.next();
    kinds.add(message.type);
    if (payload?.type === 'open')
      hand.errands.received({ type: 'opened', request, index, session: 1 }, node as NodeId);
    else {
      const count =
        payload?.type === 'batch'
          ? payload.commands.length
          : (decodeValue((message as ReplicaMessage & { type: 'read' }).queries) as unknown[]).length;
      const outcomes = encodeValue([new Array(count).fill(1), null]);
      if (message.type === 'read')
        hand.errands.received({ type: 'answers', request, index, answers: outcomes }, node as NodeId);
      else hand.errands.received({ type: 'results', request, index, results: outcomes }, node as NodeId);
    }
    hand.clock.endTurn();
  }
  expect(kinds).toEqual(new Set(['propose', 'read']));
  expect(await Promise.all(calls)).toEqual(new Array(32).fill(1));
});

test('many calls may share one signal; a read that is aborted had no effect, sent or not', async () => {
  hand.leads('a');
  const shared = new AbortController();
  const calls = Array.from({ length: 50 }, () =>
    outcomeOf(hand.session.query('k', { signal: shared.signal })),
  );
  const write = outcomeOf(hand.session.propose('x', { signal: shared.signal }));
  hand.clock.endTurn();
  expect(getEventListeners(shared.signal, 'abort')).toHaveLength(1);
  shared.abort();
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['ERR_ABORTED']));
  expect(await write).toBe('ERR_ABORTED');
  expect(getEventListeners(shared.signal, 'abort')).toHaveLength(0);
});

describe('batches', () => {
  test('beyond those in flight make the next one larger, and acknowledge what is settled', async () => {
    hand.leads('a');
    const calls = ['p', 'q'].map((command) => {
      const call = hand.session.propose(command);
      hand.clock.endTurn();
      return call;
    });
    hand.answerOpening();
    const first = hand.next();
    expect(first.payload).toMatchObject({ batch: 1, acknowledgedBelow: 1, commands: ['p', 'q'] });
    calls.push(hand.session.propose('r'));
    const second = hand.next();
    expect(second.payload).toMatchObject({ batch: 2, acknowledgedBelow: 1 });
    calls.push(hand.session.propose('s'), hand.session.propose('t'));
    hand.clock.endTurn();
    expect(hand.asked).toEqual([]);
    hand.answerBatch(first, [1, 2]);
    expect(hand.next().payload).toMatchObject({ batch: 3, acknowledgedBelow: 2, commands: ['s', 't'] });
    hand.errands.rejectAll(Object.assign(new Error('over'), { code: 'ERR_STOPPED' }) as never);
    expect(await Promise.all(calls.map(outcomeOf))).toEqual([
      1,
      2,
      'ERR_OUTCOME_UNKNOWN',
      'ERR_OUTCOME_UNKNOWN',
      'ERR_OUTCOME_UNKNOWN',
    ]);
  });

  test('of an expired session are reported, and later commands open a new session', async () => {
    hand.leads('a');
    const lost = outcomeOf(hand.session.propose('x'));
    hand.answerOpening();
    hand.expire(hand.next());
    expect(await lost).toBe('ERR_SESSION_EXPIRED');
    hand.session.propose('y').catch(() => undefined);
    hand.answerOpening(2);
    expect(hand.next().payload).toMatchObject({ session: 2, batch: 2, acknowledgedBelow: 2 });
  });

  test('left over from an expired session say nothing of the one that followed', async () => {
    hand.leads('a');
    const first = outcomeOf(hand.session.propose('x'));
    hand.answerOpening();
    const one = hand.next();
    const second = outcomeOf(hand.session.propose('y'));
    const other = hand.next();
    hand.expire(one);
    const third = hand.session.propose('z');
    hand.answerOpening(2);
    const batch = hand.next();
    hand.expire(other);
    expect([await first, await second]).toEqual(['ERR_SESSION_EXPIRED', 'ERR_SESSION_EXPIRED']);
    hand.answerBatch(batch, ['rz']);
    expect(await third).toBe('rz');
    hand.session.propose('more').catch(() => undefined);
    expect(hand.next().payload).toMatchObject({ type: 'batch', session: 2 });
  });
});

test('batches that were refused together are not asked again together', () => {
  hand.leads('a');
  hand.session.propose('x').catch(() => undefined);
  hand.answerOpening();
  const one = hand.next();
  hand.session.propose('y').catch(() => undefined);
  const other = hand.next();
  for (const batch of [one, other]) hand.refuse(batch, 'ERR_OVERLOADED');
  for (let refusals = 1; refusals < 5; refusals++) {
    hand.clock.advance(600);
    const again = [hand.next(), hand.next()];
    hand.asked = [];
    for (const batch of again) hand.refuse(batch, 'ERR_OVERLOADED');
  }
  const askedAtMs: number[] = [];
  for (let ms = 0; ms <= 600; ms += 10) {
    for (const _ of hand.asked.splice(0)) askedAtMs.push(ms);
    hand.clock.advance(10);
  }
  expect(askedAtMs).toHaveLength(2);
  expect(new Set(askedAtMs).size).toBe(2);
  expect(Math.min(...askedAtMs)).toBeGreaterThanOrEqual(300);
});

describe('a name that another holder has taken', () => {
  test('is not taken back for what waits, which is refused; whoever calls again takes it anew', async () => {
    hand = new SessionByHand('worker');
    hand.leads('a');
    const sent = outcomeOf(hand.session.propose('x'));
    hand.answerOpening();
    hand.expire(hand.next());
    expect(await sent).toBe('ERR_SESSION_EXPIRED');
    const waiting = outcomeOf(hand.session.propose('y'));
    const opening = hand.next();
    expect(opening.payload).toEqual({ type: 'open', name: 'worker', nonce: 'nonce 1' });
    hand.expire(opening);
    expect(await waiting).toBe('ERR_SESSION_EXPIRED');
    hand.clock.advance(10_000);
    expect(hand.asked).toEqual([]);
    hand.session.propose('z').catch(() => undefined);
    expect(hand.next().payload).toEqual({ type: 'open', name: 'worker', nonce: 'nonce 2' });
  });
});

describe('the end of a session', () => {
  /** Answers the question to close it, which has to be the next one. */
  function answerClose(): void {
    const { node, request, payload } = hand.next();
    expect(payload).toEqual({ type: 'close', session: 1 });
    hand.errands.received({ type: 'closed', request }, node as NodeId);
  }

  test('comes when everything before it has its outcome, and nothing is taken after it', async () => {
    hand.leads('a');
    const before = hand.session.propose('x');
    const closed = hand.session.close();
    expect(hand.session.close()).toBe(closed);
    expect(await outcomeOf(hand.session.propose('y'))).toBe('ERR_SESSION_EXPIRED');
    expect(await outcomeOf(hand.session.query('q'))).toBe('ERR_SESSION_EXPIRED');
    hand.answerOpening();
    const batch = hand.next();
    expect(batch.payload).toMatchObject({ type: 'batch', commands: ['x'] });
    hand.clock.endTurn();
    expect(hand.asked).toEqual([]);
    hand.answerBatch(batch, ['rx']);
    expect(await before).toBe('rx');
    answerClose();
    await closed;
    expect(await outcomeOf(hand.session.propose('z'))).toBe('ERR_SESSION_EXPIRED');
    expect(hand.asked).toEqual([]);
  });

  test('needs nobody when it was never opened', async () => {
    await hand.session.close();
    expect(await outcomeOf(hand.session.propose('x'))).toBe('ERR_SESSION_EXPIRED');
    expect(hand.asked).toEqual([]);
  });

  test('is asked for again until its deadline, and may have come when nobody answers', async () => {
    hand.leads('a');
    const first = hand.session.propose('x');
    hand.answerOpening();
    hand.answerBatch(hand.next(), ['rx']);
    await first;
    const closed = outcomeOf(hand.session.close({ timeoutMs: 2_000 }));
    hand.clock.advance(2_100);
    expect(hand.asked.length).toBeGreaterThan(1);
    expect(await closed).toBe('ERR_OUTCOME_UNKNOWN');
    hand.asked = [];
    hand.clock.advance(10_000);
    expect(hand.asked).toEqual([]);
  });

  test('of which nobody knows whether it was opened waits until that is known', async () => {
    hand.leads('a');
    const late = outcomeOf(hand.session.propose('x', { timeoutMs: 100 }));
    hand.clock.advance(200);
    expect(await late).toBe('ERR_NO_QUORUM');
    const closed = hand.session.close();
    const opening = hand.asked.length;
    expect(opening).toBeGreaterThan(1);
    hand.asked = hand.asked.slice(-1);
    hand.answerOpening();
    answerClose();
    await closed;
  });

  test('may be asked for again when nobody answered', async () => {
    hand.leads('a');
    const first = hand.session.propose('x');
    hand.answerOpening();
    hand.answerBatch(hand.next(), ['rx']);
    await first;
    const unanswered = outcomeOf(hand.session.close({ timeoutMs: 100 }));
    hand.clock.advance(200);
    expect(await unanswered).toBe('ERR_OUTCOME_UNKNOWN');
    hand.asked = [];
    const closed = hand.session.close();
    answerClose();
    await closed;
    expect(hand.session.close()).toBe(closed);
    hand.clock.endTurn();
    expect(hand.asked).toEqual([]);
  });

  test('waits no longer than it was told to, while commands of longer patience wait', async () => {
    const before = outcomeOf(hand.session.propose('x', { timeoutMs: 5_000 }));
    const closed = outcomeOf(hand.session.close({ timeoutMs: 500 }));
    hand.clock.advance(600);
    expect(await closed).toBe('ERR_NO_QUORUM');
    hand.clock.advance(5_000);
    expect(await before).toBe('ERR_NO_QUORUM');
  });

  test('is given up with everything else when the client stops', async () => {
    hand.leads('a');
    const before = outcomeOf(hand.session.propose('x'));
    hand.answerOpening();
    hand.next();
    const closed = outcomeOf(hand.session.close());
    hand.failure = new CodedError('ERR_STOPPED', 'stopped', {});
    hand.errands.rejectAll(hand.failure);
    expect([await before, await closed]).toEqual(['ERR_OUTCOME_UNKNOWN', 'ERR_STOPPED']);
    hand.clock.advance(10_000);
    expect(hand.asked).toEqual([]);
  });
});

test('its client holds a session for as long as it has something to send, and no longer', async () => {
  expect(hand.unsent.size).toBe(0);
  const sent = hand.session.propose('x');
  const dropped = outcomeOf(hand.session.propose('y', { signal: AbortSignal.timeout(0) }));
  expect(hand.unsent.size).toBe(1);
  expect(await dropped).toBe('ERR_ABORTED');
  hand.leads('a');
  hand.answerOpening();
  const batch = hand.next();
  expect(hand.unsent.size).toBe(0);
  hand.answerBatch(batch, ['rx']);
  await sent;
  const late = outcomeOf(hand.session.propose('z', { timeoutMs: 100 }));
  const read = outcomeOf(hand.session.query('q'));
  expect(hand.unsent.size).toBe(1);
  hand.session.rejectUnsent(new CodedError('ERR_STOPPED', 'stopped', {}));
  expect([await late, await read]).toEqual(['ERR_STOPPED', 'ERR_STOPPED']);
  expect(hand.unsent.size).toBe(0);
});

describe('a read', () => {
  test('of the leader goes to the leader, a local one to any replica, with what the session has seen', async () => {
    hand.leads('b');
    const write = hand.session.propose('x');
    hand.clock.endTurn();
    hand.answerOpening();
    hand.answerBatch(hand.next(), [1]);
    await write;
    hand.session.query('k').catch(() => undefined);
    expect(hand.next()).toMatchObject({ node: 'b', message: { consistency: 'linearizable' } });
    hand.session.query('k', { consistency: 'session' }).catch(() => undefined);
    const local = hand.next();
    expect(local.message).toMatchObject({ consistency: 'session', atLeast: index });
    expect(decodeValue((local.message as ReplicaMessage & { type: 'read' }).queries)).toEqual(['k']);
  });

  test('without an answer is never unknown: it changed nothing', async () => {
    hand.leads('a');
    const outcome = outcomeOf(hand.session.query('k', { timeoutMs: 50 }));
    hand.next();
    hand.clock.advance(100);
    expect(await outcome).toBe('ERR_NO_QUORUM');
  });

  test('of an unknown consistency is refused, naming what is allowed', async () => {
    await expect(hand.session.query('k', { consistency: 'strong' as never })).rejects.toThrow(
      'linearizable, lease, session, eventual',
    );
  });
});
