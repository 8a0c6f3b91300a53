/** Exactly once: how the session table judges batches, against a twin that simply remembers everything. */
import { encodeValue } from '@quorate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SessionTable } from '../../src/replica/session-table.ts';

const limits = { sessionsMax: 3, idleMsMax: 1_000, windowBatchesMax: 8, resultBytesMax: 64 };
const results = encodeValue([[1], null]);

function opened(table: SessionTable, ...opening: Parameters<SessionTable['open']>): number {
  const session = table.open(...opening);
  if (session === undefined) throw new Error(`${opening[0]} is another holder's`);
  return session;
}

function openTable(): { table: SessionTable; session: number } {
  const table = new SessionTable(limits);
  return { table, session: opened(table, undefined, 'first', 0) };
}

describe('a batch', () => {
  test('of an open session is executed, and known ever after', () => {
    const { table, session } = openTable();
    const header = { session, batch: 1, acknowledgedBelow: 1 };
    expect(table.judge(header)).toEqual({ type: 'execute' });
    table.record(header, results, 0);
    expect(table.judge(header)).toEqual({ type: 'duplicate', results });
  });

  test('of a session that was never opened is refused', () => {
    const { table } = openTable();
    expect(table.judge({ session: 99, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'expired' });
  });

  test('may come out of order, and a later one does not hide an earlier one', () => {
    const { table, session } = openTable();
    table.record({ session, batch: 2, acknowledgedBelow: 1 }, results, 0);
    expect(table.judge({ session, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'execute' });
  });

  test('that the client has acknowledged is refused and never executed, applied before or not', () => {
    const { table, session } = openTable();
    table.record({ session, batch: 1, acknowledgedBelow: 1 }, results, 0);
    table.record({ session, batch: 5, acknowledgedBelow: 5 }, results, 0);
    expect(table.judge({ session, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'expired' });
    expect(table.judge({ session, batch: 4, acknowledgedBelow: 1 })).toEqual({ type: 'expired' });
  });

  test('beyond the window is refused until the client acknowledges more', () => {
    const { table, session } = openTable();
    expect(table.judge({ session, batch: 9, acknowledgedBelow: 1 })).toEqual({ type: 'beyond-window' });
    expect(table.judge({ session, batch: 9, acknowledgedBelow: 2 })).toEqual({ type: 'execute' });
  });

  test('stays known when its results were dropped for want of space', () => {
    const { table, session } = openTable();
    for (const batch of [1, 2, 3]) {
      table.record({ session, batch, acknowledgedBelow: 1 }, new Uint8Array(40), 0);
    }
    expect(table.judge({ session, batch: 1, acknowledgedBelow: 1 })).toEqual({
      type: 'duplicate',
      results: undefined,
    });
    expect(table.judge({ session, batch: 3, acknowledgedBelow: 1 })).toMatchObject({
      results: new Uint8Array(40),
    });
  });
});

describe('closing', () => {
  test('makes room, frees the name, and refuses for ever what is still on its way', () => {
    const { table, session } = openTable();
    const named = opened(table, 'worker', 'a', 0);
    const size = table.size;
    table.close(named);
    table.close(session);
    expect(table.size).toBe(size - 2);
    expect(table.judge({ session: named, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'expired' });
    const again = opened(table, 'worker', 'b', 0);
    expect(again).toBeGreaterThan(named);
    table.close(named);
    expect(table.judge({ session: again, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'execute' });
  });
});

describe('opening', () => {
  test('the same nonce twice opens one session', () => {
    const { table, session } = openTable();
    expect(opened(table, undefined, 'first', 5)).toBe(session);
  });

  test('a name anew refuses whatever the former holder has under way', () => {
    const { table } = openTable();
    const former = opened(table, 'worker', 'a', 0);
    const present = opened(table, 'worker', 'b', 0);
    expect(table.judge({ session: former, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'expired' });
    expect(table.judge({ session: present, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'execute' });
  });

  test('a name by a former holder is refused, however late its word comes, and the present one goes on', () => {
    const { table } = openTable();
    opened(table, 'worker', 'a', 0);
    const present = opened(table, 'worker', 'b', 0);
    expect(table.open('worker', 'a', 0)).toBeUndefined();
    const saved = new SessionTable(limits);
    saved.restore(table.encode());
    expect(saved.open('worker', 'a', 0)).toBeUndefined();
    const later = opened(saved, 'worker', 'c', 0);
    expect(saved.open('worker', 'a', 0)).toBeUndefined();
    expect(saved.open('worker', 'b', 0)).toBeUndefined();
    expect(table.judge({ session: present, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'execute' });
    expect(saved.judge({ session: later, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'execute' });
  });

  test('a name that its holder has closed is for somebody new: not for that one, nor for one before', () => {
    const { table } = openTable();
    opened(table, 'worker', 'a', 0);
    table.close(opened(table, 'worker', 'b', 0));
    const saved = new SessionTable(limits);
    saved.restore(table.encode());
    // A copy of its own opening that comes after its end.
    expect(saved.open('worker', 'b', 0)).toBeUndefined();
    expect(saved.open('worker', 'a', 0)).toBeUndefined();
    opened(saved, 'worker', 'c', 0);
    expect(saved.open('worker', 'b', 0)).toBeUndefined();
  });

  test('a name whose session expired is still for its latest holder, and for none before', () => {
    const { table } = openTable();
    opened(table, 'worker', 'a', 0);
    opened(table, 'worker', 'b', 0);
    opened(table, undefined, 'much later', 1_001);
    const saved = new SessionTable(limits);
    saved.restore(table.encode());
    expect(saved.open('worker', 'a', 1_001)).toBeUndefined();
    opened(saved, 'worker', 'b', 1_001);
    const other = new SessionTable(limits);
    other.restore(table.encode());
    opened(other, 'worker', 'c', 1_001);
    expect(other.open('worker', 'b', 1_001)).toBeUndefined();
  });

  test('of a thousand names that nobody holds it is known who held them, and of no more', () => {
    const table = new SessionTable({ ...limits, sessionsMax: 10 });
    for (let count = 0; count <= 1_000; count++)
      table.close(opened(table, `name ${count}`, `nonce ${count}`, 0));
    expect(table.open('name 1', 'nonce 1', 0)).toBeUndefined();
    opened(table, 'name 0', 'nonce 0', 0);
  });

  test('what is open already keeps it from being the one idle for longest', () => {
    const { table, session } = openTable();
    const second = opened(table, undefined, 'second', 1);
    opened(table, undefined, 'third', 2);
    expect(opened(table, undefined, 'first', 3)).toBe(session);
    opened(table, undefined, 'fourth', 4);
    expect(table.judge({ session, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'execute' });
    expect(table.judge({ session: second, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'expired' });
  });

  test('beyond the limit expires the session that was idle for longest', () => {
    const { table, session } = openTable();
    const second = opened(table, undefined, 'second', 1);
    opened(table, undefined, 'third', 2);
    table.record({ session, batch: 1, acknowledgedBelow: 1 }, results, 3);
    opened(table, undefined, 'fourth', 4);
    expect(table.judge({ session: second, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'expired' });
    expect(table.judge({ session, batch: 2, acknowledgedBelow: 1 })).toEqual({ type: 'execute' });
  });

  test('expires sessions by log time alone', () => {
    const { table, session } = openTable();
    opened(table, undefined, 'later', 1_000);
    expect(table.judge({ session, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'execute' });
    opened(table, undefined, 'much later', 1_001);
    expect(table.judge({ session, batch: 1, acknowledgedBelow: 1 })).toEqual({ type: 'expired' });
  });
});

test('however batches are repeated, reordered and saved, each takes effect at most once', () => {
  const action = fc.record({
    batch: fc.integer({ min: 1, max: 12 }),
    acknowledged: fc.integer({ min: 1, max: 12 }),
    isSaved: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      let { table, session } = openTable();
      const executed = new Set<number>();
      let acknowledgedBelow = 1;
      for (const { batch, acknowledged, isSaved } of actions) {
        const header = { session, batch, acknowledgedBelow: Math.min(batch, acknowledged) };
        const verdict = table.judge(header);
        if (verdict.type === 'execute') {
          expect(executed.has(batch)).toBe(false);
          expect(batch).toBeGreaterThanOrEqual(acknowledgedBelow);
          executed.add(batch);
          table.record(header, results, 0);
          acknowledgedBelow = Math.max(acknowledgedBelow, header.acknowledgedBelow);
        } else if (verdict.type === 'duplicate') {
          expect(executed.has(batch)).toBe(true);
        }
        if (isSaved) {
          const restored = new SessionTable(limits);
          restored.restore(table.encode());
          expect(restored.encode()).toEqual(table.encode());
          table = restored;
        }
      }
    }),
  );
});

test('a saved table that is cut short is refused, not half restored', () => {
  const { table } = openTable();
  const encoded = table.encode();
  expect(() => new SessionTable(limits).restore(encoded.subarray(0, encoded.byteLength - 1))).toThrowError(
    expect.objectContaining({ code: 'ERR_FRAME_INVALID' }),
  );
});
