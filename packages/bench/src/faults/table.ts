/**
 * The faults by name, as `--faults` takes them: read, listed, and judged against the cluster they are for.
 */
import { majoritySize } from '@quorate/consensus';
import { optionInvalid } from '@quorate/core';
import { choice, listOf } from '../options.ts';
import type { StorageKind } from '../result.ts';
import type { Fault } from './fault.ts';
import { followerKill } from './follower-kill.ts';
import { leaderKill } from './leader-kill.ts';
import { leaderPause } from './leader-pause.ts';
import { none } from './none.ts';
import { partition } from './partition.ts';

const option = '--faults';
const faults: readonly Fault[] = [leaderKill, followerKill, partition, leaderPause];
const names = [none, ...faults].map(({ name }) => name);

/** One line a fault, with what it does. */
export function faultList(): string {
  const width = Math.max(...names.map((name) => name.length));
  return [none, ...faults].map(({ name, sentence }) => `${name.padEnd(width)}  ${sentence}`).join('\n');
}

/**
 * `none`, or faults that strike one after the other in the order given.
 * @throws CodedError `ERR_OPTION_INVALID`
 */
export function readFaults(text: string): readonly Fault[] {
  const chosen = listOf(option, text, (name, item) => choice(name, item, names));
  if (chosen.includes(none.name) && chosen.length > 1) {
    throw optionInvalid(option, text, `${none.name} alone, or other faults`);
  }
  return chosen.flatMap((name) => faults.filter((fault) => fault.name === name));
}

/**
 * Refuses what would leave the cluster without a majority for good, or what has nothing to hit.
 * @throws CodedError `ERR_OPTION_INVALID`
 */
export function requireSurvivable(
  chosen: readonly Fault[],
  { nodes, storage }: { readonly nodes: number; readonly storage: StorageKind },
): void {
  const text = chosen.map(({ name }) => name).join(',');
  for (const { name, nodesMin } of chosen) {
    if (nodes < nodesMin) throw optionInvalid(option, text, `${name} with ${nodesMin} nodes or more`);
  }
  const kills = chosen.filter(({ isKill }) => isKill).length;
  if (storage === 'memory' && nodes - kills < majoritySize(nodes)) {
    const allowed = `as many kills as leave a majority: in memory, a killed node of ${nodes} never comes back`;
    throw optionInvalid(option, text, allowed);
  }
}
