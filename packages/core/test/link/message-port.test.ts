/** Ports between threads: what arrives, and what the end of one says about the thread behind it. */
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { closePort, messagePortLink } from '../../src/link/message-port.ts';

function listenTo(port: MessageChannel['port1']) {
  const heard: unknown[] = [];
  const closed = once(port, 'close');
  const link = messagePortLink(port, {
    onFrame: (frame) => heard.push([...frame]),
    onClosed: (hasThreadEnded) => heard.push({ hasThreadEnded }),
  });
  return { heard, closed, link };
}

test('who closes a link and lives on is not taken for dead, and what it sent before still arrives', async () => {
  const { port1, port2 } = new MessageChannel();
  const one = listenTo(port1);
  const other = listenTo(port2);
  one.link.send(Uint8Array.of(1, 2));
  one.link.close();
  one.link.send(Uint8Array.of(3));
  one.link.close();
  await Promise.all([one.closed, other.closed]);
  expect(other.heard).toEqual([[1, 2], { hasThreadEnded: false }]);
  expect(one.heard).toEqual([{ hasThreadEnded: false }]);
});

test('nor is one who closes a port that never became a link', async () => {
  const { port1, port2 } = new MessageChannel();
  const { heard, closed } = listenTo(port2);
  closePort(port1);
  await closed;
  expect(heard).toEqual([{ hasThreadEnded: false }]);
});

test.each(['process.exit(1)', 'throw new Error("nobody catches this")', 'for (;;);'])(
  'a thread that ends in %s has ended for all to see',
  async (code) => {
    const { port1, port2 } = new MessageChannel();
    const { heard, closed } = listenTo(port1);
    const script = `
      const { port } = require('node:worker_threads').workerData;
      port.on('message', () => {});
      port.postMessage(Uint8Array.of(7));
      setTimeout(() => { ${code} }, 1);`;
    const workerData = { port: port2 };
    const worker = new Worker(script, { eval: true, workerData, transferList: [port2], stderr: true });
    worker.on('error', () => {});
    if (code.startsWith('for')) {
      await once(port1, 'message');
      await worker.terminate();
    }
    await closed;
    expect(heard).toEqual([[7], { hasThreadEnded: true }]);
  },
);
