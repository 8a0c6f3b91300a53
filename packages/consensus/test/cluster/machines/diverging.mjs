/**
 * A machine that is not deterministic, in the way that its URL asks for.
 * `in`: `results`, what it answers is random; `state`, it answers alike, and remembers something random.
 * `mark`: only the first replica that makes this file is so, and the others are sound.
 */
import { closeSync, openSync } from 'node:fs';
import { defineStateMachine } from '@quorate/consensus';

const asked = new URL(import.meta.url).searchParams;

function isTheOne() {
  const mark = asked.get('mark');
  if (mark === null) return true;
  try {
    closeSync(openSync(mark, 'wx'));
    return true;
  } catch {
    return false;
  }
}

export default defineStateMachine({ version: 1 }, () => {
  const chance = isTheOne() ? Math.random : () => 0.5;
  let state = { applied: 0, remembered: 0 };
  return {
    apply() {
      const drawn = chance();
      state.applied += 1;
      if (asked.get('in') === 'state') state.remembered = drawn;
      return asked.get('in') === 'results' ? drawn : state.applied;
    },
    query: () => state.applied,
    snapshot: () => state,
    restore(saved) {
      state = saved;
    },
    digest: () => state.remembered,
  };
});
