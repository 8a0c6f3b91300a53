/** Reports reach the app's thread in order, and never faster than it takes them. */
import { expect, test } from 'vitest';
import type { NodeId } from '../../src/index.ts';
import type { NodeReport } from '../../src/router/control.ts';
import { Reporter, shownLetter } from '../../src/router/reporter.ts';

function setUp() {
  const batches: (readonly NodeReport[])[] = [];
  let taken = (): void => {};
  const reporter = new Reporter((reports) => {
    batches.push(reports);
    return new Promise((resolve) => {
      taken = resolve;
    });
  });
  const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
  return { reporter, batches, turn, take: () => taken() };
}

const line = (text: string): NodeReport => ({ type: 'log', level: 'info', line: text, fields: {} });

test('the next batch leaves when the last one was taken', async () => {
  const { reporter, batches, turn, take } = setUp();
  reporter.report(line('1'));
  reporter.report(line('2'));
  await turn();
  reporter.report(line('3'));
  await turn();
  expect(batches).toEqual([[line('1'), line('2')]]);
  take();
  await turn();
  expect(batches[1]).toEqual([line('3')]);
});

test('what is too much is counted instead of kept', async () => {
  const { reporter, batches, turn } = setUp();
  for (let number = 0; number < 1_000; number++) reporter.report(line(`${number}`));
  await turn();
  expect(batches[0]).toHaveLength(257);
  expect(batches[0]?.at(-1)).toEqual({ type: 'suppressed', count: 744 });
});

test('drain waits for all of it', async () => {
  const { reporter, turn, take } = setUp();
  let isDrained = false;
  reporter.report(line('1'));
  const draining = reporter.drain().then(() => {
    isDrained = true;
  });
  await turn();
  expect(isDrained).toBe(false);
  take();
  await draining;
  await reporter.drain();
});

test('log lines become reports, their fields fit to cross a thread', async () => {
  const { reporter, batches, turn } = setUp();
  reporter.log().warn('careful', { count: 1, run: { now: () => {} } });
  await turn();
  const fields = { count: 1, run: '{ now: [Function: now] }' };
  expect(structuredClone(batches[0])).toEqual([{ type: 'log', level: 'warn', line: 'careful', fields }]);
});

test('a dead letter shows its message in few characters, whatever it is', () => {
  const letter = {
    to: 'a/x',
    from: 'a/-',
    reason: 'no-actor',
    message: { list: new Array(999).fill('x'.repeat(999)) },
  } as const;
  const shown = shownLetter(letter);
  expect(shown.message.length).toBeLessThanOrEqual(200);
  expect(shown).toMatchObject({ to: 'a/x', from: 'a/-' as NodeId, reason: 'no-actor' });
});
