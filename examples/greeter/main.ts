/** Two nodes, one actor, one question: `node examples/dist/greeter/main.js`. */
import { ActorSystem } from '@quorate/core';

await using system = await ActorSystem.start({ nodes: ['a', 'b'] });
const greeter = await system.spawn<{ greet: string }, string>(
  'b/greeter',
  new URL('./greeter.js', import.meta.url),
  {
    mailbox: { capacity: 10_000, overflow: 'reject' },
    restart: { max: 5, withinMs: 10_000 },
  },
);
greeter.tell({ greet: 'nobody' });
console.log(await greeter.ask({ greet: 'you' }, { timeoutMs: 1_000 }));
