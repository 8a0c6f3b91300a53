/**
 * A program that embeds a cluster and writes without end: each id that was acknowledged goes to its
 * output, one a line. Somebody kills it. Arguments: directory, algorithm, prefix of the ids.
 */
import { Cluster } from '@quorate/consensus';

const [directory, algorithm, prefix] = process.argv.slice(2);
const cluster = await Cluster.start({
  algorithm,
  storage: { directory },
  stateMachine: new URL('../machines/ledger.mjs', import.meta.url),
  segmentBytes: 64 * 1024,
  snapshotEveryBytes: 64 * 1024,
});

let next = 0;
async function writeForEver() {
  while (true) {
    const id = `${prefix}-${next++}`;
    await cluster.propose(id);
    process.stdout.write(`${id}\n`);
  }
}
await Promise.all(Array.from({ length: 64 }, writeForEver));
