/**
 * Measures the limit: what this machine gives when batches of commands are replicated without a protocol.
 *
 * Each row runs on threads of its own, so that none profits from code that another one warmed.
 */
import { optionInvalid, systemClock } from '@quorate/core';
import { withStarted } from '../interrupt.ts';
import type { LimitRow, StorageKind } from '../result.ts';
import { withTemporaryDirectory } from '../temporary-directory.ts';
import { closedLoop, type Execute } from '../workload/closed-loop.ts';
import { figuresOf, measureLoad, warmUpMsDefault } from '../workload/measure-load.ts';
import { paddedValues } from '../workload/register-operations.ts';
import { type LimitMode, limitModes } from './batch.ts';
import { Pipeline } from './pipeline.ts';

/** Commands go round these keys, so that a decoded row's map stays as small as a run's. */
const keyCount = 1_000;

/** More than the key, the lengths and a whole header take, even where each batch holds one command. */
const commandOverheadBytes = 64;

/** All values outstanding at once: each node keeps them in memory, and twice that much file. */
const outstandingBytesMax = 256 * 2 ** 20;

/** The load that the machine is measured under. */
export interface LimitOptions {
  /** Operations outstanding; one pair of rows for each. */
  readonly clients: readonly number[];
  readonly nodes: number;
  readonly storage: StorageKind;
  readonly payloadBytes: number;
  /** Of each row, without its warm-up. */
  readonly durationMs: number;
}

/**
 * @param onProgress is told how far the whole measurement is, 0 to 1, and what comes next
 * @throws CodedError `ERR_OPTION_INVALID`, `ERR_DISK_FULL` or `ERR_DISK_FAILED`
 */
export async function measureLimit(
  options: LimitOptions,
  onProgress: (fraction: number, note: string) => void = () => {},
): Promise<LimitRow[]> {
  for (const clients of options.clients) {
    const outstandingBytes = clients * options.payloadBytes;
    if (outstandingBytes > outstandingBytesMax) {
      throw optionInvalid(
        '--payload',
        options.payloadBytes,
        `with ${clients} outstanding, at most ${outstandingBytesMax} bytes in all`,
      );
    }
  }
  const rows: LimitRow[] = [];
  const rowCount = limitModes.length * options.clients.length;
  for (const clients of options.clients) {
    for (const mode of limitModes) {
      onProgress(rows.length / rowCount, `limit, ${mode}, ${clients} outstanding`);
      rows.push(await measureRow({ ...options, mode, clients }));
    }
  }
  return rows;
}

type RowOptions = Omit<LimitOptions, 'clients'> & { readonly mode: LimitMode; readonly clients: number };

function measureRow(options: RowOptions): Promise<LimitRow> {
  if (options.storage === 'memory') return measureIn(undefined, options);
  return withTemporaryDirectory('limit', (directory) => measureIn(directory, options));
}

async function measureIn(directory: string | undefined, options: RowOptions): Promise<LimitRow> {
  const { mode, nodes, storage, payloadBytes, clients, durationMs } = options;
  const groupBytesMax = clients * (payloadBytes + commandOverheadBytes);
  const measure = async (pipeline: Pipeline): Promise<LimitRow> => {
    const execute = submitTo(pipeline, payloadBytes);
    const load = measureLoad({
      drive: (meter, signal) => closedLoop({ clients, execute, meter, clock: systemClock, signal }),
      warmUpMs: warmUpMsDefault,
      durationMs,
      clock: systemClock,
    });
    const figures = figuresOf(await Promise.race([load, pipeline.failed]));
    return { mode, nodes, storage, payloadBytes, clients, ...figures };
  };
  const starting = Pipeline.start({ mode, nodes, directory, groupBytesMax });
  return withStarted(starting, (pipeline) => pipeline.stop(), measure);
}

function submitTo(pipeline: Pipeline, payloadBytes: number): Execute {
  const values = paddedValues(payloadBytes);
  const keys = Array.from({ length: keyCount }, (_, key) => `k${key}`);
  let written = 0;
  return (process) => pipeline.submit([keys[process % keyCount] ?? 'k0', values.textOf(written++)]);
}
