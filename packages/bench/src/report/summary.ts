/**
 * The head of the report: the verdict, one row for every run, and the limit beside them.
 */
import { showCount, showMicroseconds, showMs, showShare, showVerdict } from '../figures.ts';
import type { LimitRow, RunResult } from '../result.ts';
import { type Html, html } from './html.ts';

/** What colours a verdict. */
export function verdictClass(verified: boolean | null): string {
  if (verified === null) return 'unchecked';
  return verified ? 'good' : 'bad';
}

export function verdictBanner(runs: readonly RunResult[]): Html {
  const bad = runs.filter(({ verified }) => verified === false);
  const unchecked = runs.filter(({ verified }) => verified === null);
  const faults = runs.reduce((sum, run) => sum + run.faults.length, 0);
  const scope = `${showCount(runs.length)} ${runs.length === 1 ? 'run' : 'runs'}, ${showCount(faults)} ${faults === 1 ? 'fault' : 'faults'}`;
  if (bad.length > 0) {
    const names = bad.map(({ algorithm }) => algorithm).join(', ');
    return html`<p class="verdict bad"><strong>Not linearizable: ${names}.</strong> ${scope}.</p>`;
  }
  if (unchecked.length === runs.length) {
    return html`<p class="verdict unchecked"><strong>Not checked for linearizability.</strong> ${scope}.</p>`;
  }
  if (unchecked.length > 0) {
    return html`<p class="verdict unchecked"><strong>Linearizable where it was checked; ${showCount(unchecked.length)} not checked.</strong> ${scope}.</p>`;
  }
  return html`<p class="verdict good"><strong>Every history is linearizable.</strong> ${scope}.</p>`;
}

/** The columns that a run and a row of the limit have in common. */
function figureCells(row: RunResult | LimitRow): Html {
  const { latencyMs } = row;
  return html`<td>${showCount(row.clients)}</td>
<td class="main">${showCount(Math.round(row.throughputPerSecond))}</td>
<td>${showMs(latencyMs.p50)}</td><td>${showMs(latencyMs.p90)}</td><td>${showMs(latencyMs.p99)}</td><td>${showMs(latencyMs.p999)}</td><td>${showMs(latencyMs.max)}</td>
<td>${showMicroseconds(row.cpuMicrosecondsPerOperation)}</td>`;
}

const figureGroups = html`<th rowspan="2">out-<br>standing</th><th rowspan="2">ok per<br>second</th>
<th colspan="5" class="group">latency, ms</th><th rowspan="2">CPU µs<br>per op</th>`;

const latencyHeads = html`<th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th>`;

export function summaryTable(runs: readonly RunResult[]): Html {
  const hasLimit = runs.some(({ limitRatio }) => limitRatio !== null);
  const limitHead = hasLimit ? html`<th rowspan="2">of the<br>limit</th>` : html``;
  const limitCell = (ratio: number | null): Html => (hasLimit ? html`<td>${showShare(ratio)}</td>` : html``);
  const row = (run: RunResult): Html => html`<tr>
<th scope="row">${run.algorithm}</th>
<td class="verdict-cell"><span class="badge ${verdictClass(run.verified)}">${showVerdict(run.verified)}</span></td>
${figureCells(run)}
${limitCell(run.limitRatio)}
<td>${showCount(run.operations.ok)}</td><td>${showCount(run.operations.failed)}</td><td>${showCount(run.operations.unknown)}</td>
</tr>`;
  return html`<div class="scroll"><table class="figures">
<thead>
<tr><th rowspan="2" class="name">algorithm</th><th rowspan="2" class="verdict-cell">linearizable</th>${figureGroups}${limitHead}<th colspan="3" class="group">operations</th></tr>
<tr>${latencyHeads}<th>ok</th><th>failed</th><th>unknown</th></tr>
</thead>
<tbody>${runs.map(row)}</tbody>
</table></div>`;
}

/** Nothing when the limit was not measured. */
export function limitSection(rows: readonly LimitRow[]): Html {
  if (rows.length === 0) return html``;
  const row = (limit: LimitRow): Html =>
    html`<tr><th scope="row">${limit.mode}</th>${figureCells(limit)}</tr>`;
  return html`<section>
<h2>The limit of this machine</h2>
<p>The same bytes through the same threads and the same disk, with no protocol at all: commands as opaque bytes, and
decoded at each replica. Runs are compared with the decoded row of the same load.</p>
<div class="scroll"><table class="figures">
<thead>
<tr><th rowspan="2" class="name">commands</th>${figureGroups}</tr>
<tr>${latencyHeads}</tr>
</thead>
<tbody>${rows.map(row)}</tbody>
</table></div>
</section>`;
}
