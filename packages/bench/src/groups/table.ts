/** What many groups cost, as a table for the terminal. */
import { absent, showBytes, showCount, showMs, showShare } from '../figures.ts';
import { type Column, renderTable } from '../table.ts';
import type { GroupsRow } from './result.ts';

export function groupsTable(rows: readonly GroupsRow[]): string {
  const columns: readonly Column<GroupsRow>[] = [
    { head: 'algorithm', align: 'left', cell: ({ algorithm }) => algorithm },
    { head: 'groups', align: 'right', cell: ({ groups }) => showCount(groups) },
    { head: 'start ms', align: 'right', cell: ({ startMs }) => showMs(startMs) },
    { head: 'first writes ms', align: 'right', cell: ({ firstWritesMs }) => showMs(firstWritesMs) },
    { head: 'CPU ms', align: 'right', cell: ({ cpuMs }) => showMs(cpuMs) },
    { head: 'a write each ms', align: 'right', cell: ({ writesMs }) => showMs(writesMs) },
    { head: 'idle messages/s', align: 'right', cell: (row) => showCount(row.idleMessagesPerSecond) },
    { head: 'idle CPU', align: 'right', cell: ({ idleCpuShare }) => showShare(idleCpuShare) },
    { head: 'memory', align: 'right', cell: ({ residentBytes }) => showBytes(residentBytes) },
    { head: 'a group', align: 'right', cell: (row) => memoryOfOne(row, rows) },
  ];
  return renderTable(columns, rows);
}

/** What each group added to the smallest cluster of that algorithm. */
function memoryOfOne(row: GroupsRow, rows: readonly GroupsRow[]): string {
  const alike = rows.filter(({ algorithm }) => algorithm === row.algorithm);
  const [least] = [...alike].sort((one, other) => one.groups - other.groups);
  if (least === undefined || row.groups === least.groups) return absent;
  const bytes = (row.residentBytes - least.residentBytes) / (row.groups - least.groups);
  return showBytes(Math.max(0, Math.round(bytes / 1_024) * 1_024));
}
