/** A counter as a replicated state machine: every node runs one, fed with the same commands in the same order. */
import { defineStateMachine } from '@quorate/consensus';

export default defineStateMachine<{ add: number }, 'value', number>({ version: 1 }, () => {
  let value = 0;
  return {
    apply(command) {
      value += command.add;
      return value;
    },
    query: () => value,
    snapshot: () => value,
    restore(saved) {
      value = saved as number;
    },
  };
});
