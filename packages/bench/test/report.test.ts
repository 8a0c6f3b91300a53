import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { html, jsonForScript } from '../src/report/html.ts';
import { renderReport } from '../src/report/page.ts';
import { writeReport } from '../src/report/report.ts';
import { sampleLimit, sampleResult, sampleRun } from './sample-result.ts';

const hostile = `"'><img src=x onerror=alert(1)></script><script>alert(2)</script><!--`;

function embeddedData(page: string): unknown {
  const [, json] = /<script type="application\/json" id="result">(.*?)<\/script>/s.exec(page) ?? [];
  return JSON.parse(json ?? 'null');
}

/** The page without its styles, data and scripts: what a browser would read as markup. */
function markupOf(page: string): string {
  return page.replaceAll(/<style>.*?<\/style>/gs, '').replaceAll(/<script[^>]*>.*?<\/script>/gs, '');
}

describe('the page', () => {
  test('holds the whole result as data', () => {
    const result = sampleResult({ limits: [sampleLimit] });
    expect(embeddedData(renderReport(result))).toEqual(result);
  });

  test('loads nothing: no address, no link, no import', () => {
    const page = renderReport(sampleResult());
    const code = page.replace(/\/\*! https:\/\/github\.com\/leeoniya\/uPlot [^*]*\*\//, '');
    expect(code).not.toMatch(/https?:\/\//);
    expect(code).not.toMatch(/<(link|iframe|img|object|embed|base)\b/i);
    expect(code).not.toMatch(/\ssrc=|@import|url\(/i);
  });

  test('lets the browser run exactly the scripts that are in it', () => {
    const page = renderReport(sampleResult());
    const sources = [...page.matchAll(/<script>(.*?)<\/script>/gs)].map(([, source]) => source ?? '');
    expect(sources).toHaveLength(2);
    const hashes = sources.map((source) => createHash('sha256').update(source).digest('base64'));
    const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page) ?? [];
    expect(policy?.replaceAll('&#39;', "'")).toBe(
      `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hashes[0]}' 'sha256-${hashes[1]}'`,
    );
  });

  test('has the library, the charts and a place for both charts of every run', () => {
    const page = renderReport(sampleResult());
    expect(page).toContain('uPlot');
    for (const run of [0, 1]) {
      for (const chart of ['throughput', 'latency']) {
        expect(page).toContain(`data-chart="${chart}" data-run="${run}"`);
      }
    }
  });

  test('states verdict, machine, seed, commit and command', () => {
    const page = markupOf(renderReport(sampleResult()));
    for (const fact of ['Every history is linearizable', 'Some CPU', '0123456789ab', '<code>7</code>']) {
      expect(page).toContain(fact);
    }
    expect(page).toContain('quorate-bench run --faults leader-kill');
    expect(page).toContain('287 ms');
  });

  test.each([
    [[true, false], 'Not linearizable: multi-paxos.'],
    [[true, null], 'Linearizable where it was checked; 1 not checked.'],
    [[null, null], 'Not checked for linearizability.'],
  ])('with verdicts %j says: %s', ([raft, multiPaxos], banner) => {
    const runs = [
      sampleRun({ verified: raft ?? null }),
      sampleRun({ algorithm: 'multi-paxos', verified: multiPaxos ?? null }),
    ];
    const page = renderReport(sampleResult({ runs }));
    expect(page).toContain(banner);
    expect(page).not.toContain('Every history is linearizable');
  });

  test('shows the limit only when it was measured', () => {
    expect(renderReport(sampleResult())).not.toContain('The limit of this machine');
    expect(renderReport(sampleResult({ limits: [sampleLimit] }))).toContain('The limit of this machine');
  });

  test('is the same text for the same result', () => {
    expect(renderReport(sampleResult())).toBe(renderReport(sampleResult()));
  });
});

describe('text from outside', () => {
  test('stays text wherever it stands', () => {
    const fault = { kind: hostile, target: hostile, atMs: 1_000, healedAtMs: null, firstAckAfterMs: null };
    const run = sampleRun({
      algorithm: hostile,
      consistency: hostile,
      verdictNote: hostile,
      faults: [fault],
    });
    const machine = { cpu: hostile, cores: 1, memoryBytes: 1, node: hostile, platform: hostile };
    const result = sampleResult({
      runs: [run],
      machine,
      commit: hostile,
      commandLine: hostile,
      startedAt: hostile,
    });
    const page = renderReport(result);
    expect(markupOf(page)).not.toMatch(/<img|<script|<!--/);
    expect(page.match(/<script/g)).toHaveLength(3);
    expect(embeddedData(page)).toEqual(result);
  });

  test('cannot leave an attribute or an element', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', 'a', ';') }), (text) => {
        const { text: markup } = html`<p title="${text}">${text}</p>`;
        expect(markup).toMatch(/^<p title="[^"<>']*">[^<>"']*<\/p>$/);
        const decoded = markup
          .replace(/^<p title="[^"]*">/, '')
          .replace(/<\/p>$/, '')
          .replaceAll('&lt;', '<')
          .replaceAll('&gt;', '>')
          .replaceAll('&quot;', '"')
          .replaceAll('&#39;', "'")
          .replaceAll('&amp;', '&');
        expect(decoded).toBe(text);
      }),
    );
  });

  test('cannot end the element that holds the data, and comes back whole', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const { text } = jsonForScript([value, '</script><!-- \u2028']);
        expect(text).not.toMatch(/[<>\u2028\u2029]/);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify([value, '</script><!-- \u2028'])));
      }),
    );
  });
});

test('a report is written over what was at its path', () => {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-report-'));
  try {
    const path = join(directory, 'report.html');
    writeReport(sampleResult(), path);
    writeReport(sampleResult({ seed: 8 }), path);
    expect(readFileSync(path, 'utf8')).toBe(renderReport(sampleResult({ seed: 8 })));
  } finally {
    rmSync(directory, { recursive: true });
  }
});
