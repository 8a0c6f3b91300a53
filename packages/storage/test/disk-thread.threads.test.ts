/** A node's own disk thread: the same port, and a disk that hangs holds up nobody else's. */
import { execFileSync, spawn } from 'node:child_process';
import { constants, mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@quorate/core';
import { type DiskThread, type LogRecord, startDiskThread, WriteAheadLog } from '@quorate/storage';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let directory: string;
let threads: DiskThread[];
let fifos: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-thread-'));
  threads = [];
  fifos = [];
});

afterEach(async () => {
  const ends = await Promise.all(fifos.map(letGo));
  await Promise.all(threads.map((thread) => thread.close()));
  await Promise.all(ends.map((end) => end.close()));
  rmSync(directory, { recursive: true });
});

function start(): DiskThread {
  const thread = startDiskThread();
  threads.push(thread);
  return thread;
}

/** A file whose opening does not come back: a pipe without a writer. The kernel holds the caller. */
function hangingFile(name: string): string {
  const path = join(directory, name);
  execFileSync('mkfifo', [path]);
  fifos.push(path);
  return path;
}

/** Lets go whoever opens the pipe, as a disk that comes back; until what it returns is closed. */
function letGo(fifo: string): Promise<FileHandle> {
  return open(fifo, constants.O_RDWR | constants.O_NONBLOCK);
}

async function openLog(thread: DiskThread, name: string): Promise<WriteAheadLog> {
  return WriteAheadLog.open({
    fileSystem: thread.fileSystem,
    directory: join(directory, name),
    clock: systemClock,
    segmentBytes: 1024 * 1024,
    onFailure: (error) => {
      throw error;
    },
  });
}

function record(index: number, payload: Uint8Array): LogRecord {
  return { type: 'entries', group: 0, epoch: 1, entries: [{ index, reign: 1, timeMs: 0, payload }] };
}

function append(log: WriteAheadLog, ...records: LogRecord[]): Promise<void> {
  return new Promise((resolve) => log.append(records, resolve));
}

describe('the port over a disk thread', () => {
  test('writes and reads what it is given, shared memory or not, part of a buffer or all of it', async () => {
    const { fileSystem } = start();
    const file = await fileSystem.open(join(directory, 'f'), 'create');
    const shared = new Uint8Array(new SharedArrayBuffer(6 * 1024 * 1024)).map((_, at) => at % 251);
    const pooled = Buffer.from('abcdef').subarray(1, 4);
    await file.write([shared.subarray(1_000), pooled, new Uint8Array(3).fill(9)], 10);
    await file.datasync();
    const size = shared.byteLength - 1_000 + 6;
    expect(await file.sizeBytes()).toBe(10 + size);
    const into = new Uint8Array(size + 100);
    expect(await file.read(into, 10)).toBe(size);
    const expected = Buffer.concat([shared.subarray(1_000), pooled, Buffer.alloc(3, 9)]);
    expect(Buffer.compare(into.subarray(0, size), expected)).toBe(0);
    await file.truncate(5);
    expect(await file.sizeBytes()).toBe(5);
    await file.writeDurably?.([pooled, shared.subarray(0, 2)], 5);
    expect(await file.read(into, 5)).toBe(5);
    expect([...into.subarray(0, 5)]).toEqual([...pooled, 0, 1]);
    await file.close();
    await fileSystem.makeDirectory(join(directory, 'a/b'));
    await fileSystem.rename(join(directory, 'f'), join(directory, 'a/b/g'));
    await fileSystem.syncDirectory(join(directory, 'a/b'));
    expect(await fileSystem.list(join(directory, 'a/b'))).toEqual(['g']);
    await fileSystem.remove(join(directory, 'a/b/g'));
    await fileSystem.remove(join(directory, 'a/b/g'));
    expect(await fileSystem.list(join(directory, 'a/b'))).toEqual([]);
  });

  test('names what fails', async () => {
    const { fileSystem } = start();
    const path = join(directory, 'missing');
    await expect(fileSystem.open(path, 'read')).rejects.toMatchObject({
      code: 'ERR_DISK_FAILED',
      details: { errno: 'ENOENT', operation: 'open', path },
    });
  });

  test('carries a log, which is there again under the next thread', async () => {
    const log = await openLog(start(), 'log');
    for (let index = 1; index <= 40; index++)
      void append(log, record(index, new Uint8Array(50_000).fill(index)));
    await append(log);
    await log.close();
    const again = await openLog(start(), 'log');
    expect(again.recovered[0]?.entries.map(({ payload }) => payload[49_999])).toEqual(
      Array.from({ length: 40 }, (_, at) => at + 1),
    );
    await again.close();
  });

  test('does not keep a process alive that asks nothing of it', async () => {
    const source = `
      import { startDiskThread } from ${JSON.stringify(import.meta.resolve('@quorate/storage'))};
      console.log((await startDiskThread().fileSystem.list('/')).length > 0);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source]);
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(0);
    expect(said).toBe('true\n');
  });
});

describe('a disk that hangs', () => {
  test('of one node of five: the other four commit', async () => {
    const [hung, ...others] = [start(), start(), start(), start(), start()];
    // More calls than the process's pool has threads.
    for (let at = 0; at < 8; at++) {
      const fifo = hangingFile(`fifo-${at}`);
      hung?.fileSystem.open(fifo, 'read').catch(() => undefined);
    }
    const logs = await Promise.all(others.map((thread, at) => openLog(thread, `log-${at}`)));
    for (let index = 1; index <= 30; index++) {
      await Promise.all(logs.map((log) => append(log, record(index, new Uint8Array(100)))));
    }
    for (const log of logs) expect(log.status.groupCommits).toBe(30);
    await Promise.all(logs.map((log) => log.close()));
  });

  test('what waits for it fails when its thread is closed, and closing ends when it lets go', async () => {
    const thread = start();
    const fifo = hangingFile('fifo');
    const opening = thread.fileSystem.open(fifo, 'read');
    const listing = thread.fileSystem.list(directory);
    await new Promise((resolve) => setTimeout(resolve, 100));
    let isClosed = false;
    const closing = thread.close().then(() => {
      isClosed = true;
    });
    await expect(opening).rejects.toMatchObject({ code: 'ERR_DISK_FAILED', details: { errno: 'ECANCELED' } });
    await expect(listing).rejects.toMatchObject({ code: 'ERR_DISK_FAILED' });
    await expect(thread.fileSystem.list(directory)).rejects.toMatchObject({ code: 'ERR_DISK_FAILED' });
    expect(isClosed).toBe(false);
    const end = await letGo(fifo);
    await closing;
    await end.close();
  });
});
