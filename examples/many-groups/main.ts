/** Many small state machines on three nodes: `node examples/dist/many-groups/main.js ./data`. */
import { Cluster } from '@quorate/consensus';
import type counter from '../counter/counter.ts';

await using cluster = await Cluster.start<typeof counter>({
  nodes: 3,
  groups: 16, // 1 to 4,096, each with a leader of its own; they share threads, log and links
  stateMachine: new URL('../counter/counter.js', import.meta.url),
  storage: { directory: process.argv[2] ?? './data' },
});

const groups = Array.from({ length: 16 }, (_, number) => cluster.group(number));
await Promise.all(groups.map((group) => group.propose({ add: group.number })));
console.log('group 7:', await cluster.group(7).query('value'));

await cluster.group(7).reconfigure({ algorithm: 'multi-paxos' });
console.log('group 7 runs', cluster.group(7).status().algorithm);
console.log('group 8 runs', cluster.group(8).status().algorithm);
