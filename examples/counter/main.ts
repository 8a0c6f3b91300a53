/** Counts on, survives its leader, and remembers: `node examples/dist/counter/main.js ./data`, twice. */
import { Cluster } from '@quorate/consensus';
import type counter from './counter.ts';

await using cluster = await Cluster.start<typeof counter>({
  algorithm: 'raft', // or 'multi-paxos'
  nodes: 3, // each an actor in a thread of its own
  stateMachine: new URL('./counter.js', import.meta.url),
  storage: { directory: process.argv[2] ?? './data' },
});

console.log('added one:', await cluster.propose({ add: 1 }));
console.log('value:', await cluster.query('value'));

const { leader = 'nobody' } = cluster.status();
await cluster.faults.kill(leader);
console.log(`${leader} is dead, and one more:`, await cluster.propose({ add: 1 }));
