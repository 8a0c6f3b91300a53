/** One seed is one run, on every machine: `node examples/dist/one-seed/main.js`. */
import { simulate } from '@quorate/simulation';

const { violation, acknowledged, traceChecksum } = await simulate({ algorithm: 'raft', seed: 7 });
console.log(violation ?? `all held while ${acknowledged} operations were acknowledged`);

const again = await simulate({ algorithm: 'raft', seed: 7 });
console.log('the same run:', again.traceChecksum === traceChecksum);
