/**
 * Figures as people read them: the same words in the table and in the report.
 */
import type { FaultRecord, Machine, RunResult } from './result.ts';

type Load = Pick<RunResult, 'clients' | 'ratePerSecond'>;

/** What stands where nothing was measured. */
export const absent = '–';

/** 1234567 as `1,234,567`; below ten with one decimal. */
export function showCount(value: number): string {
  const digits = value < 10 && !Number.isInteger(value) ? 1 : 0;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

/** Three significant digits and no more than microseconds: `0.352`, `4.70`, `12.3`, `1,204`. */
export function showMs(milliseconds: number | null): string {
  return milliseconds === null ? absent : showThreeDigits(milliseconds);
}

export function showMicroseconds(microseconds: number | null): string {
  return microseconds === null ? absent : showThreeDigits(microseconds);
}

/** 0.1234 as `12.3 %`. */
export function showShare(ratio: number | null): string {
  return ratio === null ? absent : `${showThreeDigits(ratio * 100)} %`;
}

/** `16 B`, `4 KiB`, `7.6 GiB`. */
export function showBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  const amount = bytes / 2 ** (10 * power);
  return `${Number.isInteger(amount) ? amount : amount.toFixed(1)} ${units[power]}`;
}

export function showVerdict(verified: boolean | null): string {
  if (verified === null) return 'not checked';
  return verified ? 'yes' : 'NO';
}

/** `leader-kill b at 4.0 s: 287 ms`. */
export function showFault(fault: FaultRecord): string {
  const { kind, target, atMs, firstAckAfterMs } = fault;
  const outage = firstAckAfterMs === null ? 'no acknowledgement after it' : showOutage(firstAckAfterMs);
  return `${kind} ${target} at ${(atMs / 1_000).toFixed(1)} s: ${outage}`;
}

/** How long acknowledgements were away because of a fault. */
export function showOutage(firstAckAfterMs: number): string {
  return firstAckAfterMs === 0 ? 'no gap' : `${showMs(firstAckAfterMs)} ms`;
}

/** `AMD EPYC, 2 cores, 7.6 GiB, linux x64, Node v20.20.2`. */
export function showMachine({ cpu, cores, memoryBytes, platform, node }: Machine): string {
  return `${cpu}, ${cores} ${cores === 1 ? 'core' : 'cores'}, ${showBytes(memoryBytes)}, ${platform}, Node ${node}`;
}

/** What a run was, in one line: `3 nodes · disk · 64 outstanding · 16 B values · ...`. */
export function showConditions(run: RunResult, load = showLoad(run)): string {
  const reads =
    run.reads === 0 ? 'writes only' : `${+(run.reads * 100).toFixed(1)} % reads, ${run.consistency}`;
  return [
    `${run.nodes} ${run.nodes === 1 ? 'node' : 'nodes'}`,
    run.storage,
    load,
    `${showBytes(run.payloadBytes)} values`,
    `${showCount(run.keys)} ${run.keys === 1 ? 'key' : 'keys'}`,
    reads,
    `${run.durationSeconds.toFixed(1)} s`,
    run.recorded ? 'history recorded' : 'history not recorded',
  ].join(' · ');
}

/** Whatever there is to say of a run beyond its figures, a line each. */
export function notesOf(run: Pick<RunResult, 'verdictNote' | 'limitNote' | 'errors' | 'warnings'>): string[] {
  const { verdictNote, limitNote, errors, warnings } = run;
  const codes = Object.entries(errors).map(([code, count]) => `${showCount(count)} × ${code}`);
  return [
    ...(verdictNote === undefined ? [] : [verdictNote]),
    ...(codes.length === 0 ? [] : [`operations that did not end well: ${codes.join(', ')}`]),
    ...(limitNote === undefined ? [] : [limitNote]),
    ...warnings,
  ];
}

/** `64 outstanding`, or `5,000/s due, at most 64 outstanding`; of several runs `1, 64 outstanding`. */
export function showLoad({ clients, ratePerSecond }: Load, ...others: readonly Load[]): string {
  const counts = [...new Set([clients, ...others.map((load) => load.clients)])];
  const outstanding = `${counts.map(showCount).join(', ')} outstanding`;
  return ratePerSecond === null ? outstanding : `${showCount(ratePerSecond)}/s due, at most ${outstanding}`;
}

function showThreeDigits(value: number): string {
  if (value >= 100) return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
  if (value >= 10) return value.toFixed(1);
  return value.toFixed(value >= 1 ? 2 : 3);
}
