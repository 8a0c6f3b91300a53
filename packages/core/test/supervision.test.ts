/** What becomes of an actor that fails: the rule alone, and the rule at work. */
import { expect, test } from 'vitest';
import { type ActorFailure, CodedError, defineActor, type RestartPolicy } from '../src/index.ts';
import { judge } from '../src/supervision.ts';
import { nodes } from './nodes.ts';

const policy: RestartPolicy = { max: 3, withinMs: 1_000, backoffMs: 10, backoffMsMax: 30 };

test.each<[string, number[], number, RestartPolicy | undefined, unknown]>([
  ['without a policy, the first failure', [0], 0, undefined, { type: 'stop' }],
  ['the first failure', [0], 0, policy, { type: 'restart', afterMs: 10 }],
  ['the second: the pause doubles', [0, 5], 5, policy, { type: 'restart', afterMs: 20 }],
  ['the third: the pause has its limit', [0, 5, 9], 9, policy, { type: 'restart', afterMs: 30 }],
  ['one more than allowed', [0, 5, 9, 12], 12, policy, { type: 'stop' }],
  [
    'as many, but the first is out of the window',
    [0, 5, 9, 1_000],
    1_000,
    policy,
    { type: 'restart', afterMs: 30 },
  ],
  ['all but the last out of the window', [0, 5, 9, 5_000], 5_000, policy, { type: 'restart', afterMs: 10 }],
  ['none allowed', [0], 0, { max: 0, withinMs: 1 }, { type: 'stop' }],
  ['too many, to be escalated', [0], 0, { max: 0, withinMs: 1, beyond: 'escalate' }, { type: 'escalate' }],
])('%s', (_, failuresMs, nowMs, restart, verdict) => {
  expect(judge(failuresMs, nowMs, restart)).toEqual(verdict);
});

/** An actor that fails when told to, and counts its lives. */
function mortal() {
  const lives: { stopped: boolean; seen: string[] }[] = [];
  const actor = defineActor<string, string>((context) => {
    const life = { stopped: false, seen: [] as string[] };
    lives.push(life);
    context.timers.every(1, () => life.seen.push('tick'));
    return {
      receive(message) {
        if (message === 'fail') throw new Error('told to');
        if (message === 'stash') context.stash();
        if (message === 'fail later') return Promise.reject(new Error('told to, later'));
        if (message === 'never') return new Promise<string>(() => {});
        life.seen.push(message);
        return `life ${lives.length}`;
      },
      stopped() {
        life.stopped = true;
      },
    };
  });
  return { lives, actor };
}

function setUp(restart?: RestartPolicy) {
  const failures: ActorFailure[] = [];
  const { clock, node } = nodes(['a', 'b'], { onActorFailed: (failure) => failures.push(failure) });
  const { lives, actor } = mortal();
  const ref = node('a').spawn('mortal', actor, restart === undefined ? {} : { restart });
  return { clock, node, lives, ref, failures };
}

test('without a policy the first failure ends the actor, and says so', async () => {
  const { clock, lives, ref, failures, node } = setUp();
  ref.tell('fail');
  ref.tell('too late');
  await clock.settle();
  expect(lives).toMatchObject([{ stopped: true, seen: [] }]);
  expect(failures).toMatchObject([
    { address: 'a/mortal', restarts: 0, error: { code: 'ERR_ACTOR_FAILED', message: 'told to' } },
  ]);
  expect(node('a').inspect().actors).toEqual([]);
});

test('a restart begins a new life, with the old mailbox, after the pause', async () => {
  const { clock, lives, ref, failures, node } = setUp(policy);
  const failed = expect(ref.ask('fail', { timeoutMs: 99 })).rejects.toMatchObject({
    code: 'ERR_ACTOR_FAILED',
  });
  const waited = ref.ask('waits', { timeoutMs: 99 });
  await clock.advance(9);
  await failed;
  expect(lives).toHaveLength(1);
  expect(node('a').inspect().actors).toMatchObject([{ state: 'backing-off', mailboxDepth: 1 }]);
  await clock.advance(1);
  expect(await waited).toBe('life 2');
  expect(lives).toMatchObject([{ stopped: true, seen: [] }, { stopped: false }]);
  expect(failures).toEqual([]);
  expect(node('a').inspect().actors).toMatchObject([{ state: 'running', restarts: 1 }]);
});

test('timers of an earlier life do not tick in the next', async () => {
  const { clock, lives, ref } = setUp(policy);
  await clock.advance(3);
  ref.tell('fail');
  await clock.advance(12);
  expect(lives[0]?.seen).toEqual(['tick', 'tick', 'tick']);
  expect(lives[1]?.seen).toEqual(['tick', 'tick']);
});

