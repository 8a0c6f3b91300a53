/** A mailbox keeps its order and its bound, and the node tells whoever loses by it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DeadLetter, defineActor, type OverflowPolicy } from '../src/index.ts';
import { Mailbox } from '../src/mailbox.ts';
import { nodes } from './nodes.ts';

/** The same rules on a plain array. */
class NaiveMailbox {
  letters: number[] = [];
  readonly capacity: number;
  readonly overflow: OverflowPolicy;

  constructor(capacity: number, overflow: OverflowPolicy) {
    this.capacity = capacity;
    this.overflow = overflow;
  }

  offer(letter: number): number | undefined {
    if (this.letters.length < this.capacity) this.letters = [...this.letters, letter];
    else if (this.overflow !== 'drop-oldest') return letter;
    else {
      this.letters = [...this.letters, letter];
      return this.letters.shift();
    }
    return undefined;
  }
}

test('it behaves as a plain array with the same rules', () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('offer' as const), times: fc.integer({ min: 1, max: 1_500 }) }),
    fc.record({ type: fc.constant('take' as const), times: fc.integer({ min: 1, max: 1_500 }) }),
    fc.record({ type: fc.constant('put back' as const), times: fc.integer({ min: 1, max: 5 }) }),
  );
  const policy = fc.constantFrom<OverflowPolicy>('reject', 'drop-newest', 'drop-oldest');
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 30 }),
      fc.integer({ min: 1, max: 3_000 }),
      policy,
      (steps, capacity, overflow) => {
        const mailbox = new Mailbox<number, never>({ capacity, overflow });
        const naive = new NaiveMailbox(capacity, overflow);
        let next = 0;
        for (const { type, times } of steps) {
          if (type === 'put back') {
            const letters = Array.from({ length: times }, () => next++);
            mailbox.putBack(letters);
            naive.letters = [...letters, ...naive.letters];
          }
          for (let time = 0; time < times && type !== 'put back'; time++) {
            if (type === 'take') expect(mailbox.take()).toBe(naive.letters.shift());
            else expect(mailbox.offer(next)).toBe(naive.offer(next++));
          }
          expect(mailbox.depth).toBe(naive.letters.length);
        }
      },
    ),
    { numRuns: 50 },
  );
});

async function crowd(overflow: OverflowPolicy) {
  const letters: DeadLetter[] = [];
  const { clock, node } = nodes(['a', 'b'], { onDeadLetter: (letter) => letters.push(letter) });
  const seen: unknown[] = [];
  const signals: unknown[] = [];
  const slow = defineActor<unknown, string>(() => ({
    receive(message) {
      seen.push(message);
      return 'done';
    },
  }));
  const target = node('b').spawn('slow', slow, { mailbox: { capacity: 2, overflow } });
  const sender = defineActor((context) => {
    for (const number of [1, 2, 3, 4]) context.actor('b/slow').tell(number);
    return { receive() {}, signal: (signal) => void signals.push(signal) };
  });
  node('a').spawn('sender', sender);
  return { clock, node, seen, signals, letters, target };
}

test('reject: a message too many is lost, its sender told once', async () => {
  const { clock, seen, signals, letters, node } = await crowd('reject');
  await clock.settle();
  expect(seen).toEqual([1, 2]);
  expect(signals).toEqual([{ type: 'overloaded', address: 'b/slow' }]);
  expect(letters.map(({ message, reason, from }) => [message, reason, from])).toEqual([
    [3, 'overloaded', 'a/sender'],
    [4, 'overloaded', 'a/sender'],
  ]);
  expect(node('b').inspect().actors).toMatchObject([{ displaced: 2, mailboxDepth: 0 }]);
});

test('reject: told again at the next congestion', async () => {
  const { clock, node, signals } = await crowd('reject');
  await clock.settle();
  const again = defineActor<string>((context) => ({
    receive() {
      for (const number of [5, 6, 7]) context.actor('b/slow').tell(number);
    },
    signal: (signal) => void signals.push(signal),
  }));
  node('a').spawn('again', again).tell('go');
  await clock.settle();
  node('a').ref('a/again').tell('go');
  await clock.settle();
  expect(signals).toHaveLength(3);
});

test('drop-oldest: the newest messages are handled', async () => {
  const { clock, seen, signals, letters } = await crowd('drop-oldest');
  await clock.settle();
  expect(seen).toEqual([3, 4]);
  expect(signals).toEqual([]);
  expect(letters.map(({ message }) => message)).toEqual([1, 2]);
});

test('drop-newest: the oldest messages are handled, and nobody is signalled', async () => {
  const { clock, seen, signals } = await crowd('drop-newest');
  await clock.settle();
  expect(seen).toEqual([1, 2]);
  expect(signals).toEqual([]);
});

test('an ask too many fails with ERR_OVERLOADED', async () => {
  const { clock, target } = await crowd('reject');
  const asks = Promise.allSettled([1, 2, 3].map((number) => target.ask(number, { timeoutMs: 99 })));
  await clock.settle();
  expect(await asks).toMatchObject([
    { status: 'fulfilled' },
    { status: 'fulfilled' },
    { status: 'rejected', reason: { code: 'ERR_OVERLOADED', details: { capacity: 2 } } },
  ]);
});

test('signals pass a full mailbox, and come before the messages in it', async () => {
  const { clock, node } = nodes(['a']);
  const order: unknown[] = [];
  const watched = node('a').spawn(
    'watched',
    defineActor<string>((context) => ({ receive: () => context.stop() })),
  );
  const watcher = defineActor<number>((context) => {
    context.watch(watched);
    return { receive: (message) => void order.push(message), signal: ({ type }) => void order.push(type) };
  });
  watched.tell('stop');
  const ref = node('a').spawn('watcher', watcher, { mailbox: { capacity: 70 } });
  for (let number = 0; number < 70; number++) ref.tell(number);
  await clock.settle();
  expect(order).toHaveLength(71);
  expect(order.indexOf('terminated')).toBeLessThan(70);
});
