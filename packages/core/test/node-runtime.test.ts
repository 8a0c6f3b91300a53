/** What a node promises its actors, on two nodes in one thread. */
import { expect, test } from 'vitest';
import {
  type ActorContext,
  type ActorRef,
  CodedError,
  type DeadLetter,
  defineActor,
  type NodeId,
} from '../src/index.ts';
import { nodes } from './nodes.ts';

const echo = defineActor<unknown, unknown>(() => ({ receive: (message) => message }));

function recorder(): { seen: unknown[]; actor: ReturnType<typeof defineActor<unknown, void>> } {
  const seen: unknown[] = [];
  const actor = defineActor<unknown>(() => ({ receive: (message) => void seen.push(message) }));
  return { seen, actor };
}

test('a told message reaches an actor on the same node by reference', async () => {
  const { clock, node } = nodes(['a']);
  const { seen, actor } = recorder();
  const message = { greet: 'x' };
  node('a').spawn('log', actor).tell(message);
  expect(seen).toEqual([]);
  await clock.settle();
  expect(seen[0]).toBe(message);
});

test('a told message reaches an actor on another node as a plain copy', async () => {
  const { clock, node } = nodes(['a', 'b']);
  const { seen, actor } = recorder();
  node('b').spawn('log', actor);
  const message = { greet: 'x', bytes: new Uint8Array([1, 2]), nothing: undefined };
  node('a').ref('b/log').tell(message);
  message.greet = 'changed after it was sent';
  await clock.settle();
  expect(seen).toEqual([{ greet: 'x', bytes: new Uint8Array([1, 2]), nothing: undefined }]);
  expect(Object.getPrototypeOf(seen[0])).toBe(Object.prototype);
});

test.each(['a/echo', 'b/echo'])('an ask of %s resolves with what receive returns', async (address) => {
  const { clock, node } = nodes(['a', 'b']);
  node('a').spawn('echo', echo);
  node('b').spawn('echo', echo);
  const answer = node('a').ref(address).ask([1, 'two', null], { timeoutMs: 100 });
  await clock.settle();
  expect(await answer).toEqual([1, 'two', null]);
  expect(node('a').inspect().asksPending).toBe(0);
});

test('a promised answer does not hold up the mailbox, unless the actor is sequential', async () => {
  for (const turns of ['interleaved', 'sequential'] as const) {
    const { clock, node } = nodes(['a']);
    const order: string[] = [];
    let release = (): void => {};
    const actor = defineActor<string, string>(
      () => ({
        async receive(message) {
          order.push(`begin ${message}`);
          if (message === 'slow') await new Promise<void>((resolve) => (release = resolve));
          order.push(`end ${message}`);
          return message;
        },
      }),
      { turns },
    );
    const ref = node('a').spawn('worker', actor);
    const answers = Promise.all([ref.ask('slow', { timeoutMs: 100 }), ref.ask('fast', { timeoutMs: 100 })]);
    await clock.settle();
    release();
    await clock.settle();
    expect(await answers).toEqual(['slow', 'fast']);
    expect(order).toEqual(
      turns === 'interleaved'
        ? ['begin slow', 'begin fast', 'end fast', 'end slow']
        : ['begin slow', 'end slow', 'begin fast', 'end fast'],
    );
  }
});

test('messages wait in the mailbox until the factory has resolved', async () => {
  const { clock, node } = nodes(['a']);
  const seen: unknown[] = [];
  let open = (): void => {};
  const actor = defineActor<unknown>(async () => {
    await new Promise<void>((resolve) => (open = resolve));
    return { receive: (message) => void seen.push(message) };
  });
  node('a').spawn('late', actor).tell('early');
  await clock.settle();
  expect(seen).toEqual([]);
  expect(node('a').inspect().actors).toMatchObject([{ state: 'starting', mailboxDepth: 1 }]);
  open();
  await clock.settle();
  expect(seen).toEqual(['early']);
});

test('a message can be answered through its sender', async () => {
  const { clock, node } = nodes(['a', 'b']);
  const answers: unknown[] = [];
  node('b').spawn(
    'pong',
    defineActor<string>(() => ({ receive: (_, from) => from.tell('pong') })),
  );
  const ping = defineActor<string>((context) => {
    context.actor('b/pong').tell('ping');
    return { receive: (message, from) => void answers.push([message, from.address]) };
  });
  node('a').spawn('ping', ping);
  await clock.settle();
  expect(answers).toEqual([['pong', 'b/pong']]);
});

