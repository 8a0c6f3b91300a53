/**
 * A run's history in the form in which it crosses to another thread: its columns, and what makes values of ids.
 */
import { type History, numberedKeys } from '@quorate/simulation';
import { paddedValues } from '../workload/register-operations.ts';

export interface HistoryColumns {
  readonly columns: Omit<History, 'values' | 'keys'>;
  readonly payloadBytes: number;
}

/** The buffers that a transfer moves rather than copies: the history is empty for its sender afterwards. */
export function buffersOf({ columns }: HistoryColumns): ArrayBuffer[] {
  return Object.values(columns).flatMap((column) =>
    typeof column === 'number' ? [] : [column.buffer as ArrayBuffer],
  );
}

export function toColumns(history: History, payloadBytes: number): HistoryColumns {
  const { values: _values, keys: _keys, ...columns } = history;
  return { columns, payloadBytes };
}

export function toHistory({ columns, payloadBytes }: HistoryColumns): History {
  return { ...columns, values: paddedValues(payloadBytes), keys: numberedKeys };
}
