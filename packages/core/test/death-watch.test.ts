/** Who watches an actor hears of its end, once, wherever both live. */
import { expect, test } from 'vitest';
import { DeathWatch } from '../src/death-watch.ts';
import { defineActor, type NodeId, type Signal } from '../src/index.ts';
import { nodes } from './nodes.ts';

/** Stops or fails when told to. */
const mortal = defineActor<string>((context) => ({
  receive(message) {
    if (message === 'fail') throw new Error('told to');
    context.stop();
  },
}));

function watcherOf(address: string) {
  const signals: Signal[] = [];
  const actor = defineActor<'watch' | 'unwatch' | 'fail'>((context) => {
    context.watch(context.actor(address));
    return {
      receive(message) {
        if (message === 'fail') throw new Error('told to');
        context[message](context.actor(address));
      },
      signal: (signal) => void signals.push(signal),
    };
  });
  return { signals, actor };
}

function setUp(target: string) {
  const { clock, node, link } = nodes(['a', 'b']);
  const [home, name] = target.split('/') as [string, string];
  const watched = node(home).spawn(name, mortal);
  const { signals, actor } = watcherOf(target);
  const watcher = node('a').spawn('watcher', actor, { restart: { max: 1, withinMs: 1_000 } });
  return { clock, node, link, signals, watched, watcher };
}

test.each([
  ['a/target', 'stop', 'stopped'],
  ['b/target', 'stop', 'stopped'],
  ['a/target', 'fail', 'failed'],
  ['b/target', 'fail', 'failed'],
])('a watcher hears that %s ended, told to %s', async (target, message, reason) => {
  const { clock, signals, watched } = setUp(target);
  await clock.settle();
  expect(signals).toEqual([]);
  watched.tell(message);
  await clock.settle();
  expect(signals).toEqual([{ type: 'terminated', address: target, reason }]);
});

test.each(['a/target', 'b/target'])('watching %s twice is being told once', async (target) => {
  const { clock, signals, watched, watcher } = setUp(target);
  watcher.tell('watch');
  await clock.settle();
  watched.tell('stop');
  await clock.settle();
  expect(signals).toHaveLength(1);
});

test.each(['a/target', 'b/target'])('who no longer watches %s is not told', async (target) => {
  const { clock, signals, watched, watcher } = setUp(target);
  watcher.tell('unwatch');
  await clock.settle();
  watched.tell('stop');
  await clock.settle();
  expect(signals).toEqual([]);
});

test.each(['a/target', 'b/target'])('watching %s when it is gone is told at once', async (target) => {
  const { clock, signals, watched, watcher } = setUp(target);
  watched.tell('stop');
  await clock.settle();
  watcher.tell('watch');
  await clock.settle();
  const end = { type: 'terminated', address: target, reason: 'stopped' };
  expect(signals).toEqual([end, end]);
});

test('watching an actor on a node that no link leads to is told at once', async () => {
  const { clock, node } = nodes(['a']);
  const { signals, actor } = watcherOf('z/target');
  node('a').spawn('watcher', actor);
  await clock.settle();
  expect(signals).toEqual([{ type: 'terminated', address: 'z/target', reason: 'unreachable' }]);
});

test('a node whose thread ends takes its actors along, and says in which life it was', async () => {
  const { clock, node, signals } = setUp('b/target');
  await clock.settle();
  node('a').peerEnded('b' as NodeId, 'test');
  node('a').peerEnded('b' as NodeId, 'test');
  await clock.settle();
  expect(signals).toEqual([{ type: 'terminated', address: 'b/target', reason: 'node-down', incarnation: 0 }]);
});

test('a link that is lost is no death: the node at its end may live on', async () => {
  const { clock, node, signals } = setUp('b/target');
  await clock.settle();
  node('a').detachLink('b' as NodeId, 'test');
  await clock.settle();
  expect(signals).toEqual([{ type: 'terminated', address: 'b/target', reason: 'unreachable' }]);
});

test.each([
  { story: 'to the next life, before which the last one ended', life: 4, reason: 'node-down' },
  { story: 'to the same life', life: 0, reason: 'unreachable' },
])('a new link $story ends the watches over the old one: $reason', async ({ life, reason }) => {
  const { clock, node, signals, link } = setUp('b/target');
  await clock.settle();
  node('a').attachLink('b' as NodeId, link('a', 'b'), life);
  await clock.settle();
  expect(signals).toMatchObject([{ reason }]);
});