test('ten thousand messages between two actors arrive in order, in few frames', async () => {
  const { clock, node } = nodes(['a', 'b']);
  const { seen, actor } = recorder();
  node('b').spawn('log', actor);
  const log = node('a').ref('b/log');
  for (let number = 0; number < 10_000; number++) log.tell(number);
  await clock.settle();
  expect(seen).toEqual(Array.from({ length: 10_000 }, (_, number) => number));
  expect(node('a').inspect().peers[0]).toMatchObject({ framesSent: 1, messagesSent: 10_000 });
});

test('a turn ends at its limit, so that timers get theirs', async () => {
  const { clock, node } = nodes(['a'], { limits: { messagesPerTurn: 100 } });
  const { seen, actor } = recorder();
  const log = node('a').spawn('log', actor);
  for (let number = 0; number < 250; number++) log.tell(number);
  const depths: number[] = [];
  const watch = (): void => {
    depths.push(seen.length);
    if (seen.length < 250) clock.defer(watch);
  };
  watch();
  await clock.settle();
  expect(depths).toEqual([0, 100, 200, 250]);
});

test.each([
  ['b/nobody', 'no-actor'],
  ['c/anyone', 'no-link'],
] as const)('a tell to %s is a dead letter: %s', async (to, reason) => {
  const letters: DeadLetter[] = [];
  const { clock, node } = nodes(['a', 'b'], { onDeadLetter: (letter) => letters.push(letter) });
  node('a').ref(to).tell('lost');
  await clock.settle();
  expect(letters).toEqual([{ to, from: 'a/-', reason, message: 'lost' }]);
});

test.each(['a/nobody', 'b/nobody', 'c/anyone'])('an ask of %s fails at once', async (address) => {
  const { clock, node } = nodes(['a', 'b']);
  const ask = node('a').ref(address).ask(1, { timeoutMs: 100 });
  const failed = expect(ask).rejects.toMatchObject({ code: 'ERR_DEAD_LETTER' });
  await clock.settle();
  await failed;
});

test('an ask that nobody answers fails when its time is up, and not before', async () => {
  const { clock, node } = nodes(['a', 'b']);
  node('b').spawn(
    'mute',
    defineActor(() => ({ receive: () => new Promise(() => {}) })),
  );
  let failure: unknown;
  node('a')
    .ref('b/mute')
    .ask(1, { timeoutMs: 50 })
    .catch((error) => {
      failure = error;
    });
  await clock.advance(49);
  expect(failure).toBeUndefined();
  await clock.advance(2);
  expect(failure).toMatchObject({ code: 'ERR_ASK_TIMEOUT', details: { address: 'b/mute', timeoutMs: 50 } });
});

test('an ask ends with its signal: nothing sent before, unknown after', async () => {
  const { clock, node } = nodes(['a']);
  node('a').spawn(
    'mute',
    defineActor(() => ({ receive: () => new Promise(() => {}) })),
  );
  const controller = new AbortController();
  const ask = node('a').ref('a/mute').ask(1, { timeoutMs: 50, signal: controller.signal });
  const failed = expect(ask).rejects.toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN' });
  await clock.settle();
  controller.abort();
  await failed;
  const late = node('a').ref('a/mute').ask(1, { timeoutMs: 50, signal: controller.signal });
  await expect(late).rejects.toMatchObject({ code: 'ERR_ABORTED' });
});

test.each([0, -1, Number.NaN, Infinity, 2 ** 31, '5' as unknown as number])(
  'an ask with a deadline of %s is refused',
  async (timeoutMs) => {
    const { node } = nodes(['a']);
    const ask = node('a').ref('a/x').ask(1, { timeoutMs });
    await expect(ask).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID', details: { option: 'timeoutMs' } });
  },
);

