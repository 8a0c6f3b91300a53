import { beforeEach, expect, test } from 'vitest';
import type { Effect, LogIndex } from '../../src/protocol.ts';
import { Durability, type WriteContext } from '../../src/raft/durability.ts';
import type { Term } from '../../src/raft/log.ts';
import type { RaftMessage } from '../../src/raft/message.ts';
import { entriesOf } from './lone-server.ts';

let durability: Durability;
let effects: Effect<RaftMessage>[];

beforeEach(() => {
  durability = new Durability({ lastIndex: 3 as LogIndex, term: 1 as Term });
  effects = [];
});

const context = (lastIndex: number, term = 1, nowMs = 0): WriteContext => ({
  hardState: { currentTerm: term as Term, votedFor: undefined },
  lastIndex: lastIndex as LogIndex,
  nowMs,
});
const reply = (round: number): RaftMessage => ({ type: 'heartbeat-reply', term: 1 as Term, round });
const to = 'b' as never;

test('with nothing to write and nothing unfinished, everything leaves at once', () => {
  durability.sendWhenWritten(to, reply(1));
  durability.sendWhenTermWritten(to, reply(2));
  durability.flush(context(3), effects);
  expect(effects.map(({ type }) => type)).toEqual(['send', 'send']);
});

test('a step that says and writes nothing has no effect', () => {
  durability.flush(context(3), effects);
  expect(effects).toEqual([]);
});

test('a promise waits behind an unfinished write, even when it adds nothing to it', () => {
  durability.append(entriesOf([1], 3));
  durability.flush(context(4), effects);
  durability.sendWhenWritten(to, reply(1));
  durability.flush(context(4), effects);
  expect(effects).toMatchObject([
    { type: 'persist', mark: 1, thenSend: [] },
    { type: 'persist', mark: 2, entries: [], thenSend: [{ message: { round: 1 } }] },
  ]);
});

test('what a later step says does not leave with an earlier write', () => {
  durability.append(entriesOf([1], 3));
  durability.flush(context(4), effects);
  const [first] = effects;
  durability.sendWhenWritten(to, reply(1));
  durability.flush(context(4), effects);
  expect(first).toMatchObject({ mark: 1, thenSend: [] });
});

test('what promises only its term waits for the term, and not for entries', () => {
  durability.append(entriesOf([1], 3));
  durability.flush(context(4), effects);
  durability.sendWhenTermWritten(to, reply(1));
  durability.flush(context(4), effects);
  expect(effects.at(-1)).toMatchObject({ type: 'send', message: { round: 1 } });
  durability.changeHardState();
  durability.sendWhenTermWritten(to, reply(2));
  durability.flush(context(4, 2), effects);
  expect(effects.at(-1)).toMatchObject({ type: 'persist', mark: 2, thenSend: [{ message: { round: 2 } }] });
  expect(durability.durableTerm).toBe(1);
  durability.persisted(2);
  expect(durability.durableTerm).toBe(2);
});

test('the log is durable up to what the finished writes have left of it', () => {
  durability.append(entriesOf([1, 1], 3));
  durability.flush(context(5), effects);
  expect(durability.durableIndex).toBe(3);
  durability.truncateAfter(2 as LogIndex);
  durability.append(entriesOf([2], 2));
  durability.flush(context(3, 2), effects);
  expect(durability.durableIndex).toBe(2);
  durability.persisted(1);
  expect(durability.durableIndex).toBe(2);
  durability.persisted(2);
  expect(durability.durableIndex).toBe(3);
});

test('an installed snapshot that discards the log takes the durable entries with it', () => {
  const snapshot = { index: 2 as LogIndex, term: 2 as Term };
  const options = { discardsLog: true, thenSend: [], context: { before: context(3), after: context(2, 2) } };
  durability.install(snapshot, options, effects);
  expect(effects).toMatchObject([{ type: 'install', mark: 1 }]);
  expect(durability.durableIndex).toBe(2);
});

test('the age of the oldest unfinished write is what the disk takes', () => {
  durability.append(entriesOf([1], 3));
  durability.flush(context(4, 1, 100), effects);
  durability.append(entriesOf([1], 4));
  durability.flush(context(5, 1, 150), effects);
  expect(durability.waitingMs(180)).toBe(80);
  durability.persisted(1);
  expect(durability.waitingMs(180)).toBe(30);
  durability.persisted(2);
  expect(durability.waitingMs(180)).toBe(0);
});

test('what was never written cannot have become durable', () => {
  expect(() => durability.persisted(1)).toThrow('only what was written');
});
