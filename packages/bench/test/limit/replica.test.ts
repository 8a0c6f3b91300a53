import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeCommands,
  decodeResults,
  encodeDecodable,
  encodeOpaque,
  type LimitCommand,
  type LimitMode,
  readHeader,
} from '../../src/limit/batch.ts';
import { durableOnQuorum, LimitFollower, LimitLeader } from '../../src/limit/replica.ts';

const commands: readonly LimitCommand[] = [
  ['k0', '0000000000000001'],
  ['k1', '0000000000000002'],
];

function startLeader(mode: LimitMode = 'decoded') {
  const stored: Uint8Array[] = [];
  const forwarded: Buffer[] = [];
  const replies: Buffer[] = [];
  const leader = new LimitLeader({
    mode,
    store: { append: (batch) => stored.push(batch) },
    followers: [(bytes) => forwarded.push(bytes), () => {}],
    reply: (bytes) => replies.push(bytes),
  });
  return { leader, stored, forwarded, replies };
}

describe('a batch', () => {
  test('is decoded to what was encoded', () => {
    const batch = encodeDecodable(9, commands);
    expect(readHeader(batch)).toEqual({ number: 9, committed: 0, count: 2 });
    expect(decodeCommands(batch)).toEqual(commands);
  });

  test('of opaque commands holds every value after its length', () => {
    const batch = encodeOpaque(3, commands);
    expect(readHeader(batch)).toEqual({ number: 3, committed: 0, count: 2 });
    expect(batch.readUInt32LE(12)).toBe(16);
    expect(batch.toString('latin1', 16, 32)).toBe('0000000000000001');
    expect(batch.byteLength).toBe(12 + 2 * 20);
  });

  test.each([encodeOpaque, encodeDecodable])('owns its buffer, so that it can be transferred', (encode) => {
    const first = encode(1, commands);
    expect(first.buffer.byteLength).toBe(first.byteLength);
    expect(encode(2, commands).buffer).not.toBe(first.buffer);
  });
});

describe('a leader', () => {
  test.each([
    ['its own disk and one follower', ['own', 0]],
    ['its own disk and the other follower', [1, 'own']],
    ['both followers', [0, 1]],
  ] as const)('replies when %s have the batch, not before', (_, [first, second]) => {
    const { leader, replies } = startLeader();
    const durable = (where: 'own' | 0 | 1): void =>
      where === 'own' ? leader.onOwnDurable(1) : leader.onAcknowledged(where, 1);
    leader.onBatch(encodeDecodable(1, commands));
    expect(replies).toHaveLength(0);
    durable(first);
    expect(replies).toHaveLength(0);
    durable(second);
    expect(replies).toHaveLength(1);
  });

  test('stores and forwards the same bytes, with what it knows to be committed', () => {
    const { leader, stored, forwarded } = startLeader();
    leader.onBatch(encodeDecodable(1, commands));
    leader.onOwnDurable(1);
    leader.onAcknowledged(0, 1);
    leader.onBatch(encodeDecodable(2, commands));
    expect(Buffer.compare(forwarded[1] ?? Buffer.of(), stored[1] ?? Buffer.of())).toBe(0);
    expect(readHeader(forwarded[1] ?? Buffer.of()).committed).toBe(1);
  });

  test('answers every command of several batches that were committed at once, in order', () => {
    const { leader, replies } = startLeader();
    for (const number of [1, 2, 3]) leader.onBatch(encodeDecodable(number, commands));
    leader.onAcknowledged(1, 3);
    leader.onOwnDurable(2);
    expect(replies.map((reply) => readHeader(reply).number)).toEqual([1, 2]);
    expect(replies.map(decodeResults)).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  test('counts opaque commands and gives no results', () => {
    const { leader, replies } = startLeader('opaque');
    leader.onBatch(encodeOpaque(1, commands));
    leader.onOwnDurable(1);
    leader.onAcknowledged(0, 1);
    const [reply] = replies;
    expect(readHeader(reply ?? Buffer.of()).count).toBe(2);
    expect(decodeResults(reply ?? Buffer.of())).toBeUndefined();
  });
});

test('a follower acknowledges what is durable, not what has arrived', () => {
  const acknowledged: number[] = [];
  const follower = new LimitFollower({
    mode: 'decoded',
    store: { append: () => {} },
    acknowledge: (upTo) => acknowledged.push(upTo),
  });
  for (const number of [1, 2, 3]) follower.onBatch(encodeDecodable(number, commands));
  expect(acknowledged).toEqual([]);
  follower.onOwnDurable(1);
  follower.onOwnDurable(2);
  expect(acknowledged).toEqual([1, 3]);
});

test('a quorum holds what more than half of the nodes hold, and no more', () => {
  const oddSized = fc.integer({ min: 0, max: 3 }).chain((half) => {
    const length = 2 * half + 1;
    return fc.array(fc.nat(20), { minLength: length, maxLength: length });
  });
  fc.assert(
    fc.property(oddSized, (durable) => {
      const holders = (number: number): number => durable.filter((upTo) => upTo >= number).length;
      const held = durableOnQuorum(durable);
      expect(holders(held)).toBeGreaterThan(durable.length / 2);
      expect(holders(held + 1)).toBeLessThanOrEqual(durable.length / 2);
    }),
  );
});
