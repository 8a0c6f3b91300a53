/**
 * The result as a table for the terminal.
 */
import Table from 'cli-table3';
import {
  notesOf,
  showCount,
  showFault,
  showMicroseconds,
  showMs,
  showShare,
  showVerdict,
} from './figures.ts';
import type { LimitRow, RunResult } from './result.ts';

export interface Column<Row> {
  readonly head: string;
  readonly align: 'left' | 'right';
  readonly cell: (row: Row) => string;
}

const latencyColumns: readonly Column<Pick<RunResult, 'latencyMs'>>[] = [
  { head: 'p50 ms', align: 'right', cell: ({ latencyMs }) => showMs(latencyMs.p50) },
  { head: 'p99 ms', align: 'right', cell: ({ latencyMs }) => showMs(latencyMs.p99) },
  { head: 'max ms', align: 'right', cell: ({ latencyMs }) => showMs(latencyMs.max) },
];

const loadColumns: readonly Column<RunResult | LimitRow>[] = [
  { head: 'clients', align: 'right', cell: ({ clients }) => showCount(clients) },
  { head: 'ok/s', align: 'right', cell: (row) => showCount(Math.round(row.throughputPerSecond)) },
  ...latencyColumns,
  { head: 'CPU µs/op', align: 'right', cell: (row) => showMicroseconds(row.cpuMicrosecondsPerOperation) },
];

/** Together no wider than 120 characters, the limit's share included; the report and the JSON have every figure. */
const runColumns: readonly Column<RunResult>[] = [
  { head: 'algorithm', align: 'left', cell: ({ algorithm }) => algorithm },
  ...loadColumns,
  { head: 'failed', align: 'right', cell: ({ operations }) => showCount(operations.failed) },
  { head: 'unknown', align: 'right', cell: ({ operations }) => showCount(operations.unknown) },
  { head: 'linearizable', align: 'left', cell: ({ verified }) => showVerdict(verified) },
];

const limitShareColumn: Column<RunResult> = {
  head: 'of limit',
  align: 'right',
  cell: ({ limitRatio }) => showShare(limitRatio),
};

const limitColumns: readonly Column<LimitRow>[] = [
  { head: 'commands', align: 'left', cell: ({ mode }) => mode },
  ...loadColumns,
];

/** One row a run, then a line for each fault with how long it silenced the service, then what else there is. */
export function runTable(runs: readonly RunResult[]): string {
  const hasLimit = runs.some(({ limitRatio }) => limitRatio !== null);
  const table = renderTable(hasLimit ? [...runColumns, limitShareColumn] : runColumns, runs);
  const faults = runs.flatMap((run) =>
    run.faults.map((fault) => `  ${nameOf(run, runs)}: ${showFault(fault)}`),
  );
  const notes = noteLines(runs);
  return [
    table,
    ...(faults.length === 0
      ? []
      : ['faults, and the time to the first acknowledgement after each:', ...faults]),
    ...(notes.length === 0 ? [] : ['notes:', ...notes]),
  ].join('\n');
}

/** Each note once, with the runs that it is about. */
function noteLines(runs: readonly RunResult[]): string[] {
  const names = new Map<string, string[]>();
  for (const run of runs) {
    for (const note of notesOf(run)) names.set(note, [...(names.get(note) ?? []), nameOf(run, runs)]);
  }
  return [...names].map(([note, about]) => {
    return `  ${about.length === runs.length && about.length > 1 ? 'all' : about.join('; ')}: ${note}`;
  });
}

/** The algorithm, and the load where it alone does not tell the runs apart. */
function nameOf({ algorithm, clients }: RunResult, runs: readonly RunResult[]): string {
  const isOnly = runs.filter((run) => run.algorithm === algorithm).length === 1;
  return isOnly ? algorithm : `${algorithm} with ${showCount(clients)}`;
}

export function limitTable(rows: readonly LimitRow[]): string {
  return renderTable(limitColumns, rows);
}

/** No colours: the text is the same in a terminal, in a file and in a test. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const table = new Table({
    head: columns.map(({ head }) => head),
    colAligns: columns.map(({ align }) => align),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(columns.map(({ cell }) => cell(row)));
  return table.toString();
}
