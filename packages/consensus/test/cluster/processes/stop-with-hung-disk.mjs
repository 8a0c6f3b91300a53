/**
 * A program whose cluster loses the disk of its leader to the kernel, goes on without it, and stops. It must
 * then end, though one of its threads cannot. Started with `held-disk-calls.cjs`. Argument: a directory.
 */
import { execFileSync } from 'node:child_process';
import { Cluster } from '@quorate/consensus';

const [directory] = process.argv.slice(2);
const cluster = await Cluster.start({
  nodes: 5,
  storage: { directory },
  stateMachine: new URL('../machines/ledger.mjs', import.meta.url),
  stopTimeoutMs: 1_000,
});
await cluster.query('size');
execFileSync('mkfifo', [`${directory}/${cluster.status().leader}.held-fdatasyncSync`]);
await cluster.propose('while it hangs', { timeoutMs: 20_000 });
console.log('acknowledged');
await cluster.stop();
console.log('stopped');