test.each(['a/judge', 'b/judge'])('a coded error thrown at an ask of %s is its answer', async (address) => {
  const { clock, node } = nodes(['a', 'b']);
  const judge = defineActor<string, string>(() => ({
    receive(message) {
      if (message === 'no') throw new CodedError('ERR_NOT_LEADER', 'not here', { hint: 'c' });
      return message;
    },
  }));
  node('a').spawn('judge', judge);
  node('b').spawn('judge', judge);
  const ref = node('a').ref<string, string>(address);
  const refused = expect(ref.ask('no', { timeoutMs: 9 })).rejects.toMatchObject({
    code: 'ERR_NOT_LEADER',
    message: 'not here',
    details: { hint: 'c' },
  });
  const answered = ref.ask('yes', { timeoutMs: 9 });
  await clock.settle();
  await refused;
  expect(await answered).toBe('yes');
});

test('an answer that cannot be encoded fails the ask, and nothing else', async () => {
  const { clock, node } = nodes(['a', 'b']);
  node('b').spawn(
    'odd',
    defineActor<unknown, unknown>(() => ({ receive: () => new Map() })),
  );
  const asked = expect(node('a').ref('b/odd').ask(1, { timeoutMs: 9 })).rejects.toMatchObject({
    code: 'ERR_VALUE_INVALID',
  });
  await clock.settle();
  await asked;
});

test('a message that cannot be encoded is refused where it is sent', () => {
  const { node } = nodes(['a', 'b']);
  const ref = node('a').ref('b/x');
  expect(() => ref.tell({ run: () => {} })).toThrowError(/value\.run|\[4\]\.run/);
  expect(() => ref.tell(1n)).toThrowError(expect.objectContaining({ code: 'ERR_VALUE_INVALID' }));
});

test('large messages travel in frames of their own, and too large ones are refused', async () => {
  const { clock, node } = nodes(['a', 'b']);
  const { seen, actor } = recorder();
  node('b').spawn('log', actor);
  const ref = node('a').ref('b/log');
  const sizes = [10, 3 * 2 ** 20, 2 * 2 ** 20, 10, 6 * 2 ** 20, 10];
  for (const size of sizes) ref.tell(new Uint8Array(size));
  await clock.settle();
  expect(seen.map((bytes) => (bytes as Uint8Array).length)).toEqual(sizes);
  expect(node('a').inspect().peers[0]).toMatchObject({ framesSent: 4 });
  const refused = expect.objectContaining({ code: 'ERR_VALUE_INVALID' });
  expect(() => ref.tell(new Uint8Array(64 * 2 ** 20))).toThrowError(refused);
  expect(() => ref.tell(new Array(2 ** 22).fill(0))).toThrowError(refused);
});

test.each([-1, Number.NaN, 2 ** 31])('a timer of %s milliseconds is refused', (delayMs) => {
  const { node } = nodes(['a']);
  let context: ActorContext | undefined;
  node('a').spawn(
    'probe',
    defineActor((given) => {
      context = given;
      return { receive() {} };
    }),
  );
  const refused = expect.objectContaining({ code: 'ERR_OPTION_INVALID' });
  expect(() => context?.timers.after(delayMs, () => {})).toThrowError(refused);
  expect(() => context?.timers.every(delayMs, () => {})).toThrowError(refused);
});

test('a message that an actor does not accept never reaches receive', async () => {
  const letters: DeadLetter[] = [];
  const { clock, node } = nodes(['a', 'b'], { onDeadLetter: (letter) => letters.push(letter) });
  const seen: unknown[] = [];
  const picky = defineActor<string>(() => ({ receive: (message) => void seen.push(message) }), {
    accepts(value, path) {
      if (typeof value === 'string') return value;
      throw new CodedError('ERR_FRAME_INVALID', `${path}: not a string`);
    },
  });
  const ref = node('b').spawn('picky', picky) as ActorRef;
  node('a').ref('b/picky').tell(5);
  const asked = expect(ref.ask(6, { timeoutMs: 9 })).rejects.toMatchObject({ code: 'ERR_FRAME_INVALID' });
  ref.tell('fine');
  await clock.settle();
  await asked;
  expect(seen).toEqual(['fine']);
  expect(letters).toMatchObject([{ to: 'b/picky', from: 'a/-', reason: 'invalid', message: 5 }]);
});

