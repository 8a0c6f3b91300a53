/** The series of failovers as a table for the terminal, and under it how the trials of each are distributed. */

import { notesOf, showCount, showMs, showVerdict } from '../figures.ts';
import { distributionLines } from '../outage/distribution.ts';
import { type Column, renderTable } from '../table.ts';
import { outageOf } from './measure-failovers.ts';
import type { FailoverSeries } from './result.ts';

const columns: readonly Column<FailoverSeries>[] = [
  { head: 'algorithm', align: 'left', cell: ({ algorithm }) => algorithm },
  { head: 'leader lost by', align: 'left', cell: ({ kind }) => kind },
  { head: 'trials', align: 'right', cell: ({ trials }) => showCount(trials.length) },
  { head: 'measured', align: 'left', cell: ({ measure }) => measures[measure] },
  { head: 'median ms', align: 'right', cell: ({ outageMs }) => showMs(outageMs.median) },
  { head: 'p99 ms', align: 'right', cell: ({ outageMs }) => showMs(outageMs.p99) },
  { head: 'max ms', align: 'right', cell: ({ outageMs }) => showMs(outageMs.max) },
  { head: 'mean ms', align: 'right', cell: ({ outageMs }) => showMs(outageMs.mean) },
  { head: 'linearizable', align: 'left', cell: ({ verified }) => showVerdict(verified) },
  {
    head: 'lost, doubled',
    align: 'left',
    cell: ({ audit }) => (audit === null ? 'not checked' : `${audit.lost}, ${audit.doubled}`),
  },
];

const measures: Readonly<Record<FailoverSeries['measure'], string>> = {
  'first-ack': 'to first ack',
  'longest-gap': 'longest gap',
};

export function failoverTable(all: readonly FailoverSeries[]): string {
  const blocks = all.map((series) => {
    const { algorithm, kind, measure, trials } = series;
    const lines = distributionLines(trials.map((trial) => outageOf(trial, measure)));
    const notes = notesOf(series).map((note) => `  ${note}`);
    return [`${algorithm}, ${kind}: ${measures[measure]}`, ...lines, ...notes].join('\n');
  });
  return [renderTable(columns, all), ...blocks].join('\n\n');
}
