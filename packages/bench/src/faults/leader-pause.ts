/** The leader's thread stands still, as a process does under SIGSTOP or in a very long collection. */
import type { Fault } from './fault.ts';

export const leaderPause: Fault = {
  name: 'leader-pause',
  sentence: "the leader's thread stands still, timers and all; later it goes on and must not be believed",
  nodesMin: 1,
  isKill: false,
  async strike({ faults, leader }) {
    await faults.pause(leader);
    return { target: leader, mend: () => faults.resume(leader) };
  },
};
