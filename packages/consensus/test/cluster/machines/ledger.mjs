/**
 * A machine that counts how often it applied each id: once is right, twice is a broken promise.
 * Commands: an id, `{ fail: message }`, or `{ id, fill }` with bytes that make entries large.
 */
import { defineStateMachine } from '@quorate/consensus';

export default defineStateMachine({ version: 1 }, () => {
  let counts = new Map();
  return {
    apply(command, context) {
      if (command?.fail !== undefined) throw new Error(command.fail);
      const id = typeof command === 'string' ? command : command.id;
      counts.set(id, (counts.get(id) ?? 0) + 1);
      return { id, position: context.position };
    },
    query(query) {
      if (query === 'all') return [...counts];
      if (query === 'size') return counts.size;
      if (query?.id !== undefined) return counts.get(query.id) ?? 0;
      throw new Error(`no such query: ${JSON.stringify(query)}`);
    },
    snapshot: () => [...counts],
    restore(saved) {
      counts = new Map(saved);
    },
  };
});
