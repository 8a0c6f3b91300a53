/**
 * Whether a run was linearizable, judged in a thread of its own, so that the progress bar goes on.
 */
import type { Consistency } from '@quorate/consensus';
import type { History, LinearizabilityVerdict } from '@quorate/simulation';
import { Piscina } from 'piscina';
import type { RunResult } from '../result.ts';
import { buffersOf, toColumns } from './history-columns.ts';

export type Verdict = Pick<RunResult, 'verified' | 'verdictNote'>;

/** Reads of these levels see everything that was acknowledged before them, so their histories can be judged. */
const levelsToJudge: readonly Consistency[] = ['linearizable', 'lease'];

/** Why a run cannot be judged, or undefined if it can. */
export function whyNotJudged(options: {
  readonly consistency: Consistency;
  readonly reads: number;
}): string | undefined {
  const { consistency, reads } = options;
  if (reads === 0 || levelsToJudge.includes(consistency)) return undefined;
  return `not checked: ${consistency} reads may see the past, so a history with them need not be linearizable`;
}

/** Takes the history over: its columns are empty afterwards. */
export async function verify(history: History, payloadBytes: number): Promise<Verdict> {
  const filename = new URL('./history-worker.js', import.meta.url).href;
  const pool = new Piscina({ filename, minThreads: 1, maxThreads: 1 });
  try {
    const columns = toColumns(history, payloadBytes);
    const verdict: LinearizabilityVerdict = await pool.run(columns, { transferList: buffersOf(columns) });
    if (verdict.linearizable === true) return { verified: true };
    const { linearizable, explanation } = verdict;
    return { verified: linearizable === 'unknown' ? null : linearizable, verdictNote: explanation };
  } finally {
    await pool.destroy();
  }
}
