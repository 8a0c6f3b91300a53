/**
 * The disk thread: does one call after the other, each of them synchronously.
 *
 * It sleeps on a shared number rather than in an event loop: waking it costs less than a message does,
 * and it has nothing else to do. A disk that hangs holds up this thread and no other.
 *
 * It imports no package: there is such a thread for every node, and loading what it does not use would take
 * longer than all else that it does before its first write.
 */
import fs from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { totalBytes } from './disk-operation.ts';
import type { DiskReply, DiskRequest, DiskThreadData } from './disk-thread-message.ts';

if (parentPort === null) throw new Error('the disk thread is a worker');
const port = parentPort;
const { doorbell } = workerData as DiskThreadData;

function perform(request: DiskRequest): unknown {
  switch (request[1]) {
    case 'open':
      return fs.openSync(request[2], request[3]);
    case 'read': {
      const [, , descriptor, bytes, position] = request;
      const into = new Uint8Array(bytes);
      return into.subarray(0, fs.readSync(descriptor, into, 0, bytes, position));
    }
    case 'write': {
      const [, , descriptor, buffers, position] = request;
      return fs.writevSync(descriptor, buffers as Uint8Array[], position);
    }
    case 'writeDurably': {
      const [, , descriptor, buffers, position] = request;
      const written = fs.writevSync(descriptor, buffers as Uint8Array[], position);
      if (written === totalBytes(buffers)) fs.fdatasyncSync(descriptor);
      return written;
    }
    case 'datasync':
      return fs.fdatasyncSync(request[2]);
    case 'sync':
      return fs.fsyncSync(request[2]);
    case 'sizeBytes':
      return fs.fstatSync(request[2]).size;
    case 'truncate':
      return fs.ftruncateSync(request[2], request[3]);
    case 'close':
      return fs.closeSync(request[2]);
    case 'list':
      return fs.readdirSync(request[2]);
    case 'isDirectory':
      return fs.statSync(request[2]).isDirectory();
    case 'makeDirectory':
      fs.mkdirSync(request[2]);
      return undefined;
    case 'rename':
      return fs.renameSync(request[2], request[3]);
    case 'remove':
      return fs.unlinkSync(request[2]);
    default:
      request satisfies never;
      throw new Error('no such call of a disk');
  }
}

function answer(request: DiskRequest): void {
  const [id] = request;
  let reply: DiskReply;
  try {
    reply = [id, perform(request)];
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    reply = [id, undefined, { code: code ?? 'UNKNOWN', message }];
  }
  const [, result] = reply;
  if (result instanceof Uint8Array) port.postMessage(reply, [result.buffer as ArrayBuffer]);
  else port.postMessage(reply);
}

for (;;) {
  const rung = Atomics.load(doorbell, 0);
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
    answer(next.message as DiskRequest);
  }
  // Returns at once when somebody has rung since.
  Atomics.wait(doorbell, 0, rung);
}
