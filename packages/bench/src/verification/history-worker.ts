/**
 * The task of a verifying thread: the verdict on one history.
 */
import { checkLinearizability, type LinearizabilityVerdict } from '@quorate/simulation';
import { type HistoryColumns, toHistory } from './history-columns.ts';

export default function judge(history: HistoryColumns): LinearizabilityVerdict {
  return checkLinearizability(toHistory(history), 'cas-register');
}
