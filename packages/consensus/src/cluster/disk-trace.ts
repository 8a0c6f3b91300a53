/**
 * Writes down what a node does to its disk, one JSON line for each write and sync, for a later audit.
 *
 * Times are milliseconds of the system's monotonic clock, the same for all threads of the process, so
 * the traces of the nodes and the acknowledgements of the app can be put in one order.
 */
import { appendFileSync } from 'node:fs';
import type { DiskEvent } from '@quorate/storage';

/** A line of a trace. `bytes` is what was written, in base64. */
export interface DiskTraceLine {
  readonly kind: 'write' | 'datasync';
  readonly path: string;
  readonly position?: number;
  readonly bytes?: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** Milliseconds of the monotonic clock that all threads of this process share. */
export function traceNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A sink for `tracingFileSystem`; each line is with the system before the operation's caller goes on. */
export function traceWriter(file: string): (event: DiskEvent) => void {
  return ({ kind, path, position, bytes, startMs, endMs, error }) => {
    if ((kind !== 'write' && kind !== 'datasync') || error !== undefined) return;
    const line: DiskTraceLine = {
      kind,
      path,
      startMs,
      endMs,
      ...(position === undefined ? {} : { position }),
      ...(bytes === undefined ? {} : { bytes: Buffer.from(bytes).toString('base64') }),
    };
    appendFileSync(file, `${JSON.stringify(line)}\n`);
  };
}
