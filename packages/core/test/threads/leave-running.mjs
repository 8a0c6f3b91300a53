/** A program that starts a system, uses it, stops it, and must then end by itself. */
import { ActorSystem } from '@quorate/core';

const system = await ActorSystem.start({ nodes: ['a', 'b'] });
const probe = await system.spawn('a/probe', new URL('./probe.mjs', import.meta.url));
const pending = probe.ask({ do: 'never' }, { timeoutMs: 600_000 }).catch((error) => error.code);
console.log(await probe.ask({ do: 'echo', value: 'used' }, { timeoutMs: 5_000 }));
await system.stop();
console.log(await pending);
