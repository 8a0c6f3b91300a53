/**
 * The account of a load: what became of its operations, whether each write was what its client was told, and
 * whether the histories are linearizable. Loads on several clusters are put together.
 */
import type { OperationCounts } from '../result.ts';
import type { AccountedLoad } from './audited-load.ts';
import { addAudits, type WriteAudit, writesAtFault } from './write-audit.ts';

export interface Account {
  readonly operations: OperationCounts;
  /** Null: no history was kept. */
  readonly audit: WriteAudit | null;
  readonly recorded: boolean;
  /** Whether every history is linearizable; null: not checked, or the checker gave up. */
  readonly verified: boolean | null;
  readonly verdictNote?: string;
  readonly errors: Readonly<Record<string, number>>;
  readonly warnings: readonly string[];
}

export function accountOf(loads: readonly AccountedLoad<unknown>[], recorded: boolean): Account {
  const audits = loads.flatMap(({ audit }) => audit ?? []);
  const notes = loads.flatMap(({ verdictNote }) => verdictNote ?? []);
  const errors: Record<string, number> = {};
  for (const [code, count] of loads.flatMap((load) => [...load.errors])) {
    errors[code] = (errors[code] ?? 0) + count;
  }
  const total = (outcome: keyof OperationCounts): number =>
    loads.reduce((sum, { operations }) => sum + operations[outcome], 0);
  return {
    operations: { ok: total('ok'), failed: total('failed'), unknown: total('unknown') },
    audit: audits.length === 0 ? null : audits.reduce(addAudits),
    recorded,
    verified: allHold(loads.map(({ verified }) => verified)),
    ...(notes.length === 0 ? {} : { verdictNote: notes.join('; ') }),
    errors,
    warnings: [...new Set(loads.flatMap(({ warnings }) => warnings))],
  };
}

/** False if one is; null if not all were decided. */
function allHold(verdicts: readonly (boolean | null)[]): boolean | null {
  if (verdicts.includes(false)) return false;
  return verdicts.includes(null) ? null : true;
}

/** @returns what is wrong with it, in a few words, or undefined */
export function faultOf({ audit, recorded, verified }: Account): string | undefined {
  const writes = audit === null ? undefined : writesAtFault(audit);
  if (writes !== undefined) return writes;
  if (verified === false) return 'NOT linearizable';
  return recorded && verified === null ? 'the check of its history came to no verdict' : undefined;
}
