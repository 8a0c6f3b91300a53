/** An actor that does what it is told, good or bad: the subject of tests with real threads. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { defineActor } from '@quorate/core';

export default defineActor((context) => {
  const heard = [];
  const signalledAtMs = [];
  const does = {
    echo: ({ value }) => value,
    where: () => ({ node: context.node, threadId, argument: context.argument }),
    note: ({ value }) => void heard.push(value),
    heard: () => heard,
    signalled: () => signalledAtMs,
    tell: ({ to, message }) => context.actor(to).tell(message),
    flood: ({ to, count }) => {
      for (let value = 0; value < count; value++) context.actor(to).tell({ do: 'note', value });
    },
    ask: ({ to, message, timeoutMs }) => context.actor(to).ask(message, { timeoutMs }),
    watch: ({ address }) => context.watch(context.actor(address)),
    never: () => new Promise(() => {}),
    fail: () => {
      throw new Error('told to fail');
    },
    exit: ({ code }) => process.exit(code),
    crash: () => {
      setImmediate(() => {
        throw new Error('nobody catches this');
      });
    },
    exhaust: () => {
      const hoard = [];
      while (true) hoard.push(Array.from({ length: 10_000 }, () => ({})));
    },
    hold: ({ pipe }) => {
      writeFileSync(`${pipe}.held`, '');
      closeSync(openSync(pipe, 'r'));
    },
    spin: ({ forMs }) => {
      const untilMs = performance.now() + forMs;
      while (performance.now() < untilMs);
    },
  };
  return {
    receive: (message) => does[message.do](message),
    signal(signal) {
      heard.push(signal);
      signalledAtMs.push(Date.now());
    },
  };
});
