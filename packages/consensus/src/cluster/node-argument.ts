/**
 * What a node is told when it is opened: who it is, where its data is, and what it begins with if there is none.
 *
 * A folder that holds data speaks for itself. For a blank one the question is whether it may vote from the beginning,
 * and that it may only where there is nothing to have missed.
 */
import { resolve } from 'node:path';
import type { NodeId } from '@quorate/core';
import type { FirstEpoch } from '../replica/open-replica.ts';
import type { ClusterIdentity } from './cluster-directory.ts';
import type { NodeArgument } from './node-actor.ts';
import type { CheckedOptions } from './options.ts';

/**
 * Whether a node whose folder is blank begins without a voice: it joins, or it is a member of a later epoch than the
 * first that was never seen to open its disk. What the epochs before have decided is with a quorum of those who were
 * there; in the next epoch nobody may vote who does not hold it, or a quorum would be found without it.
 */
export function beginsWithoutVoice(
  { epoch, joining, disks }: Pick<ClusterIdentity, 'epoch' | 'joining' | 'disks'>,
  node: NodeId,
): boolean {
  return joining.includes(node) || (epoch > 1 && disks?.[node] === undefined);
}

/** @param located where the groups stand of which that is known; who learns begins there */
export function nodeArgument(
  node: NodeId,
  identity: ClusterIdentity,
  { stateMachine, storage, tuning }: Pick<CheckedOptions, 'stateMachine' | 'storage' | 'tuning'>,
  located: ReadonlyMap<number, FirstEpoch>,
): NodeArgument {
  const { clusterId, algorithm, acceptQuorum, groups, members, disks } = identity;
  const onDisk = storage === 'memory' ? undefined : storage;
  const { directory, traceDirectory } = onDisk ?? {};
  return {
    clusterId,
    directory: directory === undefined ? undefined : resolve(directory, node),
    traceFile: traceDirectory === undefined ? undefined : resolve(traceDirectory, `${node}.trace.jsonl`),
    stateMachine: stateMachine.href,
    diskId: disks?.[node],
    groups,
    // The first of all epochs: groups may stand at different ones, and whoever begins before a group is brought along,
    // while one that began after it would wait for it.
    epoch: { number: 1, algorithm, acceptQuorum, members },
    joins: beginsWithoutVoice(identity, node) ? located : undefined,
    tuning,
  };
}
