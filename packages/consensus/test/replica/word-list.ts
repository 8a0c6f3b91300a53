/** A state machine that is the list of everything it was ever given. */
import { defineStateMachine } from '../../src/state-machine.ts';

export const wordList = defineStateMachine<string, 'all', number>({ version: 1 }, () => {
  let all: string[] = [];
  return {
    apply: (word) => all.push(word),
    query: () => [...all] as unknown as number,
    snapshot: () => [...all],
    restore: (saved) => {
      all = [...(saved as string[])];
    },
  };
});