test('a frame of nonsense is counted and reported, and the node lives on', async () => {
  const refused: unknown[] = [];
  const { clock, node } = nodes(['a', 'b'], {
    onFrameInvalid: (peer, error) => refused.push([peer, error.code]),
  });
  node('b').spawn('echo', echo);
  node('b').receiveFrame('a' as NodeId, new Uint8Array([1, 2, 3]));
  node('b').receiveFrame('a' as NodeId, 'nonsense' as unknown as Uint8Array);
  expect(refused).toEqual([
    ['a', 'ERR_FRAME_INVALID'],
    ['a', 'ERR_FRAME_INVALID'],
  ]);
  expect(node('b').inspect()).toMatchObject({ framesInvalid: 2, peers: [{ peer: 'a', framesInvalid: 2 }] });
  const answer = node('a').ref('b/echo').ask('still there?', { timeoutMs: 9 });
  await clock.settle();
  expect(await answer).toBe('still there?');
});

test('a frame that comes after the end of its node was announced is dropped', async () => {
  const refused: unknown[] = [];
  const { clock, node } = nodes(['a', 'b'], { onFrameInvalid: (peer) => refused.push(peer) });
  const { seen, actor } = recorder();
  node('b').spawn('log', actor);
  node('a').ref('b/log').tell('straggler');
  node('b').detachLink('a' as NodeId, 'test');
  await clock.settle();
  expect([seen, refused]).toEqual([[], []]);
});

test('a turn that takes long ends early, so that timers get theirs', async () => {
  const { clock, node } = nodes(['a'], { limits: { turnMs: 10 } });
  let nowMs = 0;
  clock.nowMs = () => nowMs;
  let handled = 0;
  const slow = defineActor(() => ({
    receive() {
      handled++;
      nowMs += 1;
    },
  }));
  const ref = node('a').spawn('slow', slow);
  for (let number = 0; number < 200; number++) ref.tell(number);
  const progress: number[] = [];
  const look = (): void => {
    progress.push(handled);
    if (handled < 200) clock.defer(look);
  };
  clock.defer(look);
  await clock.settle();
  expect(progress.length).toBeGreaterThan(3);
});

test('stashed messages are handled again, in order and ahead of others, and asks are answered then', async () => {
  const { clock, node } = nodes(['a']);
  const seen: string[] = [];
  const door = defineActor<string, string>((context) => {
    let isOpen = false;
    return {
      receive(message) {
        if (message === 'open') {
          isOpen = true;
          context.unstashAll();
        } else if (!isOpen) {
          context.stash();
          return '';
        }
        seen.push(message);
        return `did ${message}`;
      },
    };
  });
  const ref = node('a').spawn('door', door);
  const first = ref.ask('first', { timeoutMs: 99 });
  for (const message of ['second', 'open', 'third']) ref.tell(message);
  await clock.settle();
  expect(seen).toEqual(['open', 'first', 'second', 'third']);
  expect(await first).toBe('did first');
});

test('timers run while the actor lives, and die with it', async () => {
  const { clock, node } = nodes(['a']);
  const ticks: number[] = [];
  const ticker = defineActor<string>((context) => {
    context.timers.every(10, () => ticks.push(clock.nowMs()));
    context.timers.after(15, () => ticks.push(clock.nowMs()));
    context.timers.after(12, () => ticks.push(Number.NaN)).cancel();
    return { receive: () => context.stop() };
  });
  const ref = node('a').spawn('ticker', ticker);
  await clock.advance(35);
  expect(ticks).toEqual([10, 15, 20, 30]);
  ref.tell('stop');
  await clock.advance(50);
  expect(ticks).toEqual([10, 15, 20, 30]);
  expect(node('a').inspect().actors).toEqual([]);
});

test('a timer of a sequential actor waits for the message that is being handled', async () => {
  const { clock, node } = nodes(['a']);
  const order: string[] = [];
  let release = (): void => {};
  const actor = defineActor<string>(
    (context) => {
      context.timers.after(5, () => order.push('timer'));
      return {
        async receive() {
          order.push('begin');
          await new Promise<void>((resolve) => (release = resolve));
          order.push('end');
        },
      };
    },
    { turns: 'sequential' },
  );
  node('a').spawn('busy', actor).tell('go');
  await clock.advance(10);
  expect(order).toEqual(['begin']);
  release();
  await clock.settle();
  expect(order).toEqual(['begin', 'end', 'timer']);
});

