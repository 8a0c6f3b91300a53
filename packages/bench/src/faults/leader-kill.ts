/** The leader's thread ends. */
import type { Fault } from './fault.ts';
import { killNode } from './node-kill.ts';

export const leaderKill: Fault = {
  name: 'leader-kill',
  sentence: "the leader's thread is ended where it stands; later it restarts on the data that it left",
  nodesMin: 1,
  isKill: true,
  strike: (scene) => killNode(scene.leader, scene),
};
