/** The leader is cut off with less than a majority; clients reach both sides. */
import type { Fault } from './fault.ts';

export const partition: Fault = {
  name: 'partition',
  sentence: 'the leader is cut off with a minority, while clients reach both sides; later the links heal',
  nodesMin: 2,
  isKill: false,
  async strike({ faults, leader, followers }) {
    const companions = Math.max(Math.floor(followers.length / 2) - 1, 0);
    const minority = [leader, ...followers.slice(0, companions)];
    const majority = followers.slice(companions);
    await faults.partition([minority, majority]);
    return { target: `${minority.join(',')} | ${majority.join(',')}`, mend: () => faults.heal() };
  },
};
