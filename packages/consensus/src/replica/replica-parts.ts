/** What a replica is given by whoever opens it: its place, its disk, its links, its limits, and whom it tells. */
import type { ActorRef, Clock, NodeId, Random } from '@quorate/core';
import type { SnapshotStore, WriteAheadLog } from '@quorate/storage';
import type { Epochs, EpochsParts } from './epochs.ts';
import type { EpochChange } from './message.ts';
import type { ReplicatedState } from './replicated-state.ts';
import type { SnapshotPlace } from './snapshot-keeper.ts';

export interface ReplicaParts {
  readonly node: NodeId;
  readonly group: number;
  readonly clock: Clock;
  /** Another one in each life of the node. */
  readonly random: Random;
  readonly log: WriteAheadLog;
  readonly snapshots: SnapshotStore;
  readonly state: ReplicatedState;
  /** The snapshot that the state was restored from. */
  readonly restoredFrom: SnapshotPlace | undefined;
  /** The last entry that is in the state. */
  readonly standsAt: SnapshotPlace | undefined;
  /** Payload bytes applied between two snapshots. */
  readonly snapshotEveryBytes: number;
  /** Bytes of a snapshot that travel in one message. */
  readonly snapshotChunkBytes: number;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: readonly [min: number, max: number];
  /** Payload bytes that may wait at each stage of their way: held, uncommitted, or not applied yet. */
  readonly uncommittedBytesMax: number;
  readonly mailboxDepth: () => number;
  /** The replica of this group on another node. */
  readonly peer: (node: NodeId) => ActorRef;
  /** Something to tell an operator that is not fatal. */
  readonly warn: (message: string, error?: unknown) => void;
  /** Called once when the replica stops for good; nothing is acknowledged after it. */
  readonly failed: (error: unknown) => void;
  /** Makes the epochs of this replica, on what was recovered. */
  readonly epochs: (
    ports: Pick<
      EpochsParts,
      'send' | 'carryOut' | 'entered' | 'speakFirst' | 'asked' | 'bringAlong' | 'failed'
    >,
  ) => Epochs;
  readonly tryAlgorithm: (change: EpochChange) => Promise<unknown>;
}
