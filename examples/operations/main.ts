/** Reads of each kind, and changes of a running cluster: `node examples/dist/operations/main.js ./data`. */
import { Cluster } from '@quorate/consensus';
import type counter from '../counter/counter.ts';

await using cluster = await Cluster.start<typeof counter>({
  algorithm: 'raft',
  nodes: ['a', 'b', 'c'],
  stateMachine: new URL('../counter/counter.js', import.meta.url),
  storage: { directory: process.argv[2] ?? './data' },
});
await cluster.propose({ add: 1 });

const reads = [
  await cluster.query('value'), // linearizable: a quorum confirms the leader, nothing is written
  await cluster.query('value', { node: 'b' }), // linearizable too, out of the state of b
  await cluster.query('value', { consistency: 'lease' }), // asks nobody while the leader's lease runs
  await cluster.query('value', { consistency: 'session' }), // what this session has seen and done
  await cluster.query('value', { consistency: 'eventual', node: 'c' }), // what c has by now
];
console.log('reads:', reads.join(' '));

const orders = cluster.session('orders-worker-7'); // an identity that outlives the process
console.log('as orders-worker-7:', await orders.propose({ add: 1 }));

await cluster.transferLeadership('b');
console.log('leader:', cluster.status().leader);

let epoch = await cluster.reconfigure({ algorithm: 'multi-paxos' });
console.log(`epoch ${epoch}:`, cluster.status().algorithm);

epoch = await cluster.reconfigure({ members: ['b', 'c', 'd', 'e', 'f'] });
console.log(`epoch ${epoch}:`, cluster.status().members.join(' '));

epoch = await cluster.replace('c'); // its disk is gone: it begins blank, learns, and votes again
console.log(`epoch ${epoch}:`, 'c is back');

await cluster.faults.kill(cluster.status().leader ?? 'b');
console.log('without its leader:', await cluster.propose({ add: 1 }));
