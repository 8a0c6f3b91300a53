/**
 * One run in the report: what was run, the room for its two charts, and its faults in words.
 */
import { absent, notesOf, showConditions, showOutage, showVerdict } from '../figures.ts';
import type { FaultRecord, RunResult } from '../result.ts';
import { type Html, html } from './html.ts';
import { verdictClass } from './summary.ts';

/** The charts are drawn by `assets/charts.js`, which finds its places by `data-chart` and `data-run`. */
export function runSection(run: RunResult, at: number): Html {
  const { algorithm, verified } = run;
  return html`<section class="run">
<h2>${algorithm} <span class="badge ${verdictClass(verified)}">linearizable: ${showVerdict(verified)}</span></h2>
<p class="options">${showConditions(run)}</p>
${notices(run)}
<figure>
<figcaption><span class="caption">Throughput, operations acknowledged per second</span><span class="readout" data-readout="throughput" data-run="${at}"></span></figcaption>
<div class="chart" data-chart="throughput" data-run="${at}" role="img" aria-label="Throughput of ${algorithm} over time"></div>
</figure>
<figure>
<figcaption><span class="caption">Latency, <span class="key p50">p50</span> and <span class="key p99">p99</span></span><span class="readout" data-readout="latency" data-run="${at}"></span></figcaption>
<div class="chart" data-chart="latency" data-run="${at}" role="img" aria-label="Latency of ${algorithm} over time"></div>
</figure>
${faultTable(run.faults)}
</section>`;
}

function notices(run: RunResult): Html[] {
  return notesOf(run).map((note) => html`<p class="notice">${note}</p>`);
}

function faultTable(faults: readonly FaultRecord[]): Html {
  if (faults.length === 0) return html`<p class="options">No faults were injected.</p>`;
  const row = (fault: FaultRecord, at: number): Html => html`<tr>
<td class="name"><span class="mark">${at + 1}</span> ${fault.kind}</td><td class="name">${fault.target}</td>
<td>${showSeconds(fault.atMs)}</td><td>${showSeconds(fault.healedAtMs)}</td>
<td class="main">${fault.firstAckAfterMs === null ? 'none' : showOutage(fault.firstAckAfterMs)}</td>
</tr>`;
  return html`<table class="figures faults">
<thead><tr><th class="name">fault</th><th class="name">target</th><th>at</th><th>healed at</th><th>first ack after</th></tr></thead>
<tbody>${faults.map(row)}</tbody>
</table>`;
}

function showSeconds(milliseconds: number | null): string {
  return milliseconds === null ? absent : `${(milliseconds / 1_000).toFixed(2)} s`;
}
