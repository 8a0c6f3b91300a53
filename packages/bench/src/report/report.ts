/** The HTML report, written to a file. */
import { writeFileSync } from 'node:fs';
import type { BenchResult } from '../result.ts';
import { renderReport } from './page.ts';

/** Replaces what is at `path`. The directory must exist. */
export function writeReport(result: BenchResult, path: string): void {
  writeFileSync(path, renderReport(result));
}