test('the life that ended can be told from the one that can be reached when the word of it is handled', async () => {
  const { clock, node, link } = nodes(['a', 'b']);
  node('b').spawn('target', mortal);
  const lives: unknown[] = [];
  const watcher = defineActor((context) => {
    const reached = (): number | undefined => context.incarnationOf('b' as NodeId);
    lives.push(reached(), context.incarnationOf('a' as NodeId), context.incarnationOf('z' as NodeId));
    context.watch(context.actor('b/target'));
    return {
      receive: () => undefined,
      signal: (signal) => void lives.push(signal.type === 'terminated' && signal.incarnation, reached()),
    };
  });
  node('a').spawn('watcher', watcher);
  await clock.settle();
  expect(lives.splice(0)).toEqual([0, undefined, undefined]);
  node('a').peerEnded('b' as NodeId, 'test');
  node('a').attachLink('b' as NodeId, link('a', 'b'), 1);
  await clock.settle();
  expect(lives).toEqual([0, 1]);
});

test('word of an end overtakes the messages that wait', async () => {
  const { clock, node } = nodes(['a', 'b']);
  const heard: string[] = [];
  node('b').spawn('target', mortal);
  const watcher = defineActor<string>((context) => {
    context.watch(context.actor('b/target'));
    return { receive: (message) => void heard.push(message), signal: ({ type }) => void heard.push(type) };
  });
  const ref = node('a').spawn('watcher', watcher);
  await clock.settle();
  for (const word of ['one', 'two', 'three']) ref.tell(word);
  node('a').peerEnded('b' as NodeId, 'test');
  await clock.settle();
  expect(heard).toEqual(['terminated', 'one', 'two', 'three']);
});

test('a frame that arrives twice does not end an actor twice', async () => {
  const { clock, signals, watched, link } = setUp('b/target');
  await clock.settle();
  link('b', 'a').setConditions({ duplicateRate: 1 });
  watched.tell('stop');
  await clock.settle();
  expect(signals).toHaveLength(1);
});

test.each(['a/target', 'b/target'])('a watch of %s ends with the life of the watcher', async (target) => {
  const { clock, watched, watcher, signals, node } = setUp(target);
  watcher.tell('fail');
  await clock.settle();
  watched.tell('stop');
  await clock.settle();
  expect(signals).toEqual([]);
  await clock.advance(100);
  expect(node('a').inspect().actors).toMatchObject([{ name: 'watcher', restarts: 1 }]);
  expect(signals).toEqual([{ type: 'terminated', address: target, reason: 'stopped' }]);
});

test('a watcher hears of the end of a node that stopped in good order', async () => {
  const { clock, node, signals } = setUp('b/target');
  await clock.settle();
  await node('b').stop();
  node('a').detachLink('b' as NodeId, 'stopped');
  await clock.settle();
  expect(signals).toHaveLength(1);
});

test('who stops watching, or stops, leaves no entry behind on the other node', async () => {
  for (const end of ['unwatch', 'stop'] as const) {
    const { clock, node } = nodes(['a', 'b']);
    node('b').spawn('target', mortal);
    const watcher = defineActor<string>((context) => {
      context.watch(context.actor('b/target'));
      return {
        receive: () => (end === 'stop' ? context.stop() : context.unwatch(context.actor('b/target'))),
      };
    });
    node('a').spawn('watcher', watcher).tell('go');
    await clock.settle();
    expect(node('b').inspect().peers[0]).toMatchObject({ messagesReceived: 2 });
  }
});

test('a peer that is gone is forgotten as a watcher', () => {
  const books = new DeathWatch();
  books.addWatcher('target', { node: 'b' as NodeId, name: 'x' });
  books.addWatcher('target', { node: 'c' as NodeId, name: 'y' });
  expect(books.takeWatched('b' as NodeId)).toEqual([]);
  expect(books.takeWatchers('target')).toEqual([{ node: 'c', name: 'y' }]);
});

test('an end that waits for a busy watcher is no news once it stopped watching', async () => {
  const { clock, node } = nodes(['a']);
  const signals: Signal[] = [];
  let release = (): void => {};
  const target = node('a').spawn('target', mortal);
  const watcher = defineActor<string>(
    (context) => {
      context.watch(target);
      return {
        async receive() {
          await new Promise<void>((resolve) => (release = resolve));
          context.unwatch(target);
        },
        signal: (signal) => void signals.push(signal),
      };
    },
    { turns: 'sequential' },
  );
  node('a').spawn('watcher', watcher).tell('go');
  await clock.settle();
  target.tell('stop');
  await clock.settle();
  release();
  await clock.settle();
  expect(signals).toEqual([]);
});