test('children stop with their parent, and their names are free again', async () => {
  const { clock, node } = nodes(['a']);
  const stopped: string[] = [];
  const child = defineActor(() => ({ receive() {}, stopped: () => void stopped.push('child') }));
  const parent = defineActor<string>((context) => {
    context.spawn('child', child);
    return { receive: () => context.stop(), stopped: () => void stopped.push('parent') };
  });
  const ref = node('a').spawn('parent', parent);
  expect(
    node('a')
      .inspect()
      .actors.map(({ name }) => name),
  ).toEqual(['parent', 'child']);
  ref.tell('stop');
  await clock.settle();
  expect(stopped).toEqual(['child', 'parent']);
  node('a').spawn('child', child);
});

test('a stopped node fails its asks, lets its actors go, and takes nothing more', async () => {
  const { clock, node } = nodes(['a', 'b']);
  const stopped: string[] = [];
  const slow = defineActor(() => ({
    receive: () => new Promise(() => {}),
    async stopped() {
      await clock.settle();
      stopped.push('slow');
    },
  }));
  node('b').spawn('slow', slow);
  const fromHere = expect(node('b').ref('b/slow').ask(1, { timeoutMs: 99 })).rejects.toMatchObject({
    code: 'ERR_STOPPED',
  });
  const fromThere = expect(node('a').ref('b/slow').ask(1, { timeoutMs: 99 })).rejects.toMatchObject({
    code: 'ERR_STOPPED',
  });
  await clock.settle();
  await node('b').stop();
  expect(stopped).toEqual(['slow']);
  await clock.settle();
  await fromHere;
  node('a').detachLink('b' as NodeId, 'test');
  await fromThere;
  expect(() => node('b').spawn('more', slow)).toThrowError(expect.objectContaining({ code: 'ERR_STOPPED' }));
  await expect(node('b').ref('b/slow').ask(1, { timeoutMs: 9 })).rejects.toMatchObject({
    code: 'ERR_STOPPED',
  });
});

test.each(['', 'a/b', '../x', ' x', 'x'.repeat(129), '-'])('the name %j is refused', (name) => {
  const { node } = nodes(['a']);
  expect(() => node('a').spawn(name, echo)).toThrowError(
    expect.objectContaining({
      code: 'ERR_OPTION_INVALID',
      details: expect.objectContaining({ option: 'name' }),
    }),
  );
});

test.each([
  [{ mailbox: { capacity: 0 } }, 'mailbox.capacity'],
  [{ mailbox: { overflow: 'explode' as 'reject' } }, 'mailbox.overflow'],
  [{ restart: { max: -1, withinMs: 5 } }, 'restart.max'],
  [{ restart: { max: 1, withinMs: 0 } }, 'restart.withinMs'],
  [{ restart: { max: 1, withinMs: 5, beyond: 'pray' as 'stop' } }, 'restart.beyond'],
])('spawn refuses %j, naming the option', (options, option) => {
  const { node } = nodes(['a']);
  expect(() => node('a').spawn('x', echo, options)).toThrowError(
    expect.objectContaining({ code: 'ERR_OPTION_INVALID', details: expect.objectContaining({ option }) }),
  );
});

test('a name is taken once', () => {
  const { node } = nodes(['a']);
  node('a').spawn('x', echo);
  expect(() => node('a').spawn('x', echo)).toThrowError(/not in use/);
});

test('what is no definition is no actor', () => {
  const { node } = nodes(['a']);
  expect(() => node('a').spawn('x', {} as typeof echo)).toThrowError(
    expect.objectContaining({ code: 'ERR_MODULE_INVALID' }),
  );
});

test('a context carries what the contract names', async () => {
  const { clock, node } = nodes(['a']);
  let seen: ActorContext | undefined;
  const probe = defineActor((context) => {
    seen = context;
    return { receive() {} };
  });
  node('a').spawn('probe', probe, { argument: { k: 1 } });
  expect(seen).toMatchObject({ node: 'a', argument: { k: 1 }, clock });
  expect(seen?.self.address).toBe('a/probe');
  for (const name of ['spawn', 'watch', 'unwatch', 'stash', 'unstashAll', 'stop', 'actor'] as const) {
    expect(seen?.[name]).toBeTypeOf('function');
  }
});
