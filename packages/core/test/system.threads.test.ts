/** The actor system on real threads: what a user sees when nodes work, die, hang and are cut off. */
import { execFile, execFileSync } from 'node:child_process';
import { constants, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ActorSystem, type ActorSystemEvents, type ActorSystemOptions } from '@quorate/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const module = (name: string): URL => new URL(`./threads/${name}`, import.meta.url);
const probeUrl = module('probe.mjs');
const timeoutMs = 10_000;

interface Probe {
  readonly do: string;
  readonly [field: string]: unknown;
}

let running: ActorSystem[] = [];

async function start(nodes: string[], options: Partial<ActorSystemOptions> = {}): Promise<ActorSystem> {
  const system = await ActorSystem.start({ nodes, seed: 1, ...options });
  running.push(system);
  return system;
}

const probeAt = (system: ActorSystem, address: string) => system.spawn<Probe, unknown>(address, probeUrl);

/** Asks until the answer satisfies; the test's own timeout is the limit. */
async function eventually<T>(ask: () => Promise<T>, satisfies: (answer: T) => boolean): Promise<T> {
  while (true) {
    const answer = await ask();
    if (satisfies(answer)) return answer;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const next = <Name extends keyof ActorSystemEvents>(system: ActorSystem, name: Name) =>
  new Promise<ActorSystemEvents[Name]>((resolve) => {
    const off = system.on(name, (event) => {
      off();
      resolve(event);
    });
  });

afterEach(async () => {
  const systems = running;
  running = [];
  await Promise.all(systems.map((system) => system.stop()));
});

test('every node is a thread of its own, and knows its name and argument', async () => {
  const system = await start(['a', 'b']);
  const options = { argument: { depth: 3, bytes: new Uint8Array([7]) } };
  const a = await system.spawn<Probe, { threadId: number }>('a/probe', probeUrl, options);
  const b = await system.spawn<Probe, { threadId: number }>('b/probe', probeUrl);
  const atA = await a.ask({ do: 'where' }, { timeoutMs });
  const atB = await b.ask({ do: 'where' }, { timeoutMs });
  expect(atA).toMatchObject({ node: 'a', argument: options.argument });
  expect(atB).toMatchObject({ node: 'b', argument: undefined });
  expect(new Set([0, atA.threadId, atB.threadId]).size).toBe(3);
});

test('nodes talk over their direct port, in order, and no frame passes through the app', async () => {
  const system = await start(['a', 'b']);
  const a = await probeAt(system, 'a/probe');
  const b = await probeAt(system, 'b/probe');
  a.tell({ do: 'flood', to: 'b/probe', count: 5_000 });
  const heard = await eventually(
    () => b.ask({ do: 'heard' }, { timeoutMs }) as Promise<unknown[]>,
    ({ length }) => length >= 5_000,
  );
  expect(heard).toEqual(Array.from({ length: 5_000 }, (_, at) => at));
  const { peers } = await system.inspect('b');
  expect(peers.find(({ peer }) => peer === 'a')).toMatchObject({ messagesReceived: 5_000 });
  expect(peers.find(({ peer }) => peer === 'app')?.messagesReceived).toBeLessThan(5_000);
});

test('one node asks another', async () => {
  const system = await start(['a', 'b']);
  const a = await probeAt(system, 'a/probe');
  await probeAt(system, 'b/probe');
  const asked = { do: 'ask', to: 'b/probe', message: { do: 'echo', value: [1, 'x'] }, timeoutMs };
  expect(await a.ask(asked, { timeoutMs })).toEqual([1, 'x']);
});

test('a killed node is an event, its watchers are signalled, its asks fail, and it can be restarted', async () => {
  const system = await start(['a', 'b']);
  const a = await probeAt(system, 'a/probe');
  const b = await probeAt(system, 'b/probe');
  await a.ask({ do: 'watch', address: 'b/probe' }, { timeoutMs });
  await b.ask({ do: 'note', value: 'before' }, { timeoutMs });
  const pending = b.ask({ do: 'never' }, { timeoutMs });
  const failed = expect(pending).rejects.toMatchObject({ code: 'ERR_STOPPED' });
  const down = next(system, 'node-down');
  await system.kill('b');
  expect(await down).toMatchObject({ node: 'b', incarnation: 0, reason: 'killed' });
  await failed;
  const heard = await eventually(
    () => a.ask({ do: 'heard' }, { timeoutMs }) as Promise<unknown[]>,
    ({ length }) => length > 0,
  );
  expect(heard).toEqual([{ type: 'terminated', address: 'b/probe', reason: 'node-down', incarnation: 0 }]);
  expect(system.isUp('b')).toBe(false);

  const up = next(system, 'node-up');
  await system.restart('b');
  expect(await up).toEqual({ node: 'b', incarnation: 1 });
  expect(await b.ask({ do: 'heard' }, { timeoutMs })).toEqual([]);
  const again = { do: 'ask', to: 'b/probe', message: { do: 'echo', value: 'new life' }, timeoutMs };
  expect(await a.ask(again, { timeoutMs })).toBe('new life');
});

test('the end of a thread is known to the others at once, though the thread of the app is busy', async () => {
  const system = await start(['a', 'b']);
  const a = await probeAt(system, 'a/probe');
  await probeAt(system, 'b/probe');
  await a.ask({ do: 'watch', address: 'b/probe' }, { timeoutMs });
  const killed = system.kill('b');
  const busyUntilMs = Date.now() + 1_000;
  while (Date.now() < busyUntilMs);
  await killed;
  const [signalledAtMs] = (await a.ask({ do: 'signalled' }, { timeoutMs })) as number[];
  expect(signalledAtMs).toBeLessThan(busyUntilMs);
  expect(await a.ask({ do: 'heard' }, { timeoutMs })).toMatchObject([
    { reason: 'node-down', incarnation: 0 },
  ]);
});

test('a restart can leave the node empty', async () => {
  const system = await start(['a']);
  await probeAt(system, 'a/probe');
  await system.restart('a', { respawn: false });
  expect((await system.inspect('a')).actors).toEqual([]);
});

test.each([
  ['exit', { do: 'exit', code: 3 }, { reason: 'exit', exitCode: 3 }],
  ['an uncaught error', { do: 'crash' }, { reason: 'error', error: { message: 'nobody catches this' } }],
  ['no memory left', { do: 'exhaust' }, { reason: 'out-of-memory' }],
])('a thread that ends by %s says so', async (_, message, expected) => {
  const system = await start(['a', 'b'], { heapMiB: 32 });
  const a = await probeAt(system, 'a/probe');
  const down = next(system, 'node-down');
  a.tell(message);
  expect(await down).toMatchObject({ node: 'a', incarnation: 0, ...expected });
  const b = await probeAt(system, 'b/probe');
  expect(await b.ask({ do: 'echo', value: 'alive' }, { timeoutMs })).toBe('alive');
});

test('a failing actor is restarted within its window, then given up, and the app is told', async () => {
  const system = await start(['a']);
  const restart = { max: 2, withinMs: 60_000, backoffMs: 1 };
  const probe = await system.spawn<Probe, unknown>('a/probe', probeUrl, { restart });
  const given = next(system, 'actor-failed');
  for (let failure = 0; failure < 3; failure++) {
    await expect(probe.ask({ do: 'fail' }, { timeoutMs })).rejects.toMatchObject({
      code: 'ERR_ACTOR_FAILED',
    });
  }
  expect(await given).toMatchObject({
    node: 'a',
    address: 'a/probe',
    restarts: 2,
    error: { code: 'ERR_ACTOR_FAILED', message: 'told to fail' },
  });
  await expect(probe.ask({ do: 'heard' }, { timeoutMs })).rejects.toMatchObject({ code: 'ERR_DEAD_LETTER' });
});

test('a paused node stands still, and goes on where it stood', async () => {
  const system = await start(['a', 'b']);
  const a = await probeAt(system, 'a/probe');
  const b = await probeAt(system, 'b/probe');
  await system.pause('a');
  for (const value of [1, 2, 3]) a.tell({ do: 'note', value });
  await expect(a.ask({ do: 'heard' }, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'ERR_ASK_TIMEOUT' });
  expect(await b.ask({ do: 'echo', value: 'not me' }, { timeoutMs })).toBe('not me');
  await system.resume('a');
  expect(await a.ask({ do: 'heard' }, { timeoutMs })).toEqual([1, 2, 3]);
});

test('nobody waits for a paused node: links are cut and other nodes restarted meanwhile', async () => {
  const system = await start(['a', 'b', 'c']);
  const a = await probeAt(system, 'a/probe');
  const b = await probeAt(system, 'b/probe');
  await system.pause('a');
  await system.partition([['a'], ['b', 'c']]);
  await system.restart('b');
  expect(await b.ask({ do: 'echo', value: 1 }, { timeoutMs })).toBe(1);
  await system.resume('a');
  // What it was told while it stood still holds: the way to the new life of b is known, and is cut.
  const askOfB = { do: 'ask', to: 'b/probe', message: { do: 'echo', value: 2 }, timeoutMs: 200 };
  await expect(a.ask(askOfB, { timeoutMs })).rejects.toMatchObject({
    message: expect.stringContaining('b/probe'),
  });
  await system.heal();
  expect(await a.ask(askOfB, { timeoutMs })).toBe(2);
});

test('a paused node can be killed and restarted, and a paused system stopped', async () => {
  const system = await start(['a', 'b']);
  const a = await probeAt(system, 'a/probe');
  await system.pause('a');
  await system.kill('a');
  await system.restart('a');
  expect(await a.ask({ do: 'echo', value: 'back' }, { timeoutMs })).toBe('back');
  await system.pause('b');
  await system.stop();
});

test('a partition cuts both ways until it is healed, and the app keeps its links', async () => {
  const system = await start(['a', 'b', 'c']);
  const probes = new Map<string, Awaited<ReturnType<typeof probeAt>>>();
  for (const node of ['a', 'b', 'c']) probes.set(node, await probeAt(system, `${node}/probe`));
  const reaches = async (from: string, to: string, withinMs: number): Promise<boolean> => {
    const message = { do: 'ask', to: `${to}/probe`, message: { do: 'echo', value: 1 }, timeoutMs: withinMs };
    const answer = probes.get(from)?.ask(message, { timeoutMs });
    return answer?.then(
      () => true,
      () => false,
    ) as Promise<boolean>;
  };
  await system.partition([['a'], ['b', 'c']]);
  const cut = await Promise.all([
    reaches('a', 'b', 100),
    reaches('c', 'a', 100),
    reaches('b', 'c', timeoutMs),
  ]);
  expect(cut).toEqual([false, false, true]);
  await system.heal();
  expect(await Promise.all([reaches('a', 'b', timeoutMs), reaches('c', 'a', timeoutMs)])).toEqual([
    true,
    true,
  ]);
});

test('the conditions of a link outlive the restart of either end', async () => {
  const system = await start(['a', 'b']);
  const a = await probeAt(system, 'a/probe');
  await probeAt(system, 'b/probe');
  await system.setLink({ from: 'a', to: 'b', dropRate: 1 });
  for (const restarted of ['a', 'b']) {
    await system.restart(restarted);
    const message = { do: 'ask', to: 'b/probe', message: { do: 'echo', value: 1 }, timeoutMs: 50 };
    await expect(a.ask(message, { timeoutMs })).rejects.toMatchObject({ code: 'ERR_ASK_TIMEOUT' });
  }
});

test('a dead letter on a node is an event in the app, its message shown', async () => {
  const system = await start(['a']);
  const letter = next(system, 'dead-letter');
  system.local.ref('a/nobody').tell({ lost: 'message' });
  expect(await letter).toEqual({
    node: 'a',
    to: 'a/nobody',
    from: 'app/-',
    reason: 'no-actor',
    message: "{ lost: 'message' }",
  });
});

test('an actor in TypeScript runs where tsx is installed', async () => {
  const system = await start(['a']);
  const greeter = await system.spawn<{ greet: string }, string>('a/greeter', module('greeter.ts'));
  expect(await greeter.ask({ greet: 'x' }, { timeoutMs })).toBe('hello x');
});

test.each([
  ['nowhere.mjs', /cannot be loaded/],
  ['no-actor.mjs', /no default export made by defineActor/],
])('the module %s is refused, by its URL', async (name, message) => {
  const system = await start(['a']);
  for (const address of ['a/x', 'app/x']) {
    await expect(system.spawn(address, module(name))).rejects.toMatchObject({
      code: 'ERR_MODULE_INVALID',
      message: expect.stringMatching(message),
      details: { url: module(name).href },
    });
  }
});

test('a factory that fails fails the spawn', async () => {
  const system = await start(['a']);
  await expect(system.spawn('a/broken', module('broken-factory.mjs'))).rejects.toMatchObject({
    code: 'ERR_ACTOR_FAILED',
    message: 'the factory is broken',
  });
});

test.each<[Partial<ActorSystemOptions>, string]>([
  [{ nodes: [] }, 'nodes'],
  [{ nodes: ['a', 'a'] }, 'nodes'],
  [{ nodes: ['app'] }, 'nodes'],
  [{ nodes: ['a/b'] }, 'nodes'],
  [{ nodes: ['a'], localNode: '' }, 'localNode'],
  [{ nodes: ['a'], heapMiB: -1 }, 'heapMiB'],
])('start refuses %j, naming the option', async (options, option) => {
  await expect(ActorSystem.start(options as ActorSystemOptions)).rejects.toMatchObject({
    code: 'ERR_OPTION_INVALID',
    details: { option },
  });
});

test('wrong nodes, links and actors are refused by name', async () => {
  const system = await start(['a']);
  const refusal = (option: string) => ({ code: 'ERR_OPTION_INVALID', details: { option } });
  await expect(system.kill('z')).rejects.toMatchObject(refusal('node'));
  await expect(system.setLink({ from: 'a', to: 'z' })).rejects.toMatchObject(refusal('to'));
  await expect(system.setLink({ from: 'a', to: 'a' })).rejects.toMatchObject(refusal('link.to'));
  const wrong = { from: 'a', to: 'app', dropRate: 2 };
  await expect(system.setLink(wrong)).rejects.toMatchObject(refusal('link.dropRate'));
  await expect(system.spawn('a', probeUrl)).rejects.toMatchObject(refusal('address'));
  await expect(system.spawn('a/x', probeUrl, { mailbox: { capacity: 0 } })).rejects.toMatchObject(
    refusal('mailbox.capacity'),
  );
  await probeAt(system, 'a/x');
  await expect(probeAt(system, 'a/x')).rejects.toMatchObject(refusal('name'));
});

test('after stop nothing keeps the process alive, and what was asked has failed', async () => {
  const program = fileURLToPath(module('leave-running.mjs'));
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 30_000 });
  expect(stdout.trim().split('\n')).toEqual(['used', 'ERR_STOPPED']);
});

