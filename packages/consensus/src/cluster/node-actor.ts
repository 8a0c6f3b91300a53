/**
 * The actor of a node in its worker thread: finds the disk, the state machine and the protocols by what it was
 * told, and opens the replicas of the node's groups on them.
 */

import { type Behavior, CodedError, defineActor, InvariantError, loadModule, messageOf } from '@quorate/core';
import {
  type DiskConditions,
  type DiskThread,
  type FileSystem,
  faultyFileSystem,
  MemoryFileSystem,
  startDiskThread,
  tracingFileSystem,
} from '@quorate/storage';
import { openNode } from '../replica/open-node.ts';
import type { FirstEpoch } from '../replica/open-replica.ts';
import type { ReplicaTuning } from '../replica/tuning.ts';
import { asStateMachineDefinition } from '../state-machine.ts';
import { loadProtocol } from './algorithm.ts';
import { traceNowMs, traceWriter } from './disk-trace.ts';

/** What the app's thread tells a node's actor; it crosses by structured clone. */
export interface NodeArgument {
  readonly clusterId: string;
  /** Undefined: the node keeps its data in memory, and a restarted one is blank. */
  readonly directory: string | undefined;
  readonly traceFile: string | undefined;
  readonly diskId: string | undefined;
  readonly stateMachine: string;
  readonly groups: number;
  /** The epoch that a blank directory begins with. */
  readonly epoch: FirstEpoch;
  /** Given when the node has no voice yet: where each group stands, as far as that is known. */
  readonly joins: ReadonlyMap<number, FirstEpoch> | undefined;
  readonly tuning: ReplicaTuning;
}

/** Sets the faults of this node's disk; comes from the app's thread only. */
export interface DiskFaultMessage {
  readonly type: 'disk-conditions';
  readonly conditions: DiskConditions;
}

export default defineActor<unknown, unknown>(async (context): Promise<Behavior<unknown, unknown>> => {
  const argument = context.argument as NodeArgument;
  // A promise that the app's module leaves behind says nothing about the replicated state: it is told of,
  // and must not end the thread, or the same command would end one replica after the other.
  process.on('unhandledRejection', (reason) => {
    // One of our own is another matter: a broken invariant ends the node.
    if (reason instanceof InvariantError) throw reason;
    context.log.error('a promise was rejected and nobody handled it', { error: messageOf(reason) });
  });
  const disk = faultyFileSystem(baseFileSystem(argument), { clock: context.clock, random: context.random });
  const module = await loadModule(argument.stateMachine);
  const behavior = await openNode(context, {
    clusterId: argument.clusterId,
    diskId: argument.diskId,
    fileSystem: disk,
    directory: argument.directory ?? `/${context.node}`,
    machine: asStateMachineDefinition(module['default'], argument.stateMachine),
    groups: argument.groups,
    epoch: argument.epoch,
    joins: argument.joins,
    loadProtocol,
    tuning: argument.tuning,
  });
  return {
    ...behavior,
    receive(message, from) {
      if (!isDiskFault(message)) return behavior.receive(message, from);
      if (!from.address.startsWith('app/'))
        throw new CodedError('ERR_FRAME_INVALID', 'faults come from the app', {});
      disk.set(message.conditions);
    },
  };
});

function baseFileSystem({ directory, traceFile }: NodeArgument): FileSystem {
  if (directory === undefined) return new MemoryFileSystem();
  if (traceFile === undefined) return ownDisk();
  return tracingFileSystem(ownDisk(), traceWriter(traceFile), { nowMs: traceNowMs, withBytes: true });
}

let diskThread: DiskThread | undefined;

/** The disk of this node has a thread of its own, which ends with the node's: one that hangs is nobody else's. */
function ownDisk(): FileSystem {
  diskThread ??= startDiskThread();
  return diskThread.fileSystem;
}

function isDiskFault(message: unknown): message is DiskFaultMessage {
  return (
    typeof message === 'object' && (message as Partial<DiskFaultMessage> | null)?.type === 'disk-conditions'
  );
}
