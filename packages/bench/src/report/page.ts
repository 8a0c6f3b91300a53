/**
 * The whole report as one HTML page: styles, scripts and data are inside it, so it opens anywhere, offline.
 *
 * A policy in the page lets the browser run the scripts that were put here and nothing else, and load
 * nothing at all: should a name ever slip past the escaping, it would still not be code.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { showMachine } from '../figures.ts';
import type { BenchResult } from '../result.ts';
import { type Html, html, jsonForScript, trustedMarkup } from './html.ts';
import { runSection } from './run-section.ts';
import { limitSection, summaryTable, verdictBanner } from './summary.ts';

const require = createRequire(import.meta.url);

/** Read from `src`, which the package ships, so that the path is the same from `dist`. */
function ownAsset(name: string): string {
  return readFileSync(new URL(`../../src/report/assets/${name}`, import.meta.url), 'utf8');
}

function chartLibraryAsset(name: string): string {
  return readFileSync(require.resolve(`uplot/dist/${name}`), 'utf8');
}

/** A script element may hold any text but its own end. */
function inlineScript(source: string): Html {
  return trustedMarkup(`<script>${source.replaceAll('</script', '<\\/script')}</script>`);
}

function policyFor(scripts: readonly Html[]): string {
  const hashes = scripts.map(({ text }) => {
    const source = text.slice('<script>'.length, -'</script>'.length);
    return `'sha256-${createHash('sha256').update(source).digest('base64')}'`;
  });
  return `default-src 'none'; style-src 'unsafe-inline'; script-src ${hashes.join(' ')}`;
}

/** @returns the page; the same result gives the same text */
export function renderReport(result: BenchResult): string {
  const scripts = [inlineScript(chartLibraryAsset('uPlot.iife.min.js')), inlineScript(ownAsset('charts.js'))];
  const styles = trustedMarkup(`${chartLibraryAsset('uPlot.min.css')}\n${ownAsset('report.css')}`);
  const title = `Quorate bench: ${[...new Set(result.runs.map(({ algorithm }) => algorithm))].join(', ')}`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyFor(scripts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${styles}</style>
</head>
<body>
<main>
<header>
<h1>Quorate bench</h1>
<p class="when">${showMoment(result.startedAt)}</p>
</header>
${verdictBanner(result.runs)}
${summaryTable(result.runs)}
${result.runs.map(runSection)}
${limitSection(result.limits)}
${provenance(result)}
${readingNotes()}
</main>
<noscript><p class="notice">The charts need JavaScript; every figure also stands in the tables.</p></noscript>
<script type="application/json" id="result">${jsonForScript(result)}</script>
${scripts}
</body>
</html>
`;
  return page.text;
}

/** `2026-11-20 22:42 UTC`, from ISO 8601. */
function showMoment(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

function provenance({ machine, commit, seed, commandLine }: BenchResult): Html {
  return html`<section>
<h2>Where these figures come from</h2>
<dl class="facts">
<dt>Command</dt><dd><code>${commandLine}</code></dd>
<dt>Seed</dt><dd><code>${seed}</code></dd>
<dt>Commit</dt><dd><code>${commit ?? 'not known'}</code></dd>
<dt>Machine</dt><dd>${showMachine(machine)}</dd>
</dl>
</section>`;
}

function readingNotes(): Html {
  return html`<section class="notes">
<h2>How to read them</h2>
<ul>
<li>An operation counts at the moment it ends. The charts have a step for every 100 ms; where none ended well,
throughput is zero and the latency lines have a gap.</li>
<li>Latency is drawn on a logarithmic scale. Runs with as many operations outstanding share their
scales, so that their charts can be compared by eye.</li>
<li>In a closed loop each client waits for its answer before it asks again. With a rate, latency counts from the
moment an operation was due, so a stall delays all that fell into it.</li>
<li>The pale band of a fault lasts from its injection until it was healed; the darker part is the gap until the
first acknowledgement after it.</li>
<li><em>Failed</em> operations did not happen. <em>Unknown</em> ones may have; the check allows for both.</li>
<li>CPU time is that of all threads of the process: the clients, every node and the compiler.</li>
</ul>
</section>`;
}
