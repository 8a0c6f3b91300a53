import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type BatchStore, groupCommitFile, memoryStore } from '../../src/limit/group-commit-file.ts';

const calls: string[] = [];

vi.mock('node:fs', async (importActual) => {
  const actual = await importActual<typeof import('node:fs')>();
  type Callback = (...results: unknown[]) => void;
  const traced = (name: string, call: (...args: never[]) => void, describe: (args: unknown[]) => string) => {
    return (...args: unknown[]): void => {
      const done = args.pop() as Callback;
      calls.push(`${name}${describe(args)}`);
      const finish: Callback = (...results) => {
        calls.push(`${name} done`);
        done(...results);
      };
      call(...([...args, finish] as never[]));
    };
  };
  return {
    ...actual,
    writev: traced('write', actual.writev, (args) => ` ${(args[1] as unknown[]).length}`),
    fdatasync: traced('sync', actual.fdatasync, () => ''),
  };
});

let directory: string;

beforeEach(() => {
  calls.length = 0;
  directory = mkdtempSync(join(tmpdir(), 'quorate-group-commit-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** Opens the file and resolves `durable` when so many batches were reported. */
function open(path: string): { store: BatchStore; durable: (batches: number) => Promise<void> } {
  let reported = 0;
  let wake = (): void => {};
  const store = groupCommitFile({
    path,
    groupBytesMax: 1_024,
    onDurable: (batches) => {
      calls.push(`durable ${batches}`);
      reported += batches;
      wake();
    },
    onError: (error) => {
      throw error;
    },
  });
  const durable = async (batches: number): Promise<void> => {
    while (reported < batches) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { store, durable };
}

test('a batch is durable after its sync, and what queued meanwhile goes with the next one', async () => {
  const { store, durable } = open(join(directory, 'log'));
  for (const batch of ['a', 'b', 'c']) store.append(Buffer.from(batch));
  await durable(3);
  expect(calls.filter((call) => call !== 'durable 1')).toEqual([
    'write 1',
    'write done',
    'sync',
    'sync done',
    'write 2',
    'write done',
    'sync',
    'sync done',
    'durable 2',
  ]);
  expect(calls.indexOf('durable 1')).toBeGreaterThan(calls.indexOf('sync done'));
});

test('bytes stand in the file in the order of their appending', async () => {
  const path = join(directory, 'log');
  const { store, durable } = open(path);
  for (const batch of ['first,', 'second,', 'third']) store.append(Buffer.from(batch));
  await durable(3);
  expect(readFileSync(path).subarray(0, 18).toString()).toBe('first,second,third');
});

test('the file has its whole length before the first batch, and keeps it', async () => {
  const path = join(directory, 'log');
  const { store, durable } = open(path);
  const sizeBytes = readFileSync(path).byteLength;
  expect(sizeBytes).toBe(64 * 2 ** 20);
  store.append(Buffer.from('batch'));
  await durable(1);
  expect(readFileSync(path).byteLength).toBe(sizeBytes);
});

test('a file that cannot be made is an error at once', () => {
  expect(() => open(join(directory, 'missing', 'log'))).toThrow(/ENOENT/);
});

test('without a disk a batch is durable when it arrives', () => {
  const durable: number[] = [];
  memoryStore((batches) => durable.push(batches)).append(Buffer.from('batch'));
  expect(durable).toEqual([1]);
});
