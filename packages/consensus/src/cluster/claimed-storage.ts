/**
 * The storage of a cluster in the hands of this process: claimed before anything is read, and let go of when nothing
 * can write there any more.
 */
import { resolve } from 'node:path';
import type { ActorSystem } from '@quorate/core';
import { lockDirectory, nodeFileSystem } from '@quorate/storage';
import { type ClusterIdentity, openClusterDirectory, withdrawIdentity } from './cluster-directory.ts';
import type { CheckedOptions } from './options.ts';

export interface ClaimedStorage {
  readonly identity: ClusterIdentity;
  readonly release: () => Promise<void>;
  /**
   * For a cluster that could not start: takes back what was written for it, unless a node has data already, and lets go
   * whether that could be done or not.
   */
  readonly abandon: () => Promise<void>;
  readonly warnings: readonly string[];
}

/** @throws CodedError ERR_DIRECTORY_IN_USE, ERR_LOG_CORRUPT, ERR_FOREIGN_DATA */
export async function claimStorage(
  options: CheckedOptions,
  wanted: ClusterIdentity,
): Promise<ClaimedStorage> {
  const { storage } = options;
  const nothing = async (): Promise<void> => undefined;
  if (storage === 'memory') return { identity: wanted, release: nothing, abandon: nothing, warnings: [] };
  const directory = resolve(storage.directory);
  const fileSystem = nodeFileSystem();
  await fileSystem.makeDirectory(directory);
  const lock = await lockDirectory(directory);
  try {
    const { identity, isNew } = await openClusterDirectory(fileSystem, directory, wanted);
    const isDifferent =
      identity.algorithm !== wanted.algorithm ||
      identity.acceptQuorum !== wanted.acceptQuorum ||
      identity.members.join() !== wanted.members.join() ||
      identity.groups !== wanted.groups;
    const warnings = isDifferent
      ? [`the directory holds a cluster of ${saidOf(identity)}: that wins over the options`]
      : [];
    if (storage.traceDirectory !== undefined) await fileSystem.makeDirectory(resolve(storage.traceDirectory));
    const release = (): Promise<void> => lock.release();
    const withdraw = isNew ? () => withdrawIdentity(fileSystem, directory, identity) : nothing;
    return { identity, release, abandon: () => withdraw().finally(release), warnings };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function saidOf({ algorithm, acceptQuorum, members, groups }: ClusterIdentity): string {
  const quorum = acceptQuorum === undefined ? '' : `, ${acceptQuorum} acceptances choose`;
  return `${algorithm} on ${members.join(', ')}${quorum}${groups === 1 ? '' : `, ${groups} groups`}`;
}

/** What may still write there, after the system was stopped. */
export interface Writers {
  readonly system: Pick<ActorSystem, 'hanging' | 'threadsEnded'>;
  /** Resolves when this thread writes nothing more. */
  readonly ownWrites: Promise<void>;
}

/**
 * Lets go of the directory once nothing can write there any more. Nobody waits for threads that hang, nor longer than
 * `withinMs` for this one. @returns whose disks hang
 */
export async function releaseAfter(
  { system, ownWrites }: Writers,
  release: () => Promise<void>,
  withinMs: number,
): Promise<readonly string[]> {
  const { hanging } = system;
  const released = Promise.all([system.threadsEnded(), ownWrites]).then(release);
  if (hanging.length > 0) {
    released.catch(() => undefined);
    return hanging;
  }
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<readonly string[]>((resolve) => {
    timer = setTimeout(resolve, withinMs, ['the directory itself']);
  });
  return Promise.race([released.then(() => []), tooLong]).finally(() => clearTimeout(timer));
}
