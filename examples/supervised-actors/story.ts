/**
 * Supervised actors on several nodes: one fails and is restarted, one is killed with its node, watched,
 * and comes back. Run it: `node examples/dist/supervised-actors/story.js`.
 */
import { pathToFileURL } from 'node:url';
import { ActorSystem } from '@quorate/core';
import type { CounterMessage } from './counter.ts';
import type { End, GuardianMessage } from './guardian.ts';

const timeoutMs = 5_000;
const counterUrl = new URL('./counter.js', import.meta.url);
const guardianUrl = new URL('./guardian.js', import.meta.url);

/** Plays the story, telling each step. */
export async function playStory(tell: (line: string) => void): Promise<void> {
  await using system = await ActorSystem.start({ nodes: ['watchtower', 'east', 'west'] });

  const guardian = await system.spawn<GuardianMessage, End>('watchtower/guardian', guardianUrl);
  const restart = { max: 3, withinMs: 10_000, backoffMs: 1 };
  const east = await system.spawn<CounterMessage, number>('east/counter', counterUrl, { restart });
  const west = await system.spawn<CounterMessage, number>('west/counter', counterUrl, { restart });
  for (const { address } of [east, west]) await guardian.ask({ type: 'guard', address }, { timeoutMs });

  await east.ask({ type: 'count', line: 'the quick brown fox' }, { timeoutMs });
  await west.ask({ type: 'count', line: 'jumps over' }, { timeoutMs });
  tell(`east counted ${await east.ask({ type: 'total' }, { timeoutMs })} words`);

  // An actor that throws is restarted on its node, with an empty state. It has not ended: nobody is told.
  await east
    .ask({ type: 'count', line: '' }, { timeoutMs })
    .catch(({ code }) => tell(`east failed: ${code}`));
  tell(`east is back, with ${await east.ask({ type: 'total' }, { timeoutMs })} words`);

  // A node that is killed takes its actors with it. The other nodes hear of it at once.
  const ended = guardian.ask({ type: 'await-end' }, { timeoutMs });
  await system.kill('east');
  const { address, reason, incarnation } = await ended;
  tell(`${address} has ended: ${reason}, in life ${incarnation}`);
  await east.ask({ type: 'total' }, { timeoutMs }).catch(({ code }) => tell(`nobody answers: ${code}`));
  tell(`west still holds ${await west.ask({ type: 'total' }, { timeoutMs })} words`);

  // A restart brings back what was placed there; the same reference reaches it, and it can be watched again.
  await system.restart('east');
  await guardian.ask({ type: 'guard', address: east.address }, { timeoutMs });
  tell(`east lives again: ${await east.ask({ type: 'count', line: 'the lazy dog' }, { timeoutMs })} words`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await playStory(console.log);
