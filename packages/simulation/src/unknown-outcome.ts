/**
 * What may be concluded from an operation whose outcome nobody knows: it has no deadline, and often it
 * says nothing at all.
 */
import { CAS, FAIL, type History, NEVER, OK, READ } from './history.ts';
import type { ModelName } from './history-models.ts';

/** When the operation had surely taken effect; NEVER if its outcome is unknown. */
export function effectDeadline(history: History, operation: number): number {
  return history.outcomes[operation] === OK ? (history.completedAt[operation] as number) : NEVER;
}

/** Whether the operation says anything: it did not fail, and is not a read that nobody got an answer to. */
export function constrains(history: History, operation: number): boolean {
  const outcome = history.outcomes[operation];
  if (outcome === FAIL) return false;
  return outcome === OK || history.kinds[operation] !== READ;
}

/**
 * Leaves out operations of unknown outcome that cannot help to explain anything: a register's write or
 * cas whose value nobody saw. Had it taken effect, the next write would have covered it before anyone
 * looked, so any order that holds it holds without it. Not so beside a cas that reports that it did not
 * match: that one may need the value to be anything else.
 */
export function observableOperations(model: ModelName, history: History, operations: Int32Array): Int32Array {
  const { kinds, inputs, targets, results } = history;
  if (model !== 'cas-register') return operations;
  if (operations.some((operation) => kinds[operation] === CAS && results[operation] === 0)) return operations;
  for (let kept = operations; ; ) {
    const observed = new Set<number>();
    for (const operation of kept) {
      if (kinds[operation] === READ) observed.add(results[operation] as number);
      else if (kinds[operation] === CAS) observed.add(inputs[operation] as number);
    }
    const fewer = kept.filter((operation) => {
      const written = kinds[operation] === CAS ? targets[operation] : inputs[operation];
      return effectDeadline(history, operation) !== NEVER || observed.has(written as number);
    });
    if (fewer.length === kept.length) return kept;
    kept = fewer;
  }
}
