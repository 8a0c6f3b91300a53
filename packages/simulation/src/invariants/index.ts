/** The safety properties, one file each, checked together after every simulated step. */
import { chosenIsHeld } from './chosen-is-held.ts';
import { chosenOnce } from './chosen-once.ts';
import { electionSafety } from './election-safety.ts';
import { leaderCompleteness } from './leader-completeness.ts';
import { logMatching } from './log-matching.ts';
import type { InvariantMemory, NodeView } from './memory.ts';
import { monotonic } from './monotonic.ts';
import { promisesKept } from './promises-kept.ts';
import { stateMachineSafety } from './state-machine-safety.ts';

export { InvariantMemory, type NodeView } from './memory.ts';

/** What is broken, or undefined. */
export type SafetyProperty = (views: readonly NodeView[], memory: InvariantMemory) => string | undefined;

/** In this order: state machine safety notes what is chosen, and those after it read that. */
export const safetyProperties: Readonly<Record<string, SafetyProperty>> = {
  'election safety': electionSafety,
  monotonic,
  'log matching': logMatching,
  'state machine safety': stateMachineSafety,
  'leader completeness': leaderCompleteness,
  'chosen once': chosenOnce,
  'promises kept': promisesKept,
  'chosen is held': chosenIsHeld,
};

const inOrder = Object.entries(safetyProperties);

/**
 * @param views every node that a step has changed and that is up
 * @returns which property is broken and how, or undefined
 */
export function checkInvariants(views: readonly NodeView[], memory: InvariantMemory): string | undefined {
  memory.beginStep(views);
  for (const [name, property] of inOrder) {
    const violation = property(views, memory);
    if (violation !== undefined) return `${name}: ${violation}`;
  }
  return undefined;
}
