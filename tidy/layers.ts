/** The layers as data: which package may import which. Arrows go one way. */

export const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  storage: ['core'],
  consensus: ['core', 'storage'],
  simulation: ['core', 'storage', 'consensus'],
  bench: ['core', 'storage', 'consensus', 'simulation'],
};

/** Names under which code hides that has no name yet. */
export const bannedNames = ['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'types', 'shared'];

/** Longest source file, in lines: a file is one thought. */
export const fileLinesMax = 500;

/** Calls that the pure protocols may not make: time, chance and the outside come in as inputs. */
export const bannedInProtocols = [
  /\bawait\b/,
  /\basync\b/,
  /\bDate\b/,
  /\bMath\.random\b/,
  /\bperformance\b/,
  /\bsetTimeout\b/,
  /\bsetImmediate\b/,
  /\bprocess\./,
  /from 'node:/,
];

export const protocolFolders = [
  'packages/consensus/src/raft',
  'packages/consensus/src/multi-paxos',
  'packages/consensus/src/synod',
  'packages/consensus/src/quorum',
];
