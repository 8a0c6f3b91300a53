/** Link faults: as many as asked for, the same for the same seed, and none unasked. */
import { expect, test } from 'vitest';
import { conditionedLink, type LinkConditions, seededRandom } from '../../src/index.ts';
import { manualClock } from '../manual-clock.ts';

function setUp(conditions: Partial<LinkConditions> = {}, seed = 7) {
  const clock = manualClock();
  const arrived: { number: number; atMs: number }[] = [];
  let isClosed = false;
  const inner = {
    send: (frame: Uint8Array) => void arrived.push({ number: frame[0] as number, atMs: clock.nowMs() }),
    close: () => {
      isClosed = true;
    },
  };
  const link = conditionedLink(inner, { clock, random: seededRandom(seed) });
  link.setConditions(conditions);
  const numbers = (): number[] => arrived.map(({ number }) => number);
  const sendAll = (count: number): void => {
    for (let number = 0; number < count; number++) link.send(new Uint8Array([number]));
  };
  return { clock, link, arrived, numbers, sendAll, isClosed: () => isClosed };
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

test('a healthy link hands every frame over at once, in order', () => {
  const { link, numbers, sendAll } = setUp();
  sendAll(100);
  expect(numbers()).toEqual(upTo(100));
  expect(link.counters).toMatchObject({ sent: 100, delivered: 100, dropped: 0, delayed: 0 });
});

test('a link with delays keeps the order and the bounds', async () => {
  const { clock, arrived, numbers, sendAll } = setUp({ delayMs: [5, 50] });
  sendAll(100);
  expect(arrived).toEqual([]);
  await clock.advance(50);
  expect(numbers()).toEqual(upTo(100));
  expect(arrived[0]?.atMs).toBeGreaterThanOrEqual(5);
});

test('what is sent after the delays were taken away does not overtake what is on its way', async () => {
  const { clock, link, numbers, sendAll } = setUp({ delayMs: [10, 10] });
  sendAll(2);
  link.setConditions({ delayMs: [0, 0] });
  link.send(new Uint8Array([2]));
  await clock.advance(9);
  expect(numbers()).toEqual([]);
  await clock.advance(1);
  expect(numbers()).toEqual([0, 1, 2]);
});

test.each([
  ['dropRate', 'dropped'],
  ['duplicateRate', 'duplicated'],
  ['reorderRate', 'reordered'],
] as const)('%s is the share of frames that are %s', async (rate, counter) => {
  const { clock, link, sendAll } = setUp({ [rate]: 0.2 });
  for (let round = 0; round < 20; round++) sendAll(200);
  await clock.advance(100);
  const { sent, delivered, dropped, duplicated } = link.counters;
  expect(link.counters[counter] / sent).toBeGreaterThan(0.17);
  expect(link.counters[counter] / sent).toBeLessThan(0.23);
  expect(delivered).toBe(sent - dropped + duplicated);
});

test('reordered frames are overtaken, and all arrive', async () => {
  const { clock, numbers, sendAll } = setUp({ reorderRate: 0.3 });
  sendAll(100);
  await clock.advance(100);
  expect(numbers()).not.toEqual(upTo(100));
  expect(numbers().sort((a, b) => a - b)).toEqual(upTo(100));
});

test('a duplicate is a copy: the transfer of one leaves the other whole', () => {
  const frames: Uint8Array[] = [];
  const inner = { send: (frame: Uint8Array) => void frames.push(frame), close() {} };
  const link = conditionedLink(inner, { clock: manualClock(), random: seededRandom(1) });
  link.setConditions({ duplicateRate: 1 });
  link.send(new Uint8Array([1, 2]));
  expect(frames).toHaveLength(2);
  expect(frames[0]?.buffer).not.toBe(frames[1]?.buffer);
  expect(frames[0]).toEqual(frames[1]);
});

test('a partition stops what is sent and what is on its way, until it heals', async () => {
  const { clock, link, numbers, sendAll } = setUp({ delayMs: [10, 10] });
  sendAll(3);
  link.setConditions({ partitioned: true });
  sendAll(3);
  await clock.advance(20);
  expect(numbers()).toEqual([]);
  expect(link.counters.cut).toBe(6);
  link.setConditions({ partitioned: false });
  sendAll(2);
  await clock.advance(20);
  expect(numbers()).toEqual([0, 1]);
});

test('the same seed gives the same faults, another seed others', async () => {
  const run = async (seed: number) => {
    const all = { dropRate: 0.2, duplicateRate: 0.2, reorderRate: 0.2, delayMs: [1, 9] } as const;
    const { clock, arrived, sendAll } = setUp(all, seed);
    sendAll(100);
    await clock.advance(100);
    return arrived;
  };
  expect(await run(1)).toEqual(await run(1));
  expect(await run(1)).not.toEqual(await run(2));
});

test('after close nothing arrives any more', async () => {
  const { clock, link, numbers, sendAll, isClosed } = setUp({ delayMs: [5, 5] });
  sendAll(5);
  link.close();
  await clock.advance(10);
  expect(numbers()).toEqual([]);
  expect(isClosed()).toBe(true);
});

test.each<[Partial<LinkConditions>, string]>([
  [{ dropRate: -0.1 }, 'link.dropRate'],
  [{ duplicateRate: 1.1 }, 'link.duplicateRate'],
  [{ reorderRate: Number.NaN }, 'link.reorderRate'],
  [{ delayMs: [5, 1] }, 'link.delayMs'],
  [{ delayMs: [-1, 1] }, 'link.delayMs'],
  [{ delayMs: 5 as unknown as [number, number] }, 'link.delayMs'],
  [{ partitioned: 'yes' as unknown as boolean }, 'link.partitioned'],
  [{ droprate: 1 } as Partial<LinkConditions>, 'link.droprate'],
])('the conditions %j are refused, naming the field', (conditions, option) => {
  const { link } = setUp();
  expect(() => link.setConditions(conditions)).toThrowError(
    expect.objectContaining({ code: 'ERR_OPTION_INVALID', details: expect.objectContaining({ option }) }),
  );
});
