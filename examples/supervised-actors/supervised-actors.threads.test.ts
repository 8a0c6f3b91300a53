/** The example does what it tells. */
import { expect, test } from 'vitest';
import { playStory } from '../dist/supervised-actors/story.js';

test('an actor fails and restarts; another dies with its node, is missed, and comes back', async () => {
  const told: string[] = [];
  await playStory((line) => told.push(line));
  expect(told).toEqual([
    'east counted 4 words',
    'east failed: ERR_ACTOR_FAILED',
    'east is back, with 0 words',
    'east/counter has ended: node-down, in life 0',
    'nobody answers: ERR_DEAD_LETTER',
    'west still holds 2 words',
    'east lives again: 3 words',
  ]);
});
