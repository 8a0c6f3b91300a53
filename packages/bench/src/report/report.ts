/** The HTML report, written to a file. */
import type { BenchResult } from '../result.ts';
import { writeTextFile } from '../result-file.ts';
import { renderReport } from './page.ts';

/** Replaces what is at `path`. The directory must exist. @throws CodedError `ERR_DISK_FULL` or `ERR_DISK_FAILED` */
export function writeReport(result: BenchResult, path: string): void {
  writeTextFile(path, renderReport(result));
}
