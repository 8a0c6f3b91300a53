/**
 * The audit of a load's writes against the tally of what was carried out: each that was acknowledged took
 * effect once, each that was said to have failed never.
 */
import { type History, operationAt } from '@quorate/simulation';
import { numberOf } from '../workload/register-operations.ts';

export interface WriteAudit {
  readonly acknowledged: number;
  /** Acknowledged, and not carried out. */
  readonly lost: number;
  /** Carried out more than once, whatever was said of them. */
  readonly doubled: number;
  /** Said to have failed, and carried out. */
  readonly contradicted: number;
}

/** @param tally how often each write was carried out, by its number */
export function auditWrites(history: History, tally: Uint8Array): WriteAudit {
  const audit = { acknowledged: 0, lost: 0, doubled: 0, contradicted: 0 };
  for (let operation = 0; operation < history.kinds.length; operation++) {
    const { f, value, outcome } = operationAt(history, operation);
    if (f !== 'write' && f !== 'cas') continue;
    const times = tally[numberOf(String(f === 'cas' ? (value as readonly unknown[])[1] : value))] ?? 0;
    if (outcome === 'ok') audit.acknowledged += 1;
    if (outcome === 'ok' && times === 0) audit.lost += 1;
    if (outcome === 'fail' && times > 0) audit.contradicted += 1;
    if (times > 1) audit.doubled += 1;
  }
  return audit;
}

export function addAudits(one: WriteAudit, other: WriteAudit): WriteAudit {
  return {
    acknowledged: one.acknowledged + other.acknowledged,
    lost: one.lost + other.lost,
    doubled: one.doubled + other.doubled,
    contradicted: one.contradicted + other.contradicted,
  };
}

/** @returns which writes were not what their clients were told, in a few words, or undefined */
export function writesAtFault({ lost, doubled, contradicted }: WriteAudit): string | undefined {
  const faults = [
    ...(lost > 0 ? [`${lost} acknowledged and LOST`] : []),
    ...(doubled > 0 ? [`${doubled} carried out TWICE`] : []),
    ...(contradicted > 0 ? [`${contradicted} carried out though said to have failed`] : []),
  ];
  return faults.length === 0 ? undefined : `writes: ${faults.join(', ')}`;
}
