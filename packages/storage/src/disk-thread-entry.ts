/**
 * The disk thread: does one call after the other, each of them synchronously.
 *
 * It sleeps on a shared number rather than in an event loop: waking it costs less than a message does,
 * and it has nothing else to do. A disk that hangs holds up this thread and no other.
 */
import fs from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { assertNever, invariant } from '@quorate/core';
import { totalBytes } from './disk-operation.ts';
import type { DiskReply, DiskRequest, DiskThreadData } from './disk-thread-message.ts';

invariant(parentPort !== null, 'the disk thread is a worker');
const port = parentPort;
const { doorbell } = workerData as DiskThreadData;

function perform(request: DiskRequest): unknown {
  switch (request.name) {
    case 'open':
      return fs.openSync(...request.arguments);
    case 'read': {
      const [descriptor, bytes, position] = request.arguments;
      const into = new Uint8Array(bytes);
      return into.subarray(0, fs.readSync(descriptor, into, 0, bytes, position));
    }
    case 'write': {
      const [descriptor, buffers, position] = request.arguments;
      return fs.writevSync(descriptor, buffers as Uint8Array[], position);
    }
    case 'writeDurably': {
      const [descriptor, buffers, position] = request.arguments;
      const written = fs.writevSync(descriptor, buffers as Uint8Array[], position);
      if (written === totalBytes(buffers)) fs.fdatasyncSync(descriptor);
      return written;
    }
    case 'datasync':
      return fs.fdatasyncSync(...request.arguments);
    case 'sync':
      return fs.fsyncSync(...request.arguments);
    case 'sizeBytes':
      return fs.fstatSync(...request.arguments).size;
    case 'truncate':
      return fs.ftruncateSync(...request.arguments);
    case 'close':
      return fs.closeSync(...request.arguments);
    case 'list':
      return fs.readdirSync(...request.arguments);
    case 'isDirectory':
      return fs.statSync(...request.arguments).isDirectory();
    case 'makeDirectory':
      fs.mkdirSync(...request.arguments);
      return undefined;
    case 'rename':
      return fs.renameSync(...request.arguments);
    case 'remove':
      return fs.unlinkSync(...request.arguments);
    default:
      return assertNever(request, 'request to the disk thread');
  }
}

function answer(request: DiskRequest): void {
  let reply: DiskReply;
  try {
    reply = { id: request.id, result: perform(request) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    reply = { id: request.id, error: { code: code ?? 'UNKNOWN', message } };
  }
  const { result } = reply;
  port.postMessage(reply, result instanceof Uint8Array ? [result.buffer as ArrayBuffer] : []);
}

for (;;) {
  const rung = Atomics.load(doorbell, 0);
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
    answer(next.message as DiskRequest);
  }
  // Returns at once when somebody has rung since.
  Atomics.wait(doorbell, 0, rung);
}
