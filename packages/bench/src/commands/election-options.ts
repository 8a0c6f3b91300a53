/** The options that say how soon a silent leader is missed, as several subcommands take them. */
import { optionInvalid } from '@quorate/core';
import { durationMs, rangeMs } from '../options.ts';
import { option } from './option.ts';

export interface ElectionFlags {
  readonly electionTimeout: readonly [min: number, max: number];
  readonly heartbeat: number;
}

export const electionOptions = () => [
  option(
    '--election-timeout <min-max>',
    'milliseconds of silence after which a follower stands',
    (name, text) => rangeMs(name, text, { min: 10, max: 60_000 }),
    '150-300',
  ),
  option(
    '--heartbeat <time>',
    'how often a leader is heard from',
    (name, text) => durationMs(name, text, { min: 1, max: 30_000 }),
    '50ms',
  ),
];

/** @throws CodedError `ERR_OPTION_INVALID` where the two do not go together */
export function electionTimes({ electionTimeout, heartbeat }: ElectionFlags): {
  readonly electionTimeoutMs: readonly [min: number, max: number];
  readonly heartbeatMs: number;
} {
  const [shortestMs] = electionTimeout;
  if (heartbeat > shortestMs / 2) {
    const allowed = `at most half of the shortest election timeout (${shortestMs / 2}ms)`;
    throw optionInvalid('--heartbeat', `${heartbeat}ms`, allowed);
  }
  return { electionTimeoutMs: electionTimeout, heartbeatMs: heartbeat };
}
