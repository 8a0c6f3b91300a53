/** The thread of one follower ends, drawn from the seed. */
import { invariant } from '@quorate/core';
import type { Fault } from './fault.ts';
import { killNode } from './node-kill.ts';

export const followerKill: Fault = {
  name: 'follower-kill',
  sentence: "a follower's thread is ended where it stands; later it restarts and catches up",
  nodesMin: 2,
  isKill: true,
  strike(scene) {
    const { followers, random } = scene;
    const follower = followers[random.below(followers.length)];
    invariant(follower !== undefined, 'a cluster of two or more has a follower to hit');
    return killNode(follower, scene);
  },
};
