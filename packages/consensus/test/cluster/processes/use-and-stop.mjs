/**
 * A program that starts a cluster, uses it, stops it, and must then end by itself. What it leaves behind
 * on purpose: calls that wait, a deadline far away, a signal that is never raised. Argument: a directory.
 */
import { Cluster } from '@quorate/consensus';

const cluster = await Cluster.start({
  storage: { directory: process.argv[2] },
  stateMachine: new URL('../machines/ledger.mjs', import.meta.url),
});
console.log((await cluster.propose('used')).id);
await cluster.session('named').propose('too');
console.log(await cluster.query('size'));
await cluster.faults.partition([['a'], ['b'], ['c']]);
const options = { timeoutMs: 600_000, signal: new AbortController().signal };
const waiting = [cluster.propose('never', options), cluster.query('size', options)];
const codes = waiting.map((call) =>
  call.then(
    () => 'done',
    (error) => error.code,
  ),
);
await new Promise((resolve) => setImmediate(resolve));
await cluster.stop();
console.log((await Promise.all(codes)).every((code) => /^ERR_(STOPPED|OUTCOME_UNKNOWN)$/.test(code)));