test('what was stashed goes back to the mailbox for the next life', async () => {
  const { clock, lives, ref, node } = setUp(policy);
  ref.tell('stash');
  ref.tell('fail');
  await clock.settle();
  expect(node('a').inspect().actors).toMatchObject([{ mailboxDepth: 1 }]);
  await clock.advance(10);
  expect(lives).toHaveLength(2);
  expect(node('a').inspect().actors).toMatchObject([{ mailboxDepth: 0 }]);
});

test('a rejected promise is a failure like a throw, and fails every answer still owed', async () => {
  const { clock, ref, lives } = setUp(policy);
  const owed = ['never', 'fail later'].map((message) =>
    expect(ref.ask(message, { timeoutMs: 999 })).rejects.toMatchObject({
      code: 'ERR_ACTOR_FAILED',
      message: 'told to, later',
    }),
  );
  await clock.advance(10);
  await Promise.all(owed);
  expect(lives).toHaveLength(2);
});

test('an actor beyond its restarts is given up; asks in its mailbox fail', async () => {
  const { clock, ref, failures, lives } = setUp({ max: 1, withinMs: 1_000, backoffMs: 10 });
  ref.tell('fail');
  ref.tell('fail');
  const waiting = expect(ref.ask('waits', { timeoutMs: 99 })).rejects.toMatchObject({ code: 'ERR_STOPPED' });
  await clock.advance(10);
  await waiting;
  expect(lives).toHaveLength(2);
  expect(failures).toMatchObject([{ address: 'a/mortal', restarts: 1 }]);
});

test('failures that are far apart never end an actor', async () => {
  const { clock, ref, failures, lives } = setUp({ max: 1, withinMs: 100 });
  for (let round = 0; round < 5; round++) {
    ref.tell('fail');
    await clock.advance(200);
  }
  expect(lives).toHaveLength(6);
  expect(failures).toEqual([]);
});

test('a factory that throws counts as a failure, at once or later', async () => {
  for (const later of [false, true]) {
    const { clock, node } = nodes(['a']);
    let lives = 0;
    const actor = defineActor<string, number>(() => {
      if (++lives < 3) {
        if (later) return Promise.reject(new Error('not yet'));
        throw new Error('not yet');
      }
      return { receive: () => lives };
    });
    const ref = node('a').spawn('slow-starter', actor, { restart: policy });
    const started = node('a').started('slow-starter');
    const answer = ref.ask('go', { timeoutMs: 999 });
    await clock.advance(50);
    await started;
    expect(await answer).toBe(3);
  }
});

test('a failure that escalates fails the parent, which starts again with its children', async () => {
  const failures: ActorFailure[] = [];
  const { clock, node } = nodes(['a'], { onActorFailed: (failure) => failures.push(failure) });
  const { lives, actor } = mortal();
  let parents = 0;
  const parent = defineActor((context) => {
    parents++;
    context.spawn('child', actor, { restart: { max: 0, withinMs: 1, beyond: 'escalate' } });
    return { receive() {} };
  });
  node('a').spawn('parent', parent, { restart: policy });
  node('a').ref('a/child').tell('fail');
  await clock.advance(10);
  expect(parents).toBe(2);
  expect(lives).toMatchObject([{ stopped: true }, { stopped: false }]);
  expect(failures).toMatchObject([{ address: 'a/child' }]);
});

test('the next life waits until the last one has let go', async () => {
  const { clock, node } = nodes(['a']);
  const order: string[] = [];
  let letGo = (): void => {};
  const actor = defineActor<string>(() => {
    order.push('start');
    return {
      receive() {
        throw new Error('told to');
      },
      async stopped() {
        await new Promise<void>((resolve) => (letGo = resolve));
        order.push('stopped');
      },
    };
  });
  node('a').spawn('holder', actor, { restart: policy }).tell('fail');
  await clock.advance(100);
  expect(order).toEqual(['start']);
  letGo();
  await clock.settle();
  expect(order).toEqual(['start', 'stopped', 'start']);
});

test('an answer of an earlier life is not given in the next', async () => {
  const { clock, node } = nodes(['a']);
  let answer: (value: string) => void = () => {};
  const actor = defineActor<string, string>(() => ({
    receive(message) {
      if (message === 'fail') throw new Error('told to');
      return new Promise((resolve) => (answer = resolve));
    },
  }));
  const ref = node('a').spawn('late', actor, { restart: policy });
  const failed = expect(ref.ask('wait', { timeoutMs: 99 })).rejects.toMatchObject({
    code: 'ERR_ACTOR_FAILED',
  });
  ref.tell('fail');
  await clock.settle();
  answer('too late');
  await failed;
});

