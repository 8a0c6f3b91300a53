/** Every ask ends: by its answer, by its deadline, or by the end of its node; and only by these. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AskTable } from '../src/ask-table.ts';
import { CodedError, type NodeId } from '../src/index.ts';
import { manualClock } from './manual-clock.ts';

const a = 'a' as NodeId;
const b = 'b' as NodeId;

function setUp() {
  const clock = manualClock();
  const table = new AskTable(clock);
  const ended: { ask: number; atMs: number; how: unknown }[] = [];
  const open = (timeoutMs: number, node = a, signal?: AbortSignal): number => {
    let number = 0;
    const options = signal === undefined ? { timeoutMs } : { timeoutMs, signal };
    const promise = table.open({ node, address: `${node}/x` }, options, (ask) => {
      number = ask;
    });
    promise.then(
      (how) => ended.push({ ask: number, atMs: clock.nowMs(), how }),
      ({ code }) => ended.push({ ask: number, atMs: clock.nowMs(), how: code }),
    );
    return number;
  };
  return { clock, table, ended, open };
}

test('only the node that was asked can answer, and only once', async () => {
  const { clock, table, ended, open } = setUp();
  const ask = open(10);
  expect(table.answer(ask, b, 'forged')).toBe(false);
  expect(table.answer(ask + 1, a, 'unknown')).toBe(false);
  expect(table.answer(ask, a, 'real')).toBe(true);
  expect(table.answer(ask, a, 'again')).toBe(false);
  await clock.settle();
  expect(ended).toEqual([{ ask, atMs: 0, how: 'real' }]);
  expect(table.size).toBe(0);
});

test('asks end at their own deadlines, in whatever order they were opened', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 }),
      async (timeouts) => {
        const { clock, ended, open } = setUp();
        for (const timeoutMs of timeouts) open(timeoutMs);
        await clock.advance(60);
        expect(ended.map(({ atMs }) => atMs)).toEqual([...timeouts].sort((x, y) => x - y));
        expect(new Set(ended.map(({ how }) => how))).toEqual(new Set(['ERR_ASK_TIMEOUT']));
      },
    ),
    { numRuns: 20 },
  );
});

test('the asks of one node fail together, and no others', async () => {
  const { clock, table, ended, open } = setUp();
  open(10, a);
  const other = open(10, b);
  table.failAll(a, () => new CodedError('ERR_STOPPED', 'gone'));
  await clock.settle();
  expect(ended).toMatchObject([{ how: 'ERR_STOPPED' }]);
  expect(table.answer(other, b, 'still here')).toBe(true);
});

test('an ask that could not be sent fails with the reason', async () => {
  const { table } = setUp();
  const promise = table.open({ node: a, address: 'a/x' }, { timeoutMs: 5 }, () => {
    throw new CodedError('ERR_VALUE_INVALID', 'a function');
  });
  await expect(promise).rejects.toMatchObject({ code: 'ERR_VALUE_INVALID' });
  expect(table.size).toBe(0);
});

test('an ask that has ended lets go of its signal', async () => {
  const { clock, table, open } = setUp();
  const { signal } = new AbortController();
  let listening = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = ((...given: Parameters<typeof addEventListener>) => {
    listening++;
    addEventListener.apply(signal, given);
  }) as typeof addEventListener;
  signal.removeEventListener = ((...given: Parameters<typeof removeEventListener>) => {
    listening--;
    removeEventListener.apply(signal, given);
  }) as typeof removeEventListener;
  const answered = open(10, a, signal);
  open(10, a, signal);
  expect(listening).toBe(2);
  table.answer(answered, a, 'yes');
  await clock.advance(10);
  expect(listening).toBe(0);
});
