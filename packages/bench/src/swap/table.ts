/** Swaps as a table for the terminal, and under it how the stalls are distributed. */
import { notesOf, showCount, showMs, showVerdict } from '../figures.ts';
import { distributionLines } from '../outage/distribution.ts';
import type { OutageSummary } from '../outage/summary.ts';
import { type Column, renderTable } from '../table.ts';
import type { SwapSeries } from './result.ts';

interface Row {
  readonly to: string;
  readonly swaps: number;
  readonly stallMs: OutageSummary;
}

const columns: readonly Column<Row>[] = [
  { head: 'swaps', align: 'left', cell: ({ to }) => to },
  { head: 'count', align: 'right', cell: ({ swaps }) => showCount(swaps) },
  { head: 'stall p50 ms', align: 'right', cell: ({ stallMs }) => showMs(stallMs.median) },
  { head: 'p99 ms', align: 'right', cell: ({ stallMs }) => showMs(stallMs.p99) },
  { head: 'max ms', align: 'right', cell: ({ stallMs }) => showMs(stallMs.max) },
  { head: 'mean ms', align: 'right', cell: ({ stallMs }) => showMs(stallMs.mean) },
];

export function swapTable(series: SwapSeries): string {
  const { swaps, stallMs, stallMsTo, calmGapMs, audit, verified, operations } = series;
  const rows: Row[] = Object.entries(stallMsTo).map(([to, stall]) => ({
    to: `to ${to}`,
    swaps: swaps.filter((swap) => swap.to === to).length,
    stallMs: stall,
  }));
  const writes =
    audit === null
      ? 'writes not checked'
      : `${showCount(audit.acknowledged)} writes acknowledged: ${audit.lost} lost, ${audit.doubled} doubled`;
  return [
    renderTable(columns, [
      ...rows,
      { to: 'all', swaps: swaps.length, stallMs },
      { to: 'the calm before each', swaps: swaps.length, stallMs: calmGapMs },
    ]),
    `${writes}; ${showCount(operations.failed)} failed, ${showCount(operations.unknown)} unknown; linearizable: ${showVerdict(verified)}`,
    '',
    'stalls:',
    ...distributionLines(swaps.map((swap) => swap.stallMs)),
    ...notesOf(series).map((note) => `  ${note}`),
  ].join('\n');
}
