/**
 * The distribution of outages as text: a bar for each range of milliseconds.
 *
 * The ranges are the same for every series, so that two can be held side by side, and they widen with the
 * outage: between 10 and 20 ms lies as much as between 200 and 400.
 */

/** Upper ends, in milliseconds, exclusive. */
const edgesMs = [
  1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 800, 1_000, 2_000, 5_000,
];
const barWidth = 40;

/** A line for each range from the shortest outage's to the longest one's; none for no outages. */
export function distributionLines(outagesMs: readonly number[]): string[] {
  if (outagesMs.length === 0) return [];
  const counts = new Array<number>(edgesMs.length + 1).fill(0);
  for (const outageMs of outagesMs) {
    const range = edgesMs.findIndex((edgeMs) => outageMs < edgeMs);
    const at = range === -1 ? edgesMs.length : range;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  const first = counts.findIndex((count) => count > 0);
  const last = counts.findLastIndex((count) => count > 0);
  const most = Math.max(...counts);
  return counts.slice(first, last + 1).map((count, offset) => {
    const bar = '█'.repeat(Math.ceil((count / most) * barWidth));
    return `${rangeName(first + offset).padStart(13)} ms │${bar} ${count}`;
  });
}

function rangeName(at: number): string {
  const from = at === 0 ? 0 : edgesMs[at - 1];
  const to = edgesMs[at];
  return to === undefined ? `from ${from}` : `${from} to ${to}`;
}