describe('a thread that the kernel holds', () => {
  let pipe: string;

  /** Has the thread of `node` open the pipe, which does not come back. @returns what was asked of it */
  async function hold(system: ActorSystem, node: string): Promise<{ asked: Promise<unknown> }> {
    const asked = (await probeAt(system, `${node}/probe`)).ask({ do: 'hold', pipe }, { timeoutMs });
    asked.catch(() => undefined);
    await eventually(async () => existsSync(`${pipe}.held`), Boolean);
    return { asked };
  }

  /** Lets go whoever opens the pipe to read. */
  async function letGo(): Promise<void> {
    const end = await open(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    await end.close();
  }

  beforeEach(() => {
    pipe = join(mkdtempSync(join(tmpdir(), 'quorate-held-')), 'pipe');
    execFileSync('mkfifo', [pipe]);
    return () => rmSync(dirname(pipe), { recursive: true });
  });

  test('is not waited for by stop, whose time is bounded, but by who asks for it', async () => {
    const system = await start(['a', 'b'], { stopTimeoutMs: 1_000 });
    const { asked } = await hold(system, 'a');
    const startMs = performance.now();
    await Promise.all([system.stop(), expect(asked).rejects.toMatchObject({ code: 'ERR_STOPPED' })]);
    expect(performance.now() - startMs).toBeLessThan(5_000);
    expect(system.hanging).toEqual(['a']);
    await letGo();
    await system.threadsEnded();
    expect(system.hanging).toEqual([]);
  });

  test('keeps the name of its node, which is given again when it has ended', async () => {
    const system = await start(['a', 'b'], { stopTimeoutMs: 1_000 });
    await hold(system, 'a');
    await system.removeNode('a');
    expect(system.nodes).toEqual(['b']);
    await expect(system.addNode('a')).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' });
    await letGo();
    await eventually(
      () =>
        system.addNode('a').then(
          () => true,
          () => false,
        ),
      (isAdded) => isAdded,
    );
    expect(system.isUp('a')).toBe(true);
  });

  test('of a stopped system keeps no process alive', async () => {
    const program = fileURLToPath(module('leave-held.mjs'));
    const ran = promisify(execFile)(process.execPath, [program, pipe], { timeout: 30_000 });
    await expect(ran).rejects.toMatchObject({ killed: false, signal: 'SIGKILL', stdout: 'stopped\n' });
  });
});

test('a stopped system does nothing any more, and says so', async () => {
  const system = await start(['a']);
  const probe = await probeAt(system, 'a/probe');
  await system.stop();
  await system.stop();
  await expect(probe.ask({ do: 'echo' }, { timeoutMs })).rejects.toMatchObject({ code: 'ERR_STOPPED' });
  await expect(probeAt(system, 'a/other')).rejects.toMatchObject({ code: 'ERR_STOPPED' });
  await expect(system.restart('a')).rejects.toMatchObject({ code: 'ERR_STOPPED' });
  await expect(system.inspect('a')).rejects.toMatchObject({ code: 'ERR_STOPPED' });
});
