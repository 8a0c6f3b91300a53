/** A program whose node is held by the kernel when it stops, and must then end all the same. Argument: a pipe. */
import { existsSync } from 'node:fs';
import { ActorSystem } from '@quorate/core';

const system = await ActorSystem.start({ nodes: ['a'], stopTimeoutMs: 1_000 });
const probe = await system.spawn('a/probe', new URL('./probe.mjs', import.meta.url));
const pipe = process.argv[2];
probe.ask({ do: 'hold', pipe }, { timeoutMs: 600_000 }).catch(() => undefined);
while (!existsSync(`${pipe}.held`)) await new Promise((resolve) => setImmediate(resolve));
await system.stop();
console.log('stopped');