test('a promise of an earlier life that is rejected late does not fail the next', async () => {
  const { clock, node } = nodes(['a']);
  let reject: (error: Error) => void = () => {};
  const actor = defineActor<string>(() => ({
    receive(message) {
      if (message === 'fail') throw new Error('told to');
      return new Promise<void>((_, fail) => (reject = fail));
    },
  }));
  const ref = node('a').spawn('late', actor, { restart: policy });
  ref.tell('wait');
  ref.tell('fail');
  await clock.advance(50);
  reject(new Error('too late'));
  await clock.advance(50);
  expect(node('a').inspect().actors).toMatchObject([{ state: 'running', restarts: 1 }]);
});

test('a coded error at a tell has nobody to answer, so it is a failure', async () => {
  const { clock, node } = nodes(['a']);
  const actor = defineActor(() => ({
    receive() {
      throw new CodedError('ERR_NOT_LEADER', 'not here');
    },
  }));
  node('a').spawn('strict', actor, { restart: policy }).tell('anything');
  await clock.advance(10);
  expect(node('a').inspect().actors).toMatchObject([{ restarts: 1 }]);
});

test('a parent that throws while a child takes it down fails once', async () => {
  const { clock, node } = nodes(['a']);
  const child = defineActor(() => {
    throw new Error('a broken child');
  });
  const parent = defineActor<string, string>((context) => ({
    receive() {
      context.spawn('child', child, { restart: { max: 0, withinMs: 1, beyond: 'escalate' } });
      throw new Error('and a broken parent');
    },
  }));
  const ref = node('a').spawn('parent', parent, { restart: { ...policy, max: 1 } });
  const failed = expect(ref.ask('go', { timeoutMs: 999 })).rejects.toMatchObject({
    code: 'ERR_ACTOR_FAILED',
    message: 'and a broken parent',
  });
  await clock.advance(100);
  await failed;
  expect(node('a').inspect().actors).toMatchObject([{ name: 'parent', state: 'running', restarts: 1 }]);
});

test('an actor that ends while its factory is at work lets go of what the factory made', async () => {
  const { clock, node } = nodes(['a']);
  let finish = (): void => {};
  let released = 0;
  const actor = defineActor(async () => {
    await new Promise<void>((resolve) => (finish = resolve));
    return { receive() {}, stopped: () => void released++ };
  });
  node('a').spawn('slow', actor);
  const started = expect(node('a').started('slow')).rejects.toMatchObject({ code: 'ERR_STOPPED' });
  await clock.settle();
  const stopped = node('a').stop();
  finish();
  await stopped;
  await started;
  await clock.settle();
  expect(released).toBe(1);
});

test('an actor that is stopped while it waits to restart stays stopped', async () => {
  const { clock, node } = nodes(['a']);
  let lives = 0;
  let letGo = (): void => {};
  const child = defineActor<string>(() => {
    lives++;
    return {
      receive() {
        throw new Error('told to');
      },
      stopped: () => new Promise<void>((resolve) => (letGo = resolve)),
    };
  });
  const parent = defineActor<string>((context) => {
    context.spawn('child', child, { restart: policy });
    return { receive: () => context.stop() };
  });
  const ref = node('a').spawn('parent', parent);
  node('a').ref('a/child').tell('fail');
  await clock.advance(50);
  ref.tell('stop');
  await clock.settle();
  letGo();
  await clock.advance(50);
  expect(lives).toBe(1);
});

test('a timer that waits for its turn is forgotten when it is cancelled, or when its life ends', async () => {
  for (const end of ['cancel', 'fail'] as const) {
    const { clock, node } = nodes(['a']);
    let fired = 0;
    let release = (): void => {};
    const actor = defineActor<string>(
      (context) => {
        const timer = context.timers.after(5, () => fired++);
        return {
          async receive() {
            await new Promise<void>((resolve) => (release = resolve));
            if (end === 'fail') throw new Error('told to');
            timer.cancel();
          },
        };
      },
      { turns: 'sequential' },
    );
    node('a')
      .spawn('busy', actor, { restart: { ...policy, backoffMs: 1 } })
      .tell('go');
    await clock.advance(10);
    release();
    await clock.advance(3);
    expect(fired).toBe(0);
  }
});
